"""Draw several images with captions in one plot.

Examples
--------
>>> from matplotlib.figure import Figure
>>> axes = Figure().add_subplot()
>>> corners = draw_pictures(axes, np.zeros((3, 8, 8), np.uint8), columns=2)
>>> len(axes.images), len(corners)
(3, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.figures import style

_GAP = 0.08
"""Space between two images. The width of an image is 1."""

MARGIN = 0.03
"""Space around all images. Without it, half of the outer frames would be cut off."""

_LINE = 10.0
"""Height of a line of a caption, in points."""
_LONGEST = 14
"""Largest number of characters of a class name in a caption."""


def check_images(what: str, images: NDArray[Any], labels: NDArray[Any], classes: Sequence[str]) -> None:
    """Check that there is at least one image, and one label for each image.

    Parameters
    ----------
    what : str
        First words of the error message.
    images : ndarray, shape (n, height, width) or (n, height, width, channels)
    labels : ndarray of int, shape (n,)
    classes : sequence of str
        Class names. A label is an index into them.

    Raises
    ------
    LineupError
        If the images or labels are not as described.
    """
    if images.ndim not in (3, 4) or not len(images):
        raise LineupError(f"{what}: expected images of n x height x width (x channels), found the shape {images.shape}")
    if labels.shape != (len(images),):
        raise LineupError(f"{what}: expected {len(images):,} labels, one per image, found the shape {labels.shape}")
    if labels.max() >= len(classes):
        raise LineupError(f"{what}: expected labels 0 to {len(classes) - 1}, found {labels.max()}")


def grid_size(count: int, shape: Sequence[int], *, columns: int, below: float = 0.0) -> tuple[float, float]:
    """Compute the width and the height of a grid of images.

    Parameters
    ----------
    count : int
        Number of images.
    shape : sequence of int
        Height and width of an image, in pixels. Further numbers are ignored.
    columns : int
        Number of images in a row.
    below : float, optional
        Space below each image for its caption. Default 0.

    Returns
    -------
    tuple of float
        The unit of all lengths is the width of an image.

    Examples
    --------
    >>> width, height = grid_size(4, (28, 28), columns=2)
    >>> round(width, 2), round(height, 2)
    (2.08, 2.08)
    """
    rows = -(-count // columns)
    return columns * (1 + _GAP) - _GAP, rows * (shape[0] / shape[1] + below + _GAP) - _GAP


def draw_pictures(
    axes: Axes, images: NDArray[Any], *, columns: int, below: float = 0.0, cells: Sequence[int] | None = None
) -> list[tuple[float, float]]:
    """Draw images row by row.

    All images are drawn in one plot, which is about ten times as fast as one plot per image.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    images : ndarray, shape (n, height, width) or (n, height, width, channels)
        Pixels from 0 to 255. In images with one channel, 0 is shown as white. Images with three channels are shown in
        colour. Of images with another number of channels, the mean of the channels is shown.
    columns : int
        Number of images in a row.
    below : float, optional
        Space below each image, as a multiple of its width. Default 0.
    cells : sequence of int, optional
        Increasing numbers of the cells that contain the images. By default, no cell is left empty.

    Returns
    -------
    list of tuple of float
        Lower left corner of each image, for `write_caption`.
    """
    height = images.shape[1] / images.shape[2]
    cells = range(len(images)) if cells is None else cells
    corners = []
    for cell, image in zip(cells, images, strict=True):
        row, column = divmod(cell, columns)
        x, y = column * (1 + _GAP), row * (height + below + _GAP)
        extent = (x, x + 1, y + height, y)
        axes.imshow(_picture(image), cmap="gray_r", vmin=0, vmax=255, extent=extent, interpolation="nearest")
        axes.add_patch(Rectangle((x, y), 1, height, fill=False, edgecolor=style.GRID, linewidth=0.8))
        corners.append((x, y + height))
    width, total = grid_size(cells[-1] + 1, images.shape[1:], columns=columns, below=below)
    axes.set(xlim=(-MARGIN, width + MARGIN), ylim=(total + MARGIN, -MARGIN), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return corners


def write_caption(axes: Axes, corner: tuple[float, float], lines: Sequence[tuple[str, str]]) -> None:
    """Write the caption of an image.

    Parameters
    ----------
    axes : Axes
        The axes that contain the image.
    corner : tuple of float
        See `draw_pictures`.
    lines : sequence of tuple of str
        Text and colour of each line.
    """
    for number, (text, colour) in enumerate(lines):
        offset = (0.0, -3.0 - number * _LINE)
        font: dict[str, Any] = {"size": 7.5, "color": colour, "family": style.FONT}
        axes.annotate(text, corner, xytext=offset, textcoords="offset points", ha="left", va="top", **font)


def write_heading(axes: Axes, text: str) -> None:
    """Write a left-aligned heading above the images."""
    axes.set_title(text, loc="left", size=style.LABEL_SIZE, color=style.INK, family=style.FONT)


def class_text(classes: Sequence[str], label: int) -> str:
    """Return the name of a class for a caption. A long name is shortened."""
    return shortened(classes[label], _LONGEST)


def prediction_text(classes: Sequence[str], label: int, probability: float) -> str:
    """Format the name of a class and its probability. No probability is rounded to 1.

    Examples
    --------
    >>> prediction_text(["cat", "dog"], 1, 0.99999)
    'dog >0.999'
    """
    return f"{class_text(classes, label)} {f'{probability:.3f}' if probability < 0.9995 else '>0.999'}"


def _picture(image: NDArray[Any]) -> NDArray[np.float64]:
    """Convert an image to grey values from 0 to 255 or to colours from 0 to 1, for matplotlib."""
    if image.ndim == 2:
        return image.astype(np.float64)
    if image.shape[2] == 3:
        return image.astype(np.float64) / 255
    mean: NDArray[np.float64] = image.mean(axis=2)
    return mean
