"""Draw the edges, ticks, grid lines and labels of a plot with few artists.

Each tick of matplotlib consists of five artists, which take a large part of the time to draw a figure. Here, the lines
of a plot are two artists, and each label is one.

Examples
--------
>>> figure = style.new_figure(4, 3, title="cnn", margins=style.Margins(0.5, 0.1, 0.5, 0.1))
>>> axes = figure.add_subplot()
>>> line = axes.plot([1, 2], [0.5, 0.25])
>>> draw_frame(axes, xlabel="epoch", ylabel="loss", grid="y")
>>> [text.get_text() for text in axes.texts if text.get_text().isalpha()]
['epoch', 'loss']
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from lineup.figures import style
from lineup.figures.canvas import text_width

# All lengths are in inches.
_LINE = 1.2 * style.TICK_SIZE / 72
"""Height of a line of labels."""
_GAP = 4 / 72
"""Space between the labels of the ticks and the label of the axis."""


def draw_frame(axes: Axes, *, xlabel: str = "", ylabel: str = "", grid: str = "", inner: bool = False) -> None:
    """Draw a frame in place of the frame of matplotlib.

    Parameters
    ----------
    axes : Axes
        Axes to change in place. The figure must have fixed margins. Call this function at the end, because later
        changes of the limits do not move the ticks.
    xlabel, ylabel : str, optional
        Labels of the axes. Default: none.
    grid : {"", "x", "y", "both"}, optional
        Direction of the grid lines. Default: none.
    inner : bool, optional
        Whether another plot below has the same x axis. The ticks of the x axis then have no labels. Default false.
    """
    axes.set_axis_off()
    width, height = np.array([axes.bbox.width, axes.bbox.height]) / axes.figure.dpi
    across, up = (_ticks(axis) for axis in (axes.xaxis, axes.yaxis))
    xs, ys = _positions(axes, list(across), list(up))
    edges = [[(0, 0), (0, 1)], [(0, 0), (1, 0)]]
    edges += [[(x, -style.TICK / height), (x, 0)] for x in xs] + [[(-style.TICK / width, y), (0, y)] for y in ys]
    lines = [[(x, 0), (x, 1)] for x in xs if grid in ("x", "both")]
    lines += [[(0, y), (1, y)] for y in ys if grid in ("y", "both")]
    look: dict[str, Any] = {"linewidths": style.THIN, "transform": axes.transAxes, "clip_on": False}
    axes.add_collection(LineCollection(edges, colors=style.FAINT, zorder=2.5, **look), autolim=False)
    axes.add_collection(LineCollection(lines, colors=style.GRID, zorder=0.5, **look), autolim=False)

    for x, text in zip(xs, across.values(), strict=True):
        if not inner:
            _write(axes, x, -2 * style.TICK / height, text, ha="center", va="top")
    for y, text in zip(ys, up.values(), strict=True):
        _write(axes, -2 * style.TICK / width, y, text, ha="right", va="center_baseline")
    size: dict[str, Any] = {"size": style.LABEL_SIZE}
    name = _with_offset(xlabel, axes.xaxis)
    _write(axes, 0.5, -(2 * style.TICK + _LINE + _GAP) / height, name, ha="center", va="top", **size)
    widest = max((text_width(text, style.TICK_SIZE) for text in up.values()), default=0.0)
    name = _with_offset(ylabel, axes.yaxis)
    _write(axes, -(2 * style.TICK + widest + _GAP) / width, 0.5, name, ha="right", va="center", rotation=90, **size)


def _ticks(axis: Axis) -> dict[float, str]:
    """Return the labels of the ticks between the limits of an axis, by their values."""
    low, high = axis.get_view_interval()
    values = [float(value) for value in axis.get_majorticklocs() if low <= value <= high]
    return dict(zip(values, axis.get_major_formatter().format_ticks(values), strict=True))


def _with_offset(label: str, axis: Axis) -> str:
    """Add the factor or the summand that the labels of the ticks leave out, such as ``1e-5``. Most plots have none."""
    offset = axis.get_major_formatter().get_offset()
    return f"{label} ({offset})".lstrip() if offset else label


def _positions(axes: Axes, across: list[float], up: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert values on the x axis and on the y axis to positions from 0 to 1."""
    convert = axes.transData - axes.transAxes
    (x, _), (y, _) = axes.get_xlim(), axes.get_ylim()
    points = np.array([*((value, y) for value in across), *((x, value) for value in up)]).reshape(-1, 2)
    positions = convert.transform(points)
    return positions[: len(across), 0], positions[len(across) :, 1]


def _write(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write a text at a position of a plot, from 0 to 1."""
    font: dict[str, Any] = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT}
    axes.text(x, y, text, transform=axes.transAxes, **(font | look))
