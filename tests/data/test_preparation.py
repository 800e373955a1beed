"""Pictures on all kinds of backgrounds become images like those of the dataset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import ArrayLike

from lineup.data.cutout import object_mask
from lineup.data.preparation import cut_out_and_negate, prepare, resize
from lineup.errors import LineupError

SHAPE = (28, 28, 1)
WHITE, BLACK, BLUE, ORANGE = (253, 253, 253), (5, 5, 5), (40, 90, 200), (230, 140, 30)


def shoe(background: ArrayLike, colour: tuple[int, int, int] = (120, 60, 50)) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of a shape like a boot on a background, and the mask of the shape."""
    picture = np.full((120, 160, 4), 255, np.uint8)
    picture[..., :3] = np.asarray(background)
    mask = np.zeros((120, 160), bool)
    mask[30:90, 30:70] = True
    mask[60:90, 30:130] = True
    picture[mask, :3] = colour
    return picture, mask


def checks(first: ArrayLike, second: ArrayLike, side: int = 10) -> np.ndarray:
    """Return a background of squares in two colours."""
    rows, columns = np.indices((120, 160)) // side
    even: np.ndarray = (rows + columns) % 2 == 0
    return np.where(even[..., None], np.asarray(first), np.asarray(second))


BACKGROUNDS = {
    "white": np.array(WHITE),
    "black": np.array(BLACK),
    "blue": np.array(BLUE),
    "checks": checks(BLUE, ORANGE),
    "stripes": np.where((np.arange(160) // 8 % 2 == 0)[:, None], np.array(WHITE), np.array(BLUE)),
    "shade": np.linspace(200, 250, 160)[:, None].repeat(3, axis=1),
}


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_the_object_is_found_on_every_background(name: str) -> None:
    picture, expected = shoe(BACKGROUNDS[name])
    mask = object_mask(picture)
    assert np.mean(mask == expected) > 0.99


@pytest.mark.parametrize("colour", [(10, 10, 10), (200, 30, 30), (235, 235, 235)])
def test_noise_of_a_camera_is_background(colour: tuple[int, int, int]) -> None:
    picture, expected = shoe(WHITE if colour[0] < 100 else BLACK, colour)
    noise = np.random.default_rng(1).normal(0, 4, picture.shape)
    noise[..., 3] = 0
    mask = object_mask((picture + noise).clip(0, 255).astype(np.uint8))
    assert np.mean(mask == expected) > 0.99


def test_the_opacity_is_the_mask() -> None:
    picture, expected = shoe(BLUE)
    picture[..., 3] = np.where(expected, 255, 0)
    assert np.array_equal(object_mask(picture), expected)


def test_without_an_object_the_whole_picture_is_kept() -> None:
    assert object_mask(shoe(BLUE, BLUE)[0]).all()


def test_scattered_parts_of_a_busy_picture_are_no_object() -> None:
    picture, _ = shoe(checks(BLUE, ORANGE), BLUE)
    for row, column in ((20, 20), (40, 130), (100, 40), (95, 90)):
        picture[row : row + 8, column : column + 8, :3] = (250, 250, 250)
    assert object_mask(picture).all()


def test_a_hole_in_a_handle_shows_the_background() -> None:
    picture, expected = shoe(BLUE)
    picture[62:88, 75:125, :3] = BLUE
    picture[40, 40, :3] = BLUE
    mask = object_mask(picture)
    assert not mask[70, 100]
    assert mask[40, 40], "a single pixel is no hole"
    assert expected[70, 100]


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_the_image_does_not_depend_on_the_background(name: str) -> None:
    image = prepare("fashion_mnist", shoe(BACKGROUNDS[name])[0], SHAPE)
    reference = prepare("fashion_mnist", shoe(np.array(WHITE))[0], SHAPE)
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert np.mean(abs(image.astype(int) - reference) <= 2) > 0.97


def test_the_steps_of_the_dataset() -> None:
    """Trimmed, longer edge of 28 pixels, extended in the centre, negative: the object is 100 wide and 60 high."""
    image = prepare("fashion_mnist", shoe(np.array(WHITE))[0], SHAPE)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert (columns[0], columns[-1]) == (0, 27)
    assert (rows[0], rows[-1]) == (5, 21)
    grey = round(0.299 * 120 + 0.587 * 60 + 0.114 * 50)
    assert abs(int(image[12, 5]) - (255 - grey)) <= 1
    assert image[8, 20] == 0


def test_sharpening_is_that_of_imagemagick() -> None:
    """``convert -sharpen 1x1`` of a white pixel on grey 100, computed by hand from its kernel."""
    from lineup.data.preparation import _sharpen

    picture = np.full((5, 5), 100, np.uint8)
    picture[2, 2] = 120
    ring = np.exp(-0.5), np.exp(-1.0)
    total = 1 + 4 * sum(ring)
    centre, normal = 2 * total, 2 * total - 4 * sum(ring)
    sharp = _sharpen(picture)
    assert sharp[2, 2] == round(100 + 20 * centre / normal)
    assert sharp[2, 1] == round(100 - 20 * ring[0] / normal)
    assert sharp[1, 1] == round(100 - 20 * ring[1] / normal)
    assert (sharp[0] == 100).all()


def test_an_image_of_the_dataset_is_not_changed() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)
    picture = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    assert np.array_equal(prepare("fashion_mnist", picture, SHAPE), grey)
    picture[0, 0] = (9, 200, 9, 255)
    assert not np.array_equal(prepare("fashion_mnist", picture, SHAPE), grey)


def test_other_datasets_and_shapes() -> None:
    picture = shoe(BLUE)[0]
    assert np.array_equal(prepare("shapes", picture, (12, 16, 3))[0, 0], BLUE)
    assert prepare("shapes", picture, (12, 16, 3)).shape == (12, 16, 3)
    assert prepare("synthetic", picture, (20, 24, 3)).shape == (20, 24, 3)
    assert prepare("synthetic", picture, (64, 8, 1)).shape == (64, 8)
    with pytest.raises(LineupError, match="images with 4 channels"):
        prepare("synthetic", picture, (20, 24, 4))


def test_transparent_pictures_are_placed_on_white() -> None:
    picture = np.zeros((10, 10, 4), np.uint8)
    assert (resize(picture, (5, 5, 1)) == 255).all()


@settings(max_examples=60, deadline=None)
@given(
    picture=arrays.arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60), st.just(4))),
    shape=st.tuples(st.integers(8, 40), st.integers(8, 40), st.sampled_from([1, 3])),
)
def test_every_picture_becomes_an_image(picture: np.ndarray, shape: tuple[int, int, int]) -> None:
    expected = shape if shape[2] == 3 else shape[:2]
    for make in (cut_out_and_negate, resize):
        image = make(picture, shape)
        assert image.shape == expected
        assert image.dtype == np.uint8


def test_extremely_long_pictures() -> None:
    for height, width in ((1, 1024), (1024, 1), (1, 1), (2, 900)):
        picture = np.zeros((height, width, 4), np.uint8)
        picture[..., 3] = 255
        assert prepare("fashion_mnist", picture, SHAPE).shape == (28, 28)


def test_a_picture_of_the_user_keeps_its_proportions_and_its_background() -> None:
    picture = np.full((40, 20, 4), 255, np.uint8)
    picture[..., :3] = (10, 20, 30)
    picture[10:30, 5:15, :3] = (200, 100, 50)
    image = prepare("pets", picture, (16, 16, 3))
    assert (image[:, :4] == (10, 20, 30)).all()  # the picture is 8 pixels wide, in the middle
    assert (image[4:12, 6:10] == (200, 100, 50)).all()
    assert (image != (10, 20, 30)).any(axis=2).sum() == 8 * 4
    picture[..., 3] = 0
    assert (prepare("pets", picture, (16, 16, 1)) == 255).all()
