"""Plot images and the reconstructions that an autoencoder computes from them.

Examples
--------
>>> images = np.zeros((2, 8, 8), np.uint8)
>>> len(reconstructions(images, np.zeros((2, 8, 8)), title="autoencoder").axes)
4
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style


def reconstructions(
    originals: NDArray[np.uint8], reconstructed: NDArray[np.floating], *, title: str, subtitle: str = ""
) -> Figure:
    """Plot images in the first row, and the reconstructions with their errors in the second row.

    Parameters
    ----------
    originals : ndarray of uint8, shape (n, h, w) or (n, h, w, 3)
        Images for the upper row, with pixels from 0 to 255. In images with one channel, 0 is shown as white. About ten
        images fit into a figure.
    reconstructed : ndarray of float, same shape
        Images for the lower row, with pixels from 0 to 1.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with two rows of images. The mean squared error over the pixels, from 0 to 1, is below each pair.

    Raises
    ------
    LineupError
        If there are no images, or if the two arrays have different shapes.
    """
    if originals.ndim not in (3, 4) or not len(originals) or originals.shape != reconstructed.shape:
        raise LineupError(f"reconstructions: expected pairs of images, found {originals.shape}, {reconstructed.shape}")
    scaled = originals.astype(np.float64) / 255
    errors = np.mean((scaled - reconstructed) ** 2, axis=tuple(range(1, scaled.ndim)))
    figure = style.new_figure(1.0 + 0.8 * len(originals), 2.1, title=title, subtitle=subtitle)
    grid = figure.subplots(2, len(originals), squeeze=False)
    for row, images in zip(grid, (scaled, reconstructed), strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(style.GRID)
    label = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT}
    grid[0, 0].set_ylabel("original", **label)
    grid[1, 0].set_ylabel("reconstructed", **label)
    for axes, error in zip(grid[1], errors, strict=True):
        axes.set_xlabel(f"{error:.4f}", **label)
    figure.supxlabel("mean squared error", **label)
    return figure
