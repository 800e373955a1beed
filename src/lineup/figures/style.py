"""Define the colours, font sizes and header that all figures share.

The functions do not use pyplot, so they do not change global state.

Examples
--------
>>> figure = new_figure(4, 3, title="Test accuracy", subtitle="Pets")
>>> [text.get_text() for text in figure.texts]
['Test accuracy', 'Pets']
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

DPI = 110

# The colour-blind-safe palette of M. Okabe and K. Ito, "Color Universal Design" (2008).
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"

DIVERGING = LinearSegmentedColormap.from_list("negative and positive", [VERMILLION, "white", BLUE])
"""Colours of negative and positive numbers."""

INK = "#222222"
MUTED = "#666666"
FAINT = "#BBBBBB"
GRID = "#E6E6E6"

TITLE_SIZE = 12.0
LABEL_SIZE = 9.5
TICK_SIZE = 8.5
TICK = 3.5 / 72
"""Length of a tick, and space between a tick and its label, in inches."""
THIN = 0.8
"""Width of frames, ticks and grid lines, in points."""

# Yellow is not used, because it is too faint on white. Black is used only for the mean.
_LINES = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE)
_DASHES = ("-", "--", ":", "-.")

MEASURES = (("accuracy", BLUE, "-"), ("precision", VERMILLION, "--"), ("recall", GREEN, "-."))
"""Name, colour and line style of the measures in the figures of the cutoff curves."""

FONT = "DejaVu Sans"  # included in matplotlib, so that figures are the same on every machine
_MARGIN = 0.12
_TITLE_HEIGHT = 0.36
_SUBTITLE_HEIGHT = 0.22


class Margins(NamedTuple):
    """Distances from the plots to the edges of the figure, in inches.

    The upper distance ends at the header.
    """

    left: float
    right: float
    bottom: float
    top: float


def new_figure(
    width: float, height: float, *, title: str, subtitle: str = "", margins: Margins | None = None
) -> Figure:
    """Return an empty figure with a header.

    Parameters
    ----------
    width, height : float
        Size in inches of the area below the header. The header increases the height of the figure.
    title : str
        First line, in bold.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.
    margins : Margins, optional
        Space for the labels beside the plots. Default: compute it from all labels, which takes a third of the time to
        draw a figure.
    """
    header = _TITLE_HEIGHT + (_SUBTITLE_HEIGHT if subtitle else 0.0)
    total = height + header
    figure = Figure(figsize=(width, total), dpi=DPI, facecolor="white")
    if margins is None:
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, 0, 1, height / total), w_pad=0.08, h_pad=0.06))
    else:
        left, right, bottom, top = margins
        sides = {"left": left / width, "right": 1 - right / width}
        figure.subplots_adjust(**sides, bottom=bottom / total, top=(height - top) / total)
    left, top = _MARGIN / width, 1 - _MARGIN / total
    figure.text(left, top, title, va="top", size=TITLE_SIZE, weight="bold", color=INK, family=FONT)
    if subtitle:
        below = top - (_TITLE_HEIGHT - _MARGIN + 0.02) / total
        figure.text(left, below, subtitle, va="top", size=LABEL_SIZE, color=MUTED, family=FONT)
    return figure


def spacing(size: float, count: int, gap: float) -> float:
    """Convert the distance between plots to the unit of matplotlib.

    This unit is the mean size of a plot.

    Parameters
    ----------
    size : float
        Size of all plots with the distances between them, in inches.
    count : int
        Number of plots side by side, or one below the other.
    gap : float
        Distance between two plots, in inches.

    Examples
    --------
    >>> spacing(5.0, 2, 1.0)
    0.5
    """
    return gap * count / (size - (count - 1) * gap)


def line_styles(count: int) -> list[tuple[str, str]]:
    """Choose a colour and a line style for each line of a plot. The first 24 combinations are different."""
    return [(_LINES[i % len(_LINES)], _DASHES[i // len(_LINES) % len(_DASHES)]) for i in range(count)]


def root_scale(axes: Axes) -> None:
    """Use a square-root scale for an x axis from 0 to 1, so that small values have more space."""
    axes.set_xscale("function", functions=(_root, np.square))
    axes.set_xticks([0, 0.1, 0.4, 1], ["0", "0.1", "0.4", "1"])


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the square root of positive values. The result for negative values is 0."""
    # Negative values occur in the margin of an axis.
    root: NDArray[np.float64] = np.sqrt(np.maximum(values, 0))
    return root


def apply_style(axes: Axes, *, grid: str = "") -> None:
    """Apply the common style to the frame, the ticks and the grid lines of a plot.

    Parameters
    ----------
    axes : Axes
        Axes to change in place. Call this function after adding data and labels.
    grid : {"", "x", "y", "both"}, optional
        Direction of the grid lines. Default: none.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(labelsize=TICK_SIZE, color=FAINT, labelcolor=INK, labelfontfamily=FONT)
    axes.xaxis.label.set(size=LABEL_SIZE, color=INK, family=FONT)
    axes.yaxis.label.set(size=LABEL_SIZE, color=INK, family=FONT)
    axes.title.set(size=LABEL_SIZE, color=INK, family=FONT)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
