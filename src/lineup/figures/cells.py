"""Style the plot of a matrix: lines between cells, numbers in cells, and a column of text on the right.

Examples
--------
>>> text_colour(np.array([0, 0, 0.4, 1])), text_colour(np.ones(4)) == style.INK
('white', True)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lineup.figures import style


def text_colour(background: NDArray[np.floating]) -> str:
    """Choose a text colour that is legible on a given background colour."""
    red, green, blue = background[:3]
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5  # luma of ITU-R BT.709
    return "white" if dark else style.INK


def style_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Name the rows and columns of a matrix, and draw lines between its cells."""
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    style.tidy(axes)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def write_right(axes: Axes, texts: Sequence[str], heading: str) -> None:
    """Write a column of text to the right of a matrix, with a heading."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(texts)), texts)
    right.set_ylabel(heading, size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
    right.tick_params(length=0, labelsize=style.TICK_SIZE, labelcolor=style.INK, labelfontfamily=style.FONT)
    right.spines[:].set_visible(False)
