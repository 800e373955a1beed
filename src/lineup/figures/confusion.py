r"""Plot a confusion matrix, or the difference between two confusion matrices.

Examples
--------
>>> counts = np.array([[9, 1], [2, 8]])
>>> figure = confusion_matrix(counts, ["cat", "dog"], title="cnn")
>>> [text.get_text() for text in figure.axes[0].texts[:4]]
['9', '1', '2', '8']
>>> figure = confusion_difference(counts, np.array([[9, 1], [0, 10]]), ["cat", "dog"], title="cnn minus forest")
>>> [text.get_text() for text in figure.axes[0].texts[:2]] == ["+2", "\N{MINUS SIGN}2"]
True
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style
from lineup.figures.canvas import text_width
from lineup.figures.cells import (
    draw_cells,
    height_of_names,
    style_cells,
    text_colour,
    width_of_names,
    write_cells,
    write_right,
)

_PREDICTED, _ACTUAL = "predicted class", "actual class"
_DIFFERENCE = "difference\nin recall"
_DASH = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


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
        that rare confusions are visible. The recall of each class is shown on the right.

    Raises
    ------
    LineupError
        If the counts are not square or do not match the class names.
    """
    _check(counts, classes)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    figure = _new_figure(classes, "recall", title, subtitle)
    axes = figure.add_subplot()
    colours = draw_cells(axes, shares, cmap=colormaps["Blues"], norm=PowerNorm(0.5, 0, 1))
    backgrounds = colours.to_rgba(shares)
    write_cells(
        axes,
        (
            (row, column, f"{counts[row, column]}", text_colour(backgrounds[row, column]), _weight(row, column))
            for row, column in np.argwhere(counts)
        ),
    )
    style_cells(axes, classes, classes, xlabel=_PREDICTED, ylabel=_ACTUAL)
    recalls = [f"{s:.3f}" if n else _DASH for s, n in zip(np.diag(shares), totals, strict=True)]
    write_right(axes, recalls, "recall")
    return figure


def confusion_difference(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
) -> Figure:
    """Plot the difference between two confusion matrices.

    Parameters
    ----------
    first, second : ndarray of int, shape (k, k)
        Number of images of two models for the same test images. Rows are actual classes, and columns are predicted
        classes.
    classes : sequence of str, length k
        Class names, in the order of the rows and columns.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Each cell shows the difference unless it is zero. Cells are blue if the first model has more images there, and
        vermillion if it has fewer. On the diagonal, which is framed, the predictions are correct. The difference in
        recall is shown on the right.

    Raises
    ------
    LineupError
        If the counts are not square, do not match the class names, or have different numbers of images in a class.
    """
    _check(first, classes)
    _check(second, classes)
    totals = first.sum(axis=1)
    if not np.array_equal(totals, second.sum(axis=1)):
        raise LineupError("confusion matrices: expected the same test images, found different numbers per class")
    difference = first - second
    largest = max(int(np.abs(difference).max()), 1)
    figure = _new_figure(classes, _DIFFERENCE, title, subtitle)
    axes = figure.add_subplot()
    colours = draw_cells(axes, difference, cmap=style.DIVERGING, vmin=-largest, vmax=largest)
    backgrounds = colours.to_rgba(difference)
    write_cells(
        axes,
        (
            (row, column, _signed(value, "+d"), text_colour(backgrounds[row, column]), _weight(row, column))
            for (row, column), value in np.ndenumerate(difference)
            if value
        ),
    )
    # White lines would not be visible between white cells.
    style_cells(axes, classes, classes, xlabel=_PREDICTED, ylabel=_ACTUAL, lines=style.GRID)
    for number in range(len(classes)):
        axes.add_patch(Rectangle((number - 0.5, number - 0.5), 1, 1, fill=False, edgecolor=style.MUTED, linewidth=1))
    changes = np.diag(difference) / np.maximum(totals, 1)
    recalls = [_signed(c, "+.3f") if n else _DASH for c, n in zip(changes, totals, strict=True)]
    write_right(axes, recalls, _DIFFERENCE)
    return figure


def _check(counts: NDArray[np.integer], classes: Sequence[str]) -> None:
    """Raise an error if the counts are not a valid confusion matrix of the given classes."""
    k = len(classes)
    if k == 0 or counts.shape != (k, k):
        raise LineupError(f"confusion matrix: expected counts of shape ({k}, {k}), found {counts.shape}")


def _new_figure(classes: Sequence[str], heading: str, title: str, subtitle: str) -> Figure:
    """Create an empty figure for a matrix of classes and a column of numbers."""
    k = len(classes)
    margins = style.Margins(
        left=width_of_names(classes) + 0.3,
        right=text_width(heading, style.TICK_SIZE) + 0.15,
        bottom=height_of_names(classes) + 0.3,
        top=0.15 + 0.15 * len(heading.splitlines()),
    )
    width = max(2.6 + 0.58 * k, margins.left + 0.55 * k + margins.right)
    height = max(1.5 + 0.48 * k, margins.bottom + 0.42 * k + margins.top)
    return style.new_figure(width, height, title=title, subtitle=subtitle, margins=margins)


def _weight(row: int, column: int) -> str:
    """Return the font weight of a number. The numbers of correct predictions are bold."""
    return "bold" if row == column else "normal"


def _signed(value: float, form: str) -> str:
    """Format a number with its sign."""
    return format(value, form).replace("-", _MINUS)
