"""Arrange small plots, one for each class, with the same scales.

Examples
--------
>>> figure = Figure(figsize=(6, 4))
>>> [axes.get_subplotspec().colspan.start for axes in panels(figure, 3, columns=2, bottom=0.8)]
[0, 1, 0]
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

MOST = 20
"""Largest number of classes in a figure. More plots would be too small to read."""

LONGEST = 17
"""Largest number of characters of a class name above a plot."""

_ROW = 1.65
"""Height of a row with its headings, in inches."""
_HEADING = 0.35
"""Space between two rows for the headings, in inches."""
_LEFT, _RIGHT = 0.62, 0.15
"""Space beside the plots, in inches. The left one has the labels of the y axis."""


def panels(figure: Figure, count: int, *, columns: int, bottom: float) -> list[Axes]:
    """Add small plots to a figure. All plots have the same scales.

    Parameters
    ----------
    figure : Figure
        A figure with enough space above ``bottom``, see `height_of`. Its layout engine is switched off: a layout that
        is computed from the labels of many plots takes half a second, and a report has hundreds of figures.
    count : int
        Number of plots.
    columns : int
        Largest number of plots in a row.
    bottom : float
        Distance between the lower edges of the figure and of the lowest plots, in inches.

    Returns
    -------
    list of Axes
        Row by row. The lowest plot of each column has tick labels on its x axis.
    """
    figure.set_layout_engine(None)
    wide, high = figure.get_size_inches()
    rows, columns = -(-count // columns), min(count, columns)
    spacing = {"wspace": 0.15, "hspace": _HEADING / (_ROW - _HEADING)}
    sides = {"left": _LEFT / wide, "right": 1 - _RIGHT / wide}
    top = (bottom + height_of(count, columns) - _HEADING) / high
    grid = figure.add_gridspec(rows, columns, bottom=bottom / high, top=top, **sides, **spacing)
    cells = grid.subplots(sharex=True, sharey=True, squeeze=False)
    for unused in cells.flat[count:]:
        unused.remove()
    used: list[Axes] = list(cells.flat[:count])
    for axes in used[-columns:]:
        axes.tick_params(labelbottom=True)
    return used


def height_of(count: int, columns: int) -> float:
    """Return the total height of the small plots and their headings, in inches.

    Examples
    --------
    >>> height_of(11, columns=6) == 2 * height_of(1, columns=6)
    True
    """
    return _ROW * -(-count // columns)


def note_of(classes: Sequence[str]) -> str:
    """Return a note if only some classes are shown, otherwise an empty string.

    Examples
    --------
    >>> note_of([f"class {number}" for number in range(100)])
    'the first 20 of 100 classes'
    """
    return f"the first {MOST} of {len(classes)} classes" if len(classes) > MOST else ""
