"""Plot the ROC curves and the cutoff curves of several models side by side.

Examples
--------
>>> scores = Scores(np.arange(2), np.array([0, 1]), np.array([[0.9, 0.1], [0.3, 0.7]]))
>>> figure = roc_and_cutoff({"average": scores, "maximum": scores}, title="Two rules")
>>> {"average", "maximum"} <= {text.get_text() for axes in figure.axes for text in axes.texts}
True
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lineup.errors import LineupError
from lineup.evaluation.curves import ClassCurves, cutoff_curves, roc
from lineup.evaluation.scores import Scores
from lineup.figures import style
from lineup.figures.cutoff import THRESHOLD, bottom_of
from lineup.figures.panels import PanelGrid, Scale, height_of, ticks_between
from lineup.figures.roc import FALSE_POSITIVES, TRUE_POSITIVES

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
    """Plot the mean ROC curve and the mean cutoff curves of each model.

    The mean is computed over all classes. Each class is compared with all other classes (one-vs-rest).

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
    cutoffs = [cutoff_curves(one.probabilities, one.labels, _THRESHOLDS) for one in scores.values()]
    measures = [(one.macro_accuracy, one.macro_precision, one.macro_recall) for one in cutoffs]
    lowest = min(bottom_of(_THRESHOLDS, np.stack(lines)) for lines in measures)
    y = Scale("mean of the classes", lowest, 1.01, ticks_between(lowest, 1.01))
    bottom = _LEGEND + _X_AXIS
    top = bottom + high + _X_AXIS
    above = PanelGrid(figure, len(scores), columns=MOST, bottom=top, x=FALSE_POSITIVES, y=TRUE_POSITIVES)
    below = PanelGrid(figure, len(scores), columns=MOST, bottom=bottom, x=THRESHOLD, y=y)
    for number, (name, one) in enumerate(scores.items()):
        above.heading(number, name, size=style.TICK_SIZE - 0.5)  # for names of 32 characters
        _draw_roc(above, number, roc(one.probabilities, one.labels))
    for number, lines in enumerate(measures):
        drawn = [
            below.curve(number, _THRESHOLDS, values, colour, dashes)
            for values, (_, colour, dashes) in zip(lines, style.MEASURES, strict=True)
        ]
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    names = [name for name, _, _ in style.MEASURES]
    figure.legend(drawn, names, loc="lower center", ncols=3, frameon=False, prop=font)
    return figure


def _draw_roc(grid: PanelGrid, number: int, curves: ClassCurves) -> None:
    """Plot the mean ROC curve over all classes, with a band from the lowest to the highest curve."""
    defined = [curve for curve in curves.curves if curve.x.size]
    rates = np.stack([np.interp(_RATES, curve.x, curve.y) for curve in defined])
    grid.band(number, _RATES, rates.min(axis=0), rates.max(axis=0), style.BLUE)
    grid.curve(number, _RATES, rates.mean(axis=0), style.BLUE)
    grid.curve(number, _RATES, _RATES, style.FAINT, "--", width=1)
    grid.text(number, 0.97, 0.06, f"mean AUC {curves.macro:.4f}", ha="right")
