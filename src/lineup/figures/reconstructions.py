"""What an autoencoder makes of images."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style


def reconstructions(
    originals: NDArray[np.uint8], reconstructed: NDArray[np.floating], *, title: str, subtitle: str = ""
) -> Figure:
    """Draw images above their reconstructions, with the error of each.

    Parameters
    ----------
    originals : ndarray of uint8, shape (n, 28, 28)
        Upper row, 0 to 255; 0 is drawn white. About ten images fit a page.
    reconstructed : ndarray of float, shape (n, 28, 28)
        Lower row, 0 to 1.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Below each pair stands the mean squared error over its pixels, both on the scale 0 to 1.

    Raises
    ------
    LineupError
        If there are no images or the two arrays do not have the same shape.
    """
    if originals.ndim != 3 or not len(originals) or originals.shape != reconstructed.shape:
        raise LineupError(f"reconstructions: expected pairs of images, found {originals.shape}, {reconstructed.shape}")
    scaled = originals.astype(np.float64) / 255
    errors = np.mean((scaled - reconstructed) ** 2, axis=(1, 2))
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
