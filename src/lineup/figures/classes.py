"""Plot the first images and the mean image of each class.

Examples
--------
>>> images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
>>> figure = sample_grid(images, labels, ["cat", "dog"], title="Pets", per_class=2)
>>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
['cat', 'dog']
>>> [text.get_text() for text in mean_images(images, labels, ["cat", "dog"], title="Pets").axes[0].texts]
['cat', 'dog']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.figures import style
from lineup.figures.pictures import MARGIN, check_images, draw_pictures, grid_size, write_caption

_SAMPLE = 0.62
"""Width of a sample image, in inches."""
_MEAN = 1.25
"""Width of a mean image, in inches."""
_LONGEST = 18
"""Largest number of characters of a class name below an image."""


def sample_grid(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
    per_class: int = 12,
) -> Figure:
    """Plot the first images of each class.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
        Pixels from 0 to 255. In images with one channel, 0 is shown as white.
    labels : ndarray of int, shape (n,)
        Class of each image.
    classes : sequence of str
        Class names. A label is an index into them.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.
    per_class : int, optional
        Number of images per class, at least 1. Default 12.

    Returns
    -------
    Figure
        Figure with a row per class. If a class has fewer images than the others, its row is shorter.

    Raises
    ------
    LineupError
        If there are no images, or if the labels do not match the images and classes.
    """
    check_images("sample grid", images, labels, classes)
    if per_class < 1:
        raise LineupError(f"sample grid: expected at least 1 image per class, found {per_class}")
    width, height = grid_size(per_class * len(classes), images.shape[1:], columns=per_class)
    figure = style.new_figure(1.4 + _SAMPLE * width, 0.2 + _SAMPLE * height, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    rows = [np.flatnonzero(labels == label)[:per_class] for label in range(len(classes))]
    cells = [label * per_class + place for label, row in enumerate(rows) for place in range(len(row))]
    draw_pictures(axes, images[np.concatenate(rows)], columns=per_class, cells=cells)
    axes.set_ylim(height + MARGIN, -MARGIN)
    middles = (np.arange(len(classes)) + 0.5) * height / len(classes)
    axes.set_yticks(middles, classes)
    style.apply_style(axes)
    axes.tick_params(length=0)
    return figure


def mean_images(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
) -> Figure:
    """Plot the mean image of each class.

    Parameters
    ----------
    images, labels, classes, title, subtitle
        See `sample_grid`.

    Returns
    -------
    Figure
        Figure with an image per class, five in a row. A class without images is left out.

    Raises
    ------
    LineupError
        If there are no images, or if the labels do not match the images and classes.
    """
    check_images("mean images", images, labels, classes)
    present = [label for label in range(len(classes)) if (labels == label).any()]
    means = np.stack([_mean(images[labels == label]) for label in present])
    columns, below = min(5, len(present)), 0.2
    width, height = grid_size(len(present), images.shape[1:], columns=columns, below=below)
    figure = style.new_figure(max(0.3 + _MEAN * width, 4.0), 0.2 + _MEAN * height, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    corners = draw_pictures(axes, means, columns=columns, below=below)
    for label, corner in zip(present, corners, strict=True):
        write_caption(axes, corner, [(shortened(classes[label], _LONGEST), style.INK)])
    return figure


def _mean(images: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the pixelwise mean of several images."""
    mean: NDArray[np.float64] = images.mean(axis=0, dtype=np.float64)
    return mean
