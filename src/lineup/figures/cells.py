"""Add lines, numbers and a column of text to the plot of a matrix.

Examples
--------
>>> text_colour(np.array([0, 0, 0.4, 1])), text_colour(np.ones(4)) == style.INK
('white', True)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from lineup.figures import style

ANGLE = 40.0
"""Rotation of the names of the columns, in degrees."""


def text_colour(background: NDArray[np.floating]) -> str:
    """Choose a text colour that is legible on a given background colour."""
    red, green, blue = background[:3]
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5  # luma of ITU-R BT.709
    return "white" if dark else style.INK


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


def style_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str], lines: str = "white") -> None:
    """Label the rows and columns of a matrix, and draw lines of the given colour between the cells."""
    axes.set_xticks(range(len(columns)), columns, rotation=ANGLE, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    style.apply_style(axes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    # One collection is drawn faster than the grid lines of minor ticks.
    right, bottom = len(columns) - 0.5, len(rows) - 0.5
    between = [[(x, -0.5), (x, bottom)] for x in np.arange(len(columns) - 1) + 0.5]
    between += [[(-0.5, y), (right, y)] for y in np.arange(len(rows) - 1) + 0.5]
    axes.add_collection(LineCollection(between, colors=lines, linewidths=1.5, zorder=0.5), autolim=False)


def write_right(axes: Axes, texts: Sequence[str], heading: str) -> None:
    """Write a column of text to the right of a matrix, with a heading above it."""
    gap = ScaledTranslation(4 / 72, 0, axes.figure.dpi_scale_trans)
    look: dict[str, Any] = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT}
    axes.text(1, 1.01, heading, transform=axes.transAxes + gap, va="bottom", **look)
    for row, text in enumerate(texts):
        axes.text(1, row, text, transform=axes.get_yaxis_transform() + gap, va="center", **look)
