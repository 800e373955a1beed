"""Add lines, numbers and a column of text to the plot of a matrix.

Examples
--------
>>> text_colour(np.array([0, 0, 0.4, 1])), text_colour(np.ones(4)) == style.INK
('white', True)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from lineup.figures import style
from lineup.figures.canvas import text_width

ANGLE = 40.0
_GAP = 4 / 72
"""Space between the matrix and its names, and between the names and the label of the axis, in inches."""
"""Rotation of the names of the columns, in degrees."""


def text_colour(background: NDArray[np.floating]) -> str:
    """Choose a text colour that is legible on a given background colour."""
    red, green, blue = background[:3]
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5  # luma of ITU-R BT.709
    return "white" if dark else style.INK


def draw_cells(axes: Axes, values: NDArray[np.number], **colours: Any) -> QuadMesh:
    """Draw the cells of a matrix. The first row is at the top.

    Parameters
    ----------
    axes : Axes
        Empty axes.
    values : ndarray, shape (rows, columns)
        Values of the cells.
    **colours
        Arguments of matplotlib's `Axes.pcolormesh` that convert the values to colours.

    Returns
    -------
    QuadMesh
        The cells. It converts values to colours.
    """
    rows, columns = values.shape
    # For a few cells, this is faster than an image, which matplotlib enlarges before it converts the values.
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    cells = axes.pcolormesh(*edges, values, zorder=0, **colours)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    return cells


def write_cells(axes: Axes, cells: Iterable[tuple[int, int, str, str, str]]) -> None:
    """Write numbers into the cells of a matrix.

    Parameters
    ----------
    axes : Axes
        Axes with the matrix.
    cells : iterable of (int, int, str, str, str)
        Row, column, text, colour and font weight of each number.
    """
    for row, column, text, colour, weight in cells:
        written = axes.text(
            column, row, text, ha="center", va="center", size=8, color=colour, weight=weight, family=style.FONT
        )
        written.set_in_layout(False)  # it does not reach over the edge of the matrix, and measuring it takes time


def style_cells(
    axes: Axes,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    xlabel: str = "",
    ylabel: str = "",
    lines: str = "white",
) -> None:
    """Label the rows and columns of a matrix, and draw lines between the cells.

    Parameters
    ----------
    axes : Axes
        Axes with the matrix; see `draw_cells`.
    rows, columns : sequence of str
        Names of the rows and columns.
    xlabel, ylabel : str, optional
        Labels of the axes. Default: none.
    lines : str, optional
        Colour of the lines. Default ``white``.
    """
    axes.set_axis_off()  # the ticks of matplotlib take several times as long as texts
    inches = axes.figure.dpi_scale_trans
    look: dict[str, Any] = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT}
    below = axes.get_xaxis_transform() + ScaledTranslation(0, -_GAP, inches)
    for column, name in enumerate(columns):
        text = axes.text(column, 0, name, transform=below, ha="right", va="top", **look)
        text.set(rotation=ANGLE, rotation_mode="anchor")
    beside = axes.get_yaxis_transform() + ScaledTranslation(-_GAP, 0, inches)
    for row, name in enumerate(rows):
        axes.text(0, row, name, transform=beside, ha="right", va="center_baseline", **look)
    look["size"] = style.LABEL_SIZE
    below = axes.transAxes + ScaledTranslation(0, -height_of_names(columns) - _GAP, inches)
    axes.text(0.5, 0, xlabel, transform=below, ha="center", va="top", **look)
    beside = axes.transAxes + ScaledTranslation(-width_of_names(rows) - _GAP, 0, inches)
    axes.text(0, 0.5, ylabel, transform=beside, ha="right", va="center", rotation=90, **look)
    # One collection is drawn faster than the grid lines of minor ticks.
    right, bottom = len(columns) - 0.5, len(rows) - 0.5
    between = [[(x, -0.5), (x, bottom)] for x in np.arange(len(columns) - 1) + 0.5]
    between += [[(-0.5, y), (right, y)] for y in np.arange(len(rows) - 1) + 0.5]
    axes.add_collection(LineCollection(between, colors=lines, linewidths=1.5, zorder=0.5), autolim=False)


def width_of_names(rows: Sequence[str]) -> float:
    """Return the width of the names of the rows and of the gap beside them, in inches."""
    return _GAP + max(text_width(name, style.TICK_SIZE) for name in rows)


def height_of_names(columns: Sequence[str]) -> float:
    """Return the height of the names of the columns and of the gap below the matrix, in inches."""
    longest = max(text_width(name, style.TICK_SIZE) for name in columns)
    angle = math.radians(ANGLE)
    return _GAP + longest * math.sin(angle) + style.TICK_SIZE / 72 * math.cos(angle)


def write_right(axes: Axes, texts: Sequence[str], heading: str) -> None:
    """Write a column of text to the right of a matrix, with a heading above it."""
    gap = ScaledTranslation(_GAP, 0, axes.figure.dpi_scale_trans)
    look: dict[str, Any] = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT}
    axes.text(1, 1.01, heading, transform=axes.transAxes + gap, va="bottom", **look)
    for row, text in enumerate(texts):
        axes.text(1, row, text, transform=axes.get_yaxis_transform() + gap, va="center", **look)
