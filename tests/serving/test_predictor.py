"""Predictions of stored networks, estimators and committees, for images in every accepted shape."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.batches import PREDICT_BATCH, in_batches
from lineup.committee.fitting import FittedRule, Temperature, fit_rule
from lineup.committee.model import COMMITTEE, read_committee, write_committee
from lineup.committee.rules import RULES
from lineup.errors import LineupError
from lineup.models.classical import logistic_regression
from lineup.records.header import Device
from lineup.serving import predictor
from lineup.serving.predictor import MAX_IMAGES, as_images, load_predictor, load_with_agreement, load_with_members
from lineup.serving.speed import prediction_times
from lineup.training.estimator import Classical, fit_estimator
from tests.make_records import CLASSES, make_record, random_predictions
from tests.networks import random_images, save_network

SHAPE = (28, 28, 1)
IMAGES = random_images(3)
COLOUR = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)


def with_pixel(value: Any) -> np.ndarray:
    """Return an image of zeros with one other pixel value."""
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
def test_every_accepted_shape_gives_the_same_images(values: Any) -> None:
    np.testing.assert_array_equal(as_images(values, SHAPE), IMAGES, strict=True)


def test_one_image_becomes_a_batch_of_one() -> None:
    np.testing.assert_array_equal(as_images(IMAGES[1], SHAPE), IMAGES[1:2], strict=True)
    np.testing.assert_array_equal(as_images(IMAGES[1].tolist(), SHAPE), IMAGES[1:2], strict=True)


@pytest.mark.parametrize(
    "values",
    [COLOUR, COLOUR.reshape(3, 1440), COLOUR.tolist(), COLOUR.astype(np.float32)],
    ids=["own", "flat", "lists", "float"],
)
def test_every_accepted_shape_of_colour_images_gives_the_same_images(values: Any) -> None:
    np.testing.assert_array_equal(as_images(values, (20, 24, 3)), COLOUR, strict=True)


def test_one_colour_image_becomes_a_batch_of_one() -> None:
    np.testing.assert_array_equal(as_images(COLOUR[1], (20, 24, 3)), COLOUR[1:2], strict=True)
    assert as_images([], (20, 24, 3)).shape == (0, 20, 24, 3)


@pytest.mark.parametrize("shape", [(3, 24, 20, 3), (3, 20, 24), (3, 3, 20, 24), (3, 480)])
def test_other_shapes_of_colour_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LineupError) as caught:
        as_images(np.zeros(shape, np.uint8), (20, 24, 3))
    assert str(caught.value) == f"images of shape {shape}: expected (n, 20, 24, 3) or (n, 1440)"


def test_extreme_pixels_are_accepted() -> None:
    for value in (0, 255, 255.0, np.uint16(255), True):
        assert as_images(with_pixel(value), SHAPE)[0, 3, 4] == int(value)


@pytest.mark.parametrize(
    "shape", [(), (784,), (28,), (3, 28), (3, 27, 28), (28, 28, 3), (3, 28, 28, 3), (1, 3, 28, 28)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LineupError) as caught:
        as_images(np.zeros(shape, np.uint8), SHAPE)
    assert str(caught.value) == f"images of shape {shape}: expected (n, 28, 28), (n, 28, 28, 1) or (n, 784)"


@pytest.mark.parametrize("value", [256, -1, 0.5, 254.999, np.nan, np.inf, -np.inf, 1e300, 2**40], ids=str)
def test_invalid_pixels_are_refused(value: float) -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(LineupError, match="every pixel must be a whole number from 0 to 255"),
    ):
        as_images(with_pixel(value), SHAPE)


@pytest.mark.parametrize(
    "values",
    [np.full((28, 28), "1"), np.full((28, 28), None), IMAGES * 1j, [[1, 2], [3]], [[[1] * 28] * 28, [[1] * 28] * 27]],
    ids=["text", "objects", "complex", "ragged rows", "ragged images"],
)
def test_other_inputs_than_arrays_of_numbers_are_refused(values: Any) -> None:
    with pytest.raises(LineupError, match="images: expected an array of numbers"):
        as_images(values, SHAPE)


def test_a_saved_network_gives_the_same_predictions(tmp_path: Path) -> None:
    network = save_network(tmp_path, seed=1)
    predict = load_predictor(tmp_path, SHAPE)
    found = predict(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(network(IMAGES)), atol=1e-7)


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[: len(content) // 2], lambda content: b"PK\x05\x06" + bytes(18)],
    ids=["empty", "half", "empty archive"],
)
def test_a_damaged_network_raises_one_error(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    save_network(tmp_path, seed=1)
    path = tmp_path / "network.keras"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(LineupError, match=r"network\.keras: expected a Keras network, found a damaged") as caught:
        load_predictor(tmp_path, SHAPE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_images_than_a_batch_are_predicted(tmp_path: Path) -> None:
    save_network(tmp_path, seed=1)
    predict = load_predictor(tmp_path, SHAPE)
    many = random_images(PREDICT_BATCH + 1)
    found = predict(many)
    assert found.shape == (PREDICT_BATCH + 1, len(CLASSES))
    np.testing.assert_allclose(found[-1:], predict(many[-1:]), atol=1e-6)


def assert_predicts_no_images(folder: Path) -> None:
    """Check that the predictions for no images have no rows, but the same columns and type."""
    found, agreement = load_with_agreement(folder, SHAPE)(IMAGES[:0])
    assert found.shape == (0, len(CLASSES))
    assert found.dtype == np.float32
    assert agreement.shape == (0,)
    assert load_predictor(folder, SHAPE)(IMAGES[:0]).shape == found.shape


def test_a_network_predicts_no_images(tmp_path: Path) -> None:
    save_network(tmp_path, seed=1)
    assert_predicts_no_images(tmp_path)


def save_committee(folder: Path, rule: str = "average", temperature: Temperature = "none") -> list[np.ndarray]:
    """Save a committee of three tiny networks and return the predictions of each for `IMAGES`."""
    names = ["one", "two", "three"]
    networks = [save_network(folder / "members" / name, seed) for seed, name in enumerate(names)]
    random = np.random.default_rng(0)
    holdout = random.dirichlet(np.ones(len(CLASSES)), (len(names), 60)).astype(np.float32)
    fitted = fit_rule(rule, holdout, np.arange(60) % len(CLASSES), temperature=temperature)
    write_committee(folder, names, fitted)
    return [np.asarray(network(IMAGES)) for network in networks]


def test_a_committee_predicts_the_mean_of_its_members(tmp_path: Path) -> None:
    single = save_committee(tmp_path)
    assert not np.allclose(single[0], single[1], atol=0.01)
    found = load_predictor(tmp_path, SHAPE)(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=1e-6)


@pytest.mark.parametrize("rule", ["voting_proportion", "stacking"])
def test_a_committee_uses_its_fitted_rule(tmp_path: Path, rule: str) -> None:
    single = np.stack(save_committee(tmp_path, rule, "both"))
    _, fitted = read_committee(tmp_path)
    probabilities, agreement = load_with_agreement(tmp_path, SHAPE)(IMAGES)
    np.testing.assert_allclose(probabilities, fitted.apply(single), atol=1e-6)
    for image, label in enumerate(probabilities.argmax(axis=1)):
        votes = [int(member[image].argmax() == label) for member in single]
        assert agreement[image] == pytest.approx(sum(votes) / 3)
    assert load_predictor(tmp_path, SHAPE)(IMAGES).tobytes() == probabilities.tobytes()


def test_committee_of_a_network_and_a_classical_model(tmp_path: Path) -> None:
    """The committee combines a network and an estimator. The saved estimator gives the same predictions."""
    labels = np.arange(30) % len(CLASSES)
    estimator = logistic_regression(SHAPE, len(CLASSES))
    model = Classical(fit_estimator(estimator, random_images(30, seed=7), labels, seed=1))
    (tmp_path / "members" / "line").mkdir(parents=True)
    model.save(tmp_path / "members" / "line")
    network = save_network(tmp_path / "members" / "net", seed=1)
    write_committee(tmp_path, ["net", "line"], FittedRule("average", 2, len(CLASSES)))
    single = [np.asarray(network(IMAGES)), model.predict(IMAGES)]
    np.testing.assert_allclose(load_predictor(tmp_path, SHAPE)(IMAGES), np.mean(single, axis=0), atol=1e-6)
    assert_predicts_no_images(tmp_path)
    assert_predicts_no_images(tmp_path / "members" / "line")


def test_a_cascade_evaluates_later_members_for_few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    single = np.stack(save_committee(tmp_path))
    *_, second, first = np.sort(single[0].max(axis=1)).tolist()
    fitted = FittedRule("cascade", 3, len(CLASSES), {"threshold": (first + second) / 2}, before=[1.0, 1.2, 0.8])
    write_committee(tmp_path, ["one", "two", "three"], fitted)
    counts: list[int] = []

    def counting(function: Callable[[np.ndarray], np.ndarray], images: np.ndarray, size: int) -> np.ndarray:
        counts.append(len(images))
        return in_batches(function, images, size)

    monkeypatch.setattr(predictor, "in_batches", counting)
    probabilities, shares = load_with_agreement(tmp_path, SHAPE)(IMAGES)
    assert counts[0] == 3
    assert counts[1] == 2
    np.testing.assert_allclose(probabilities, fitted.apply(single), atol=1e-6)
    sure = single[0].max(axis=1).argmax()
    np.testing.assert_allclose(probabilities[sure], single[0, sure], atol=1e-6)
    assert shares[sure] == 1
    # This function returns the probabilities of all members, so all members classify all images.
    counts.clear()
    again, each = load_with_members(tmp_path, SHAPE)(IMAGES)
    assert counts == [len(IMAGES)] * 3
    np.testing.assert_allclose(each, single, atol=1e-6)
    np.testing.assert_allclose(again, probabilities, atol=1e-6)


def test_prediction_times_are_measured_with_the_stored_models(tmp_path: Path) -> None:
    records = []
    for seed, name in enumerate(("one", "two")):
        save_network(tmp_path / name / "model", seed)
        records.append(make_record(tmp_path / name, random_predictions(seed)))
    times = prediction_times(records, Device("cpu", "a processor"), threads=1)
    assert times.device == "a processor, 1 thread"
    assert len(times.seconds) == 2
    assert all(0 < seconds < 10 for seconds in times.seconds)


@pytest.mark.parametrize("rule", RULES)
def test_a_committee_predicts_no_images(tmp_path: Path, rule: str) -> None:
    save_committee(tmp_path, rule, "both")
    assert_predicts_no_images(tmp_path)


def test_the_agreement_of_a_single_model_is_one(tmp_path: Path) -> None:
    network = save_network(tmp_path, seed=1)
    probabilities, agreement = load_with_agreement(tmp_path, SHAPE)(IMAGES)
    np.testing.assert_allclose(probabilities, np.asarray(network(IMAGES)), atol=1e-7)
    assert agreement.tolist() == [1.0, 1.0, 1.0]


def test_the_models_of_the_members_can_be_elsewhere(tmp_path: Path) -> None:
    single = save_committee(tmp_path / "committee")
    expected = load_predictor(tmp_path / "committee", SHAPE)(IMAGES)
    (tmp_path / "committee" / "members").rename(tmp_path / "elsewhere")
    folders = {name: tmp_path / "elsewhere" / name for name in ("three", "one", "two")}
    probabilities, each = load_with_members(tmp_path / "committee", SHAPE, folders)(IMAGES)
    np.testing.assert_array_equal(probabilities, expected)
    np.testing.assert_allclose(each, single, atol=1e-6)
    del folders["two"]
    with pytest.raises(LineupError, match=r"committee\.json: no model for the member two"):
        load_with_members(tmp_path / "committee", SHAPE, folders)


def test_a_single_model_is_its_only_member(tmp_path: Path) -> None:
    save_network(tmp_path, seed=1)
    probabilities, each = load_with_members(tmp_path, SHAPE)(IMAGES)
    assert each.shape == (1, *probabilities.shape)
    np.testing.assert_array_equal(each[0], probabilities)


def test_too_many_images_are_refused_before_an_array_is_created() -> None:
    as_images(np.zeros((MAX_IMAGES, 784), np.uint8), SHAPE)
    image = [[0] * 28] * 28  # the same list ten thousand times; an array would copy it
    tracemalloc.start()
    try:
        with pytest.raises(LineupError, match="expected at most 10,000 per request"):
            as_images([image] * (MAX_IMAGES + 1), SHAPE)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_committee_predicts_without_mlflow_and_scikit_learn(tmp_path: Path) -> None:
    """Predictions require neither scikit-learn nor MLflow."""
    save_committee(tmp_path, "stacking", "both")
    code = (
        "import sys, numpy; sys.modules['sklearn'] = sys.modules['scipy'] = sys.modules['mlflow'] = None\n"
        "from pathlib import Path; from lineup.serving.predictor import load_with_agreement\n"
        f"predict = load_with_agreement(Path({str(tmp_path)!r}), {SHAPE})\n"
        "print(*predict(numpy.zeros((2, 28, 28), numpy.uint8))[0].sum(axis=1).round(3))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.0", "1.0"]


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"no network\.keras, estimator\.skops or committee\.json here") as caught:
        load_predictor(tmp_path, SHAPE)
    assert str(tmp_path) in str(caught.value)
    write_committee(tmp_path, ["one"], FittedRule("average", 1, len(CLASSES)))
    with pytest.raises(LineupError, match=r"members.one: no network\.keras"):
        load_predictor(tmp_path, SHAPE)
    (tmp_path / COMMITTEE).write_text('{"rule": "average", "members": ["one"]}')
    with pytest.raises(LineupError, match=r"committee\.json: expected only the keys members and fitted"):
        load_predictor(tmp_path, SHAPE)
