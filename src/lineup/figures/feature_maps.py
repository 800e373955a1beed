"""Plot the feature maps of the convolutions of a network.

Examples
--------
>>> maps = {"conv": np.random.default_rng(0).normal(size=(2, 6, 6, 4))}
>>> figure = feature_maps(np.zeros((2, 8, 8), np.uint8), maps, ["cat", "dog"], title="cnn: feature maps")
>>> figure.axes[1].get_title(loc="left")
'conv: 6 x 6 positions, 4 channels'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.figures import style

MOST = 10
"""Largest number of images."""

_ROWS = 12
"""Largest number of rows of feature maps, shared by all convolutions."""
_MOST_CHANNELS, _FEWEST_CHANNELS = 6, 2
"""Numbers of channels of one convolution."""
_CHANNELS_1D = 24
"""Largest number of channels of a 1D convolution."""
_CELL = 0.85
"""Width of an image, in inches."""
_PIXELS, _GAP = 84, 5
"""Size of a cell and of the gap between two cells, in pixels."""


def feature_maps(
    images: NDArray[np.uint8],
    maps: Mapping[str, NDArray[np.floating]],
    names: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
) -> Figure:
    """Plot the outputs of all convolutions for a few images.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
        At most ten images, which are the columns of the figure.
    maps : mapping of str to ndarray
        Output of each convolution by its name, of shape (n, rows, columns, channels), or (n, rows, channels) for a 1D
        convolution.
    names : sequence of str
        A heading for each image, such as its class.
    title : str
        First line.
    subtitle : str, optional
        Second line. Default: none.

    Returns
    -------
    Figure
        The images, and below them one row per channel. Of many channels, those with the largest variance are shown. The
        colours of a row go from its lowest value (dark) to its highest value (light). A 1D convolution has one row,
        with positions from top to bottom and channels from left to right.

    Raises
    ------
    LineupError
        If there are no images, too many images or no maps, or if their numbers do not match.
    """
    _check(images, maps, names)
    most = min(max(_ROWS // len(maps), _FEWEST_CHANNELS), _MOST_CHANNELS)
    blocks = {name: _block(name, values, most) for name, values in maps.items()}
    cell = _CELL * images.shape[1] / images.shape[2]
    ratios = [1, *(len(rows) for _, rows, _ in blocks.values())]
    high = cell * sum(ratios) + 0.36 * len(blocks) + 0.7
    figure = style.new_figure(max(1.1 + _CELL * len(images), 6.5), high, title=title, subtitle=subtitle)
    top, *others = figure.subplots(len(ratios), 1, height_ratios=ratios)
    _draw(top, _pictures(images)[None], ["image"])
    heads = [shortened(name, 14) for name in names]
    top.set_xticks(_middles(len(images)), heads, rotation=30, ha="left", rotation_mode="anchor")
    top.tick_params(labeltop=True, labelbottom=False, labelsize=style.TICK_SIZE, pad=2)
    for axes, (heading, rows, labels) in zip(others, blocks.values(), strict=True):
        _draw(axes, rows, labels)
        axes.set_title(heading, loc="left", size=style.LABEL_SIZE, color=style.INK, family=style.FONT, pad=3)
    return figure


def _check(images: NDArray[np.uint8], maps: Mapping[str, NDArray[np.floating]], names: Sequence[str]) -> None:
    if not 0 < len(images) <= MOST or len(names) != len(images):
        raise LineupError(f"feature maps: expected 1 to {MOST} images with names, found {len(images)}, {len(names)}")
    if not maps or any(values.ndim not in (3, 4) or len(values) != len(images) for values in maps.values()):
        shapes = ", ".join(str(values.shape) for values in maps.values()) or "none"
        raise LineupError(f"feature maps: expected maps of {len(images)} images, found the shapes {shapes}")


def _block(name: str, values: NDArray[np.floating], most: int) -> tuple[str, NDArray[np.floating], Sequence[str]]:
    """Prepare the feature maps of one convolution: return a heading, the coloured cells and the row labels.

    The array of coloured cells has the shape (rows, images, height, width, 3).
    """
    channels = values.shape[-1]
    most = most if values.ndim == 4 else _CHANNELS_1D
    variances = values.reshape(-1, channels).var(axis=0)
    chosen = np.sort(np.argsort(-variances, kind="stable")[:most])
    positions = " x ".join(map(str, values.shape[1:-1]))
    kind = "positions" if values.ndim == 4 else "rows"
    heading = f"{name}: {positions} {kind}, {channels} channels"
    if len(chosen) < channels:
        heading += f"; {len(chosen)} with the largest variance"
    kept = values[..., chosen]
    if values.ndim == 3:
        return heading, _coloured(kept[None]), ["channels"]
    return heading, _coloured(np.moveaxis(kept, -1, 0)), [str(number) for number in chosen]


def _coloured(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Convert the values of each row to colours."""
    low = rows.min(axis=(1, 2, 3), keepdims=True)
    spread = rows.max(axis=(1, 2, 3), keepdims=True) - low
    return np.asarray(colormaps["viridis"]((rows - low) / np.where(spread > 0, spread, 1)))[..., :3]


def _pictures(images: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Return images in colour. In images with one channel, 0 is white."""
    scaled = images.astype(np.float64) / 255
    if scaled.ndim == 4 and scaled.shape[3] == 3:
        return scaled
    grey = scaled if scaled.ndim == 3 else scaled.mean(axis=3)
    return np.repeat(1 - grey[..., None], 3, axis=-1)


def _draw(axes: Axes, cells: NDArray[np.floating], labels: Sequence[str]) -> None:
    """Combine a grid of images in one image, and label each row.

    The array ``cells`` has the shape (rows, columns, height, width, 3).
    """
    rows, columns = cells.shape[:2]
    size = _PIXELS + _GAP
    canvas = np.ones((rows * size - _GAP, columns * size - _GAP, 3))
    down, right = (np.arange(_PIXELS) * side // _PIXELS for side in cells.shape[2:4])
    for row, column in np.ndindex(rows, columns):
        y, x = row * size, column * size
        canvas[y : y + _PIXELS, x : x + _PIXELS] = cells[row, column][np.ix_(down, right)]
    axes.imshow(canvas, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks(_middles(rows), labels)
    style.apply_style(axes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _middles(count: int) -> NDArray[np.floating]:
    """Return the middles of cells, in pixels."""
    return np.arange(count) * (_PIXELS + _GAP) + _PIXELS / 2
