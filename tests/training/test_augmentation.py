"""Random changes of training images."""

from __future__ import annotations

import numpy as np
import pytest

from lineup.models.settings import Augmentation
from lineup.training.augmentation import changed, random_changes

SHIFT_AND_MIRROR = Augmentation(shift=2, mirror=True)


def test_each_image_is_shifted_and_mirrored_separately() -> None:
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    images[:, 10, 5] = 255
    changes = np.array([[0, 0, 0, 0, 0], [2, -1, 0, 0, 0], [-2, 1, 1, 0, 0]], dtype=np.int32)
    found = changed(images, changes, SHIFT_AND_MIRROR).numpy()
    bright = [tuple(map(int, np.argwhere(image == 255)[0])) for image in found]
    assert bright == [(10, 5), (12, 4), (8, 27 - 5 + 1)]


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3), (28, 28)], ids=str)
def test_the_changed_images_equal_numpy_for_any_shape(shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    augment = Augmentation(shift=3, mirror=True, cutout=5)
    random = np.random.default_rng(1)
    images = random.integers(1, 256, (40, *shape), dtype=np.uint8)
    changes = random_changes(random, 40, augment, shape[:2])  # type: ignore[arg-type]
    found = changed(tf.constant(images), tf.constant(changes), augment).numpy()
    for image, (down, right, mirror, row, column), result in zip(images, changes, found, strict=True):
        expected = np.zeros_like(image)
        source = image[:, ::-1] if mirror else image
        rows, columns = shape[:2]
        expected[max(down, 0) : rows + min(down, 0), max(right, 0) : columns + min(right, 0)] = source[
            max(-down, 0) : rows - max(down, 0), max(-right, 0) : columns - max(right, 0)
        ]
        expected[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = 0
        np.testing.assert_array_equal(result, expected)


def test_all_changes_are_equally_frequent() -> None:
    drawn = random_changes(np.random.default_rng(1), 10_000, Augmentation(shift=2, mirror=True, cutout=4), (6, 4))
    for column, values in enumerate((range(-2, 3), range(-2, 3), range(2), range(6), range(4))):
        numbers, counts = np.unique(drawn[:, column], return_counts=True)
        assert list(numbers) == list(values)
        assert counts.min() > 0.9 * 10_000 / len(values)


@pytest.mark.parametrize("augment", [None, Augmentation()], ids=["none", "zero"])
def test_without_augmentation_no_image_is_changed(augment: Augmentation | None) -> None:
    assert not random_changes(np.random.default_rng(1), 5, augment, (6, 6)).any()
