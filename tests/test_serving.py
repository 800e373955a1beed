"""What answers for images: one network or a committee, for images as people have them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.serving import BATCH, as_images, load_predictor
from tests.make_records import CLASSES
from tests.networks import random_images, save_network

IMAGES = random_images(3)


def with_pixel(value: Any) -> np.ndarray:
    """Return an image of zeros with one other pixel."""
    image = np.zeros((1, 28, 28), dtype=np.asarray(value).dtype)
    image[0, 3, 4] = value
    return image


@pytest.mark.parametrize(
    "values",
    [
        IMAGES,
        IMAGES[..., None],
        IMAGES.reshape(3, 784),
        IMAGES.astype(np.int64),
        IMAGES.astype(np.float32),
        IMAGES.astype(np.float64).reshape(3, 784),
        IMAGES.tolist(),
        IMAGES[..., None].tolist(),
        np.asfortranarray(IMAGES),
    ],
    ids=["as it is", "channel", "flat", "int64", "float32", "flat float64", "lists", "lists channel", "fortran"],
)
def test_images_of_every_accepted_shape_are_the_same(values: Any) -> None:
    np.testing.assert_array_equal(as_images(values), IMAGES, strict=True)


def test_one_image_is_a_batch_of_one() -> None:
    np.testing.assert_array_equal(as_images(IMAGES[1]), IMAGES[1:2], strict=True)
    np.testing.assert_array_equal(as_images(IMAGES[1].tolist()), IMAGES[1:2], strict=True)


def test_extreme_pixels_are_taken() -> None:
    for value in (0, 255, 255.0, np.uint16(255), True):
        assert as_images(with_pixel(value))[0, 3, 4] == int(value)


@pytest.mark.parametrize(
    "shape", [(), (784,), (28,), (3, 28), (3, 27, 28), (28, 28, 3), (3, 28, 28, 3), (1, 3, 28, 28)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LineupError) as caught:
        as_images(np.zeros(shape, np.uint8))
    assert str(caught.value) == f"images of shape {shape}: expected (n, 28, 28), (n, 28, 28, 1) or (n, 784)"


@pytest.mark.parametrize("value", [256, -1, 0.5, 254.999, np.nan, np.inf, -np.inf, 1e300, 2**40], ids=str)
def test_pixels_that_are_no_grey_values_are_refused(value: float) -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(LineupError, match="every pixel must be a whole number from 0 to 255"),
    ):
        as_images(with_pixel(value))


@pytest.mark.parametrize(
    "values",
    [np.full((28, 28), "1"), np.full((28, 28), None), IMAGES * 1j, [[1, 2], [3]], [[[1] * 28] * 28, [[1] * 28] * 27]],
    ids=["text", "objects", "complex", "ragged rows", "ragged images"],
)
def test_what_is_no_array_of_numbers_is_refused(values: Any) -> None:
    with pytest.raises(LineupError, match="images: expected an array of numbers"):
        as_images(values)


def test_network_answers_as_it_did_before_it_was_saved(tmp_path: Path) -> None:
    network = save_network(tmp_path, seed=1)
    predict = load_predictor(tmp_path)
    found = predict(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(network(IMAGES)), atol=1e-7)


def test_any_number_of_images_is_answered(tmp_path: Path) -> None:
    save_network(tmp_path, seed=1)
    predict = load_predictor(tmp_path)
    many = random_images(BATCH + 1)
    found = predict(many)
    assert found.shape == (BATCH + 1, len(CLASSES))
    np.testing.assert_allclose(found[-1:], predict(many[-1:]), atol=1e-6)
    assert predict(many[:0]).shape == (0, len(CLASSES))


def test_committee_answers_the_mean_of_its_members(tmp_path: Path) -> None:
    networks = [save_network(tmp_path / "members" / name, seed) for seed, name in enumerate(("one", "two"))]
    (tmp_path / "committee.json").write_text(json.dumps({"rule": "average", "members": ["one", "two"]}))
    single = [np.asarray(network(IMAGES)) for network in networks]
    assert not np.allclose(single[0], single[1], atol=0.01)
    found = load_predictor(tmp_path)(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (single[0] + single[1]) / 2, atol=1e-6)


def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"no network\.keras and no committee\.json here") as caught:
        load_predictor(tmp_path)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "committee.json").write_text(json.dumps({"rule": "average", "members": ["one"]}))
    with pytest.raises(LineupError, match=r"members.one: no network\.keras"):
        load_predictor(tmp_path)
