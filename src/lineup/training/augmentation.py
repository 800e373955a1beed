"""Change the training images at random in each epoch.

Examples
--------
>>> from lineup.models.settings import Augmentation
>>> random_changes(np.random.default_rng(1), 3, Augmentation(shift=2, mirror=True), (28, 28)).shape
(3, 5)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lineup.models.settings import Augmentation


def random_changes(
    random: np.random.Generator, images: int, augment: Augmentation | None, size: tuple[int, int]
) -> np.ndarray:
    """Choose the random changes of each image.

    Parameters
    ----------
    random : numpy.random.Generator
    images : int
        Number of images.
    augment : Augmentation or None
        With None, no random numbers are drawn, and no image is changed.
    size : tuple of int
        Height and width of the images.

    Returns
    -------
    ndarray of shape (images, 5), int32
        The shifts down and to the right in pixels, 1 if the image is mirrored, and the row and the column of the centre
        of the square that is set to zero.
    """
    changes = np.zeros((images, 5), np.int32)
    if augment is None:
        return changes
    changes[:, :2] = random.integers(-augment.shift, augment.shift + 1, size=(images, 2))
    if augment.mirror:
        changes[:, 2] = random.integers(0, 2, size=images)
    if augment.cutout:
        changes[:, 3:] = random.integers(0, size, size=(images, 2))
    return changes


def changed(images: Any, changes: Any, augment: Augmentation) -> Any:
    """Mirror and shift images, and set one square in each image to zero. Pixels outside of the original image are also
    zero.

    Parameters
    ----------
    images : tensor of uint8, shape (n, height, width) or (n, height, width, channels)
    changes : tensor of int32, shape (n, 5)
        See `random_changes`.
    augment : Augmentation

    Returns
    -------
    tensor of uint8, of the shape of ``images``
    """
    import tensorflow as tf

    extra = [1] * (len(images.shape) - 3)
    if augment.mirror:
        images = tf.where(tf.reshape(changes[:, 2] == 1, [-1, 1, 1, *extra]), images[:, :, ::-1], images)
    if augment.shift:
        images = _shifted(images, changes[:, :2], augment.shift)
    if augment.cutout:
        height, width = images.shape[1:3]
        starts = changes[:, 3:, None] - augment.cutout // 2
        rows, columns = tf.range(height) - starts[:, 0], tf.range(width) - starts[:, 1]
        inside = [(offset >= 0) & (offset < augment.cutout) for offset in (rows, columns)]
        hole = inside[0][:, :, None] & inside[1][:, None, :]
        images = tf.where(tf.reshape(hole, [-1, height, width, *extra]), tf.zeros([], images.dtype), images)
    return images


def _shifted(images: Any, shifts: Any, largest: int) -> Any:
    import tensorflow as tf

    height, width, *channels = images.shape[1:]
    padded = tf.pad(images, [[0, 0], [largest, largest], [largest, largest], *[[0, 0]] * len(channels)])
    starts = largest - shifts[:, :, None]
    rows = tf.gather(padded, starts[:, 0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, starts[:, 1] + tf.range(width), axis=2, batch_dims=1)
