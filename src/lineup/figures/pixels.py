"""Plot how often each pixel value occurs.

Examples
--------
>>> statistics = pixel_statistics(np.array([[[0, 0], [4, 8]]], np.uint8))
>>> statistics.mean, statistics.median, round(statistics.deviation, 3)
(3.0, 2.0, 3.317)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style

_CHUNK = 1000
"""Number of images that are counted together. NumPy counts 64-bit copies of the pixels, which need much memory."""


@dataclass(frozen=True, eq=False)
class PixelStatistics:
    """Statistics of the pixels of all images.

    Parameters
    ----------
    counts : ndarray of int, shape (256,)
        Number of pixels with each value.
    mean, median, deviation : float
        Mean, median and population standard deviation of the values, from 0 to 255.
    """

    counts: NDArray[np.int64]
    mean: float
    median: float
    deviation: float


def pixel_statistics(images: NDArray[np.uint8]) -> PixelStatistics:
    """Count the occurrences of each pixel value, and compute the mean, the median and the standard deviation of all
    pixels.

    Parameters
    ----------
    images : ndarray of uint8
        At least one image, of any shape.

    Raises
    ------
    LineupError
        If there are no pixels, or if the type is not uint8.
    """
    if images.dtype != np.uint8 or not images.size:
        raise LineupError(f"pixels: expected images of type uint8, found {images.dtype} of shape {images.shape}")
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        counts += np.bincount(images[start : start + _CHUNK].ravel(), minlength=256)
    values = np.arange(256)
    total = int(counts.sum())
    mean = int(counts @ values) / total
    deviation = math.sqrt(float(counts @ (values - mean) ** 2) / total)
    # For an even number of pixels, the median is the mean of the two middle values.
    middle = np.searchsorted(np.cumsum(counts), [(total - 1) // 2, total // 2], side="right")
    return PixelStatistics(counts, mean, float(middle.mean()), deviation)


def pixel_histogram(images: NDArray[np.uint8], *, title: str, subtitle: str = "") -> Figure:
    """Plot how often each pixel value occurs, on a logarithmic scale.

    Parameters
    ----------
    images : ndarray of uint8
        At least one image. Pixels are from 0 to 255. The channels of an image are counted together.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        The mean and the median are lines. A band shows the values within one standard deviation of the mean.

    Raises
    ------
    LineupError
        See `pixel_statistics`.
    """
    statistics = pixel_statistics(images)
    mean, deviation = statistics.mean, statistics.deviation
    figure = style.new_figure(8.0, 3.8, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    label = f"standard deviation {deviation:.2f} (band: mean ± 1 standard deviation)"
    axes.axvspan(max(mean - deviation, 0), min(mean + deviation, 255), color=style.ORANGE, alpha=0.25, label=label)
    axes.stairs(statistics.counts, np.arange(257) - 0.5, baseline=0.5, fill=True, color=style.BLUE)
    axes.axvline(mean, color=style.VERMILLION, linewidth=2, label=f"mean {mean:.2f}")
    axes.axvline(statistics.median, color=style.INK, linewidth=2, linestyle="--", label=f"median {statistics.median:g}")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 3 * int(statistics.counts.max()))
    axes.set_xlim(-3, 258)
    axes.set_xticks([0, 50, 100, 150, 200, 255])
    axes.set(xlabel="pixel value", ylabel="pixels, on a logarithmic scale")
    style.apply_style(axes, grid="y")
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    figure.legend(loc="outside lower center", ncols=3, frameon=False, prop=font)
    return figure
