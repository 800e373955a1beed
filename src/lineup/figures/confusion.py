"""Plot a confusion matrix.

Examples
--------
>>> figure = confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"], title="cnn")
>>> [text.get_text() for text in figure.axes[0].texts]
['9', '1', '2', '8']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style


def confusion_matrix(counts: NDArray[np.integer], classes: Sequence[str], *, title: str, subtitle: str = "") -> Figure:
    """Plot a confusion matrix with the number of images in each cell.

    Parameters
    ----------
    counts : ndarray of int, shape (k, k)
        Number of images. Rows are actual classes, and columns are predicted classes.
    classes : sequence of str, length k
        Class names, in the order of the rows and columns.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Each cell shows its count unless it is zero. The colour shows the share of the row on a square-root scale, so
        that confusions of a few per cent are visible. The recall of each class is shown on the right.

    Raises
    ------
    LineupError
        If the counts are not square or do not match the class names.
    """
    k = len(classes)
    if k == 0 or counts.shape != (k, k):
        raise LineupError(f"confusion matrix: expected counts of shape ({k}, {k}), found {counts.shape}")
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    figure = style.new_figure(2.6 + 0.58 * k, 1.5 + 0.48 * k, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    colours = axes.imshow(shares, cmap=colormaps["Blues"], norm=PowerNorm(0.5, 0, 1), aspect="auto")
    for row, column in np.argwhere(counts):
        red, green, blue, _ = colours.to_rgba(shares[row, column])
        dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5  # luma of ITU-R BT.709
        colour, weight = "white" if dark else style.INK, "bold" if row == column else "normal"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", size=8, color=colour, weight=weight)
    axes.set(xlabel="predicted class", ylabel="actual class")
    axes.set_xticks(range(k), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(k), classes)
    _style(axes, [f"{s:.3f}" if n else "\N{EN DASH}" for s, n in zip(np.diag(shares), totals, strict=True)])
    return figure


def _style(axes: Axes, recalls: list[str]) -> None:
    """Draw lines between the cells, and write the recall of each class on the right."""
    k = len(recalls)
    style.tidy(axes)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(k - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(k - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(k), recalls)
    right.set_ylabel("recall", size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
    right.tick_params(length=0, labelsize=style.TICK_SIZE, labelcolor=style.INK, labelfontfamily=style.FONT)
    right.spines[:].set_visible(False)
