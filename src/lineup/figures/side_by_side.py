"""Plot the ROC curves and the cutoff curves of several models side by side.

Examples
--------
>>> scores = Scores(np.arange(2), np.array([0, 1]), np.array([[0.9, 0.1], [0.3, 0.7]]))
>>> figure = roc_and_cutoff({"average": scores, "maximum": scores}, title="Two rules")
>>> [axes.get_title() for axes in figure.axes]
['average', 'maximum', '', '']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineup.errors import LineupError
from lineup.evaluation.curves import ClassCurves, cutoff_curves, roc
from lineup.evaluation.scores import Scores
from lineup.figures import style
from lineup.figures.cutoff import bottom_of
from lineup.figures.panels import height_of, panels

MOST = 6
"""Largest number of models in a figure. More panels would be too small to read."""

_THRESHOLDS = np.linspace(0, 1, 101)
_RATES = np.linspace(0, 1, 201) ** 2
"""False positive rates of the mean ROC curve. They are dense near 0, where good classifiers differ."""

_X_AXIS = 0.5
"""Height of the labels of an x axis, in inches."""
_LEGEND = 0.35
"""Height of the legend, in inches."""


def roc_and_cutoff(scores: Mapping[str, Scores], *, title: str, subtitle: str = "") -> Figure:
    """Plot the ROC curve and the cutoff curves of each model, averaged over the classes.

    Each class is compared with all other classes (one-vs-rest).

    Parameters
    ----------
    scores : mapping of str to Scores
        Class probabilities and labels, by the name of the model or committee.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with one column for each model. The panel at the top shows the mean ROC curve and, as a band, the lowest
        and the highest true positive rate of a class. The false positive rate has a square-root scale. The panel at the
        bottom shows the mean accuracy, precision and recall of the classes against the decision threshold.

    Raises
    ------
    LineupError
        If there are no models or more than 6.
    """
    if not 1 <= len(scores) <= MOST:
        raise LineupError(f"roc: expected 1 to {MOST} models, found {len(scores)}")
    high = height_of(1, 1)
    width, height = max(2.4 * len(scores), 5.0), 2 * (high + _X_AXIS) + _LEGEND
    figure = style.new_figure(width, height, title=title, subtitle=subtitle)
    above = panels(figure, len(scores), columns=MOST, bottom=_LEGEND + 2 * _X_AXIS + high)
    below = panels(figure, len(scores), columns=MOST, bottom=_LEGEND + _X_AXIS)
    lowest = []
    for (name, one), upper, lower in zip(scores.items(), above, below, strict=True):
        upper.set_title(name)
        _draw_roc(upper, roc(one.probabilities, one.labels))
        lowest.append(_draw_cutoff(lower, one))
    style.root_scale(above[0])
    above[0].set(xlim=(0, 1), ylim=(0, 1.02), yticks=[0, 0.5, 1], ylabel="true positive rate")
    below[0].set(xlim=(0, 1), ylim=(min(lowest), 1.01), xticks=[0, 0.5, 1], ylabel="mean of the classes")
    for axes, name in [*((axes, "false positive rate") for axes in above), *((axes, "threshold") for axes in below)]:
        axes.set_xlabel(name)
        style.tidy(axes, grid="both")
        axes.title.set_fontsize(style.TICK_SIZE - 0.5)  # for names of 32 characters
    handles, names = below[0].get_legend_handles_labels()
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    figure.legend(handles, names, loc="lower center", ncols=3, frameon=False, prop=font)
    return figure


def _draw_roc(axes: Axes, curves: ClassCurves) -> None:
    """Plot the mean ROC curve over all classes, with a band from the lowest to the highest curve."""
    defined = [curve for curve in curves.curves if curve.x.size]
    rates = np.stack([np.interp(_RATES, curve.x, curve.y) for curve in defined])
    axes.fill_between(_RATES, rates.min(axis=0), rates.max(axis=0), color=style.BLUE, alpha=0.2, linewidth=0)
    axes.plot(_RATES, rates.mean(axis=0), color=style.BLUE, linewidth=1.6)
    axes.plot(_RATES, _RATES, color=style.FAINT, linewidth=1, linestyle="--")
    font: dict[str, Any] = {"family": style.FONT, "size": style.TICK_SIZE, "color": style.INK}
    axes.text(0.97, 0.06, f"mean AUC {curves.macro:.4f}", transform=axes.transAxes, ha="right", **font)


def _draw_cutoff(axes: Axes, scores: Scores) -> float:
    """Plot the mean accuracy, precision and recall of the classes. Return the lower limit of the y axis."""
    curves = cutoff_curves(scores.probabilities, scores.labels, _THRESHOLDS)
    lines = (curves.macro_accuracy, curves.macro_precision, curves.macro_recall)
    for values, (name, colour, dashes) in zip(lines, style.MEASURES, strict=True):
        axes.plot(_THRESHOLDS, values, color=colour, linestyle=dashes, linewidth=1.6, label=name)
    return bottom_of(_THRESHOLDS, np.stack(lines))
