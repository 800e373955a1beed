"""Plot the accuracy on the images with the highest confidence (selective accuracy).

Examples
--------
>>> import numpy as np
>>> from lineup.evaluation.curves import selective_accuracy
>>> curve = selective_accuracy(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1]))
>>> selective_curves({"cnn": curve}, title="cnn").axes[0].texts[-1].get_text()
'accuracy'
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lineup.errors import LineupError
from lineup.evaluation.curves import SelectiveAccuracy
from lineup.figures import style
from lineup.figures.frame import draw_frame

_FROM = 0.05
"""Smallest coverage in the figure, because the accuracy on a few images depends mostly on chance."""

_MARGINS = style.Margins(left=0.8, right=0.27, bottom=0.5, top=0.1)


def selective_curves(curves: Mapping[str, SelectiveAccuracy], *, title: str, subtitle: str = "") -> Figure:
    """Plot the accuracy of one or several models against the coverage.

    Coverage is the fraction of images for which the accuracy is computed. Images with the highest confidence are
    included first.

    Parameters
    ----------
    curves : mapping of str to SelectiveAccuracy
        Curves by name of the model, in the order of the legend; see
        :func:`lineup.evaluation.curves.selective_accuracy`.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with a line per model, from 5 % to 100 % of the images. The legend shows the accuracy on all images.

    Raises
    ------
    LineupError
        If there are no curves.
    """
    if not curves:
        raise LineupError("selective accuracy: there are no curves")
    figure = style.new_figure(6.4, 3.6, title=title, subtitle=subtitle, margins=_MARGINS)
    axes = figure.add_subplot()
    lowest = 1.0
    for (name, curve), (colour, dashes) in zip(curves.items(), style.line_styles(len(curves)), strict=True):
        shown = curve.coverage >= _FROM
        coverage, accuracy = curve.coverage[shown], curve.accuracy[shown]
        lowest = min(lowest, float(accuracy.min()))
        axes.plot(coverage, accuracy, color=colour, linestyle=dashes, label=f"{name}: {accuracy[-1]:.4f} on all images")
        axes.plot(coverage[-1:], accuracy[-1:], "o", color=colour, markersize=4.5, clip_on=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlim(0, 1)
    margin = 0.05 * (1 - lowest) or 0.01
    axes.set_ylim(lowest - margin, 1 + margin)
    coverage_label = "coverage: share of the images with the highest confidence"
    draw_frame(axes, xlabel=coverage_label, ylabel="accuracy", grid="both")
    axes.legend(frameon=False, loc="lower left", prop={"family": style.FONT, "size": style.TICK_SIZE})
    return figure
