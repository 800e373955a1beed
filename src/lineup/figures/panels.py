"""Draw small plots, one for each class or model, with the same scales.

Examples
--------
>>> figure = Figure(figsize=(6, 4))
>>> share = Scale("threshold", 0, 1, {0: "0", 1: "1"})
>>> grid = PanelGrid(figure, 3, columns=2, bottom=0.8, x=share, y=share)
>>> grid.heading(2, "dress")
>>> line = grid.curve(2, np.array([0, 1]), np.array([0.5, 0.9]), style.BLUE)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, TransformedBbox
from numpy.typing import NDArray

from lineup.figures import style

MOST = 20
"""Largest number of classes in a figure. More plots would be too small to read."""

LONGEST = 17
"""Largest number of characters of a class name above a plot."""

SHARES = {0.0: "0", 0.5: "0.5", 1.0: "1"}
"""Labels of an axis from 0 to 1."""

# All lengths are in inches. Font sizes are in points, of which an inch has 72.
_ROW = 1.65
"""Height of a row with its headings."""
_HEADING = 0.35
"""Space between two rows for the headings."""
_LEFT, _RIGHT = 0.62, 0.15
"""Space beside the plots. The left one has the labels of the y axis."""
_GAP = 6 / 72
"""Space between a plot and its heading."""
_BETWEEN = 0.15
"""Space between two columns, as a share of the width of a plot."""
_LABELS = 0.18
"""Height of the labels of the ticks below a plot."""
_EDGE = 0.1
"""Space between the left edge of the figure and the name of the y axis."""


@dataclass(frozen=True)
class Scale:
    """Scale of one axis, which is the x axis or the y axis. All plots in a grid have the same scale.

    Parameters
    ----------
    label : str
        Name of the axis.
    low, high : float
        Values at the two ends of the axis.
    ticks : mapping of float to str
        Labels by the values at which they are written.
    root : bool, optional
        Whether the scale is the square root of the values, to enlarge small values. Default: a linear scale.
    """

    label: str
    low: float
    high: float
    ticks: Mapping[float, str]
    root: bool = False

    def position(self, values: NDArray[np.float64] | Sequence[float]) -> NDArray[np.float64]:
        """Return positions on the axis, from 0 at the lower limit to 1 at the upper limit.

        Examples
        --------
        >>> Scale("rate", 0, 1, {}, root=True).position([0, 0.25, 1]).tolist()
        [0.0, 0.5, 1.0]
        """
        unit = np.sqrt if self.root else np.asarray
        low, high = unit(self.low), unit(self.high)
        positions: NDArray[np.float64] = (unit(values) - low) / (high - low)
        return positions


class PanelGrid:
    """Grid of small plots, called panels, with the same scales.

    To create one matplotlib `Axes` takes 20 ms, and a report has thousands of panels. All panels of a grid are
    therefore drawn into one `Axes`, with coordinates in inches.

    Parameters
    ----------
    figure : Figure
        A figure with enough space above ``bottom``, see `height_of`. Its layout engine is switched off.
    count : int
        Number of panels.
    columns : int
        Largest number of panels in a row.
    bottom : float
        Distance between the lower edges of the figure and of the lowest panels, in inches.
    x, y : Scale
        The left panel of each row has labels on its y axis, and the lowest panel of each column has labels on its x
        axis.
    """

    def __init__(self, figure: Figure, count: int, *, columns: int, bottom: float, x: Scale, y: Scale) -> None:
        self._x, self._y = x, y
        figure.set_layout_engine(None)
        wide, high = figure.get_size_inches()
        width, height = wide - _LEFT - _RIGHT, height_of(count, columns) - _HEADING
        self.axes = figure.add_axes((_LEFT / wide, bottom / high, width / wide, height / high))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.set_axis_off()
        rows, columns = -(-count // columns), min(count, columns)
        side = width / (columns + _BETWEEN * (columns - 1))
        corners = [
            (number % columns * side * (1 + _BETWEEN), (rows - 1 - number // columns) * _ROW) for number in range(count)
        ]
        self._panels = [Bbox.from_bounds(left, low, side, _ROW - _HEADING) for left, low in corners]
        self._clips = [TransformedBbox(panel, self.axes.transData) for panel in self._panels]
        self._draw_frames()
        for panel in self._panels[::columns]:
            self._write_y_axis(panel)
        for panel in self._panels[-columns:]:
            self._write_x_axis(panel)

    def curve(
        self,
        number: int,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        colour: str,
        dashes: str = "-",
        *,
        width: float = 1.6,
    ) -> Line2D:
        """Draw a line into a panel. Parts of the line outside the axis limits are not visible.

        Parameters
        ----------
        number : int
            Number of the panel, from 0, row by row.
        x, y : ndarray of float, shape (n,)
            Values in the scales of the grid.
        colour : str
            Colour of the line.
        dashes : str, optional
            Style of the line. Default: a solid line.
        width : float, optional
            Width of the line, in points. Default: 1.6.

        Returns
        -------
        Line2D
            The line, for a legend.
        """
        points = self._inches(number, x, y)
        look: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": width}
        line = Line2D(points[:, 0], points[:, 1], **look)
        self.axes.add_artist(line)
        line.set_clip_box(self._clips[number])
        return line

    def band(
        self,
        number: int,
        x: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        colour: str,
    ) -> None:
        """Fill the area between two curves of a panel with a pale colour."""
        outline = np.concatenate([self._inches(number, x, low), self._inches(number, x, high)[::-1]])
        area = Polygon(outline, facecolor=colour, alpha=0.2, linewidth=0)
        self.axes.add_artist(area)
        area.set_clip_box(self._clips[number])

    def heading(self, number: int, text: str, *, size: float = style.TICK_SIZE, weight: str = "normal") -> None:
        """Write a text above a panel."""
        panel = self._panels[number]
        middle = (panel.x0 + panel.x1) / 2
        self._write(middle, panel.y1 + _GAP, text, size=size, weight=weight, ha="center", va="baseline")

    def text(self, number: int, x: float, y: float, text: str, **look: Any) -> None:
        """Write a text into a panel.

        Parameters
        ----------
        number : int
            Number of the panel, from 0, row by row.
        x, y : float
            Position as a share of the width and of the height of the panel.
        text : str
            Text to write.
        **look
            Properties of a matplotlib `Text`, such as its size and alignment.
        """
        panel = self._panels[number]
        self._write(panel.x0 + x * panel.width, panel.y0 + y * panel.height, text, **look)

    def _inches(self, number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert points in a panel to inches in the `Axes`."""
        panel = self._panels[number]
        points = np.stack([self._x.position(x), self._y.position(y)], axis=1)
        inches: NDArray[np.float64] = panel.min + points * panel.size
        return inches

    def _write(self, x: float, y: float, text: str, **look: Any) -> None:
        """Write a text at a position of the `Axes`. Dollar signs in the text do not mark formulas."""
        font: dict[str, Any] = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT, "parse_math": False}
        self.axes.text(x, y, text, **(font | look))

    def _draw_frames(self) -> None:
        """Draw the left and lower edges, the ticks and the grid lines of all panels."""
        across, up = self._x.position([*self._x.ticks]), self._y.position([*self._y.ticks])
        edges, lines = [], []
        for panel in self._panels:
            (left, low), (right, high) = panel.min, panel.max
            edges += [[(left, low), (left, high)], [(left, low), (right, low)]]
            for x in left + across * panel.width:
                edges.append([(x, low - style.TICK), (x, low)])
                lines.append([(x, low), (x, high)])
            for y in low + up * panel.height:
                edges.append([(left - style.TICK, y), (left, y)])
                lines.append([(left, y), (right, y)])
        for segments, colour, order in ((lines, style.GRID, 0.5), (edges, style.FAINT, 2.5)):
            collection = LineCollection(segments, colors=colour, linewidths=style.THIN, zorder=order, clip_on=False)
            self.axes.add_collection(collection, autolim=False)

    def _write_x_axis(self, panel: Bbox) -> None:
        """Write the labels of the x axis below a panel."""
        low = panel.y0 - 2 * style.TICK
        ticks = zip(self._x.position([*self._x.ticks]), self._x.ticks.values(), strict=True)
        for position, text in ticks:
            self._write(panel.x0 + position * panel.width, low, text, ha="center", va="top")
        middle = (panel.x0 + panel.x1) / 2
        self._write(middle, low - _LABELS, self._x.label, size=style.LABEL_SIZE, ha="center", va="top")

    def _write_y_axis(self, panel: Bbox) -> None:
        """Write the labels of the y axis to the left of a panel."""
        ticks = zip(self._y.position([*self._y.ticks]), self._y.ticks.values(), strict=True)
        for position, text in ticks:
            height = panel.y0 + position * panel.height
            self._write(panel.x0 - 2 * style.TICK, height, text, ha="right", va="center_baseline")
        middle = (panel.y0 + panel.y1) / 2
        look: dict[str, Any] = {"size": style.LABEL_SIZE, "rotation": 90, "ha": "left", "va": "center"}
        self._write(panel.x0 - _LEFT + _EDGE, middle, self._y.label, **look)


def ticks_between(low: float, high: float) -> dict[float, str]:
    """Choose about five round values between two limits, and return them with their labels.

    All labels have the same number of decimals.

    Examples
    --------
    >>> list(ticks_between(0.52, 1.01).values())
    ['0.6', '0.7', '0.8', '0.9', '1.0']
    """
    values = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inside = [round(float(value), 9) for value in values if low <= value <= high]
    decimals = max(len(f"{value:g}".partition(".")[2]) for value in inside)
    return {value: f"{value:.{decimals}f}" for value in inside}


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
