"""Plot the filters of a convolution.

Examples
--------
>>> figure = filters(np.random.default_rng(0).normal(size=(32, 3, 3)), title="cnn: filters")
>>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
['0', '8', '16', '24']
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style

_COLUMNS = 8
_WIDTH = 1.0
"""Width of a filter, in inches."""


def filters(weights: NDArray[np.floating], *, title: str, subtitle: str = "") -> Figure:
    """Plot each filter in its own panel. All panels have the same symmetric colour scale.

    Parameters
    ----------
    weights : ndarray, shape (filters, height, width)
        Weights of each filter.
    title : str
        First line.
    subtitle : str, optional
        Second line. Default: none.

    Returns
    -------
    Figure
        Figure with eight filters in a row. The number of the first filter is on the left of each row. Positive weights
        are blue, negative weights are vermillion, and zero is white.

    Raises
    ------
    LineupError
        If there are no filters.
    """
    if weights.ndim != 3 or not weights.size:
        raise LineupError(f"filters: expected weights of filters x height x width, found the shape {weights.shape}")
    count, height, width = weights.shape
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    cell = _cell_height(height, width, rows)
    figure = style.new_figure(1.6 + _WIDTH * columns, 0.7 + cell * rows, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    largest = max(float(np.abs(weights).max()), np.finfo(float).tiny)
    limits: dict[str, Any] = {"vmin": -largest, "vmax": largest}
    shown = axes.imshow(_grid(weights, columns), cmap=style.DIVERGING, aspect="auto", interpolation="nearest", **limits)
    _separate(figure, weights, columns)
    first = np.arange(rows) * columns
    axes.set(xticks=[], ylabel="number of the first filter in the row")
    axes.set_yticks(np.arange(rows) * height + (height - 1) / 2, [str(number) for number in first])
    style.apply_style(axes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.015, aspect=30)
    bar.set_label("weight", size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
    bar.ax.tick_params(labelsize=style.TICK_SIZE, labelcolor=style.INK, labelfontfamily=style.FONT)
    bar.outline.set_visible(False)
    return figure


def _cell_height(height: int, width: int, rows: int) -> float:
    """Return the height of a filter panel, in inches.

    The height has a lower limit. If a filter is wide, its row labels need this minimum height.
    """
    return max(_WIDTH * height / width, 0.2 if rows > 1 else 0.5)


def _grid(weights: NDArray[np.floating], columns: int) -> NDArray[np.floating]:
    """Arrange filters in rows. Missing filters at the end are NaN."""
    count, height, width = weights.shape
    rows = -(-count // columns)
    cells = np.full((rows * columns, height, width), np.nan)
    cells[:count] = weights
    return cells.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def _separate(figure: Figure, weights: NDArray[np.floating], columns: int) -> None:
    """Draw lines between the filters."""
    (axes,) = figure.axes
    count, height, width = weights.shape
    for number in range(1, columns):
        axes.axvline(number * width - 0.5, color="white", linewidth=7)
        axes.axvline(number * width - 0.5, color=style.FAINT, linewidth=0.8)
    for number in range(1, -(-count // columns)):
        axes.axhline(number * height - 0.5, color="white", linewidth=5 if height == width else 2)
        axes.axhline(number * height - 0.5, color=style.FAINT, linewidth=0.8)
