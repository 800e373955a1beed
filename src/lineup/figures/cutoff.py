"""Plot the accuracy, precision and recall of each class against the decision threshold.

Examples
--------
>>> from lineup.evaluation.curves import cutoff_curves
>>> curves = cutoff_curves(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1]), [0.0, 0.5, 1.0])
>>> (axes,) = cutoff_panels(curves, ["cat", "dog"], title="cnn").axes
>>> {"cat", "dog", "mean of the classes"} <= {text.get_text() for text in axes.texts}
True
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.evaluation.curves import CutoffCurves
from lineup.figures import style
from lineup.figures.panels import LONGEST, MOST, SHARES, PanelGrid, Scale, height_of, note_of, ticks_between

_BELOW = 0.9
"""Height of the labels of the x axis and of the legend, in inches."""

THRESHOLD = Scale("threshold", 0, 1, SHARES)


def cutoff_panels(curves: CutoffCurves, classes: Sequence[str], *, title: str, subtitle: str = "") -> Figure:
    """Plot the accuracy, precision and recall of each class against the decision threshold.

    Each class is compared with all other classes (one-vs-rest).

    Parameters
    ----------
    curves : CutoffCurves
        See :func:`lineup.evaluation.curves.cutoff_curves`; the thresholds must increase.
    classes : sequence of str, length k
        Class names, in the order of the curves.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with a panel per class and one for the mean of all classes. Each panel has a line for the accuracy, the
        precision and the recall. The precision is undefined, and not shown, at thresholds that no image reaches. The y
        axis starts at the lowest value between the thresholds 0.05 and 0.95. Near the thresholds 0 and 1, lines may
        leave the panel, because the accuracy of every classifier falls there. Of more than 20 classes, the first 20 are
        shown.

    Raises
    ------
    LineupError
        If the number of curves differs from the number of class names.
    """
    if len(curves.accuracy) != len(classes):
        raise LineupError(f"cutoff curves: expected {len(classes)} classes, found {len(curves.accuracy)} curves")
    measures = (
        (*curves.accuracy[:MOST], curves.macro_accuracy),
        (*curves.precision[:MOST], curves.macro_precision),
        (*curves.recall[:MOST], curves.macro_recall),
    )
    headings = [*(shortened(name, LONGEST) for name in classes[:MOST]), "mean of the classes"]
    columns = min(6, len(headings))
    width, height = max(1.9 * columns, 5.0), height_of(len(headings), columns) + _BELOW
    figure = style.new_figure(width, height, title=title, subtitle=subtitle)
    bottom = min(bottom_of(curves.thresholds, np.stack(lines)) for lines in measures)
    y = Scale("", bottom, 1.01, ticks_between(bottom, 1.01))
    grid = PanelGrid(figure, len(headings), columns=columns, bottom=_BELOW, x=THRESHOLD, y=y)
    for number, heading in enumerate(headings):
        weight = "bold" if number == len(headings) - 1 else "normal"
        grid.heading(number, heading, size=style.LABEL_SIZE, weight=weight)
        drawn = [
            grid.curve(number, curves.thresholds, lines[number], colour, dashes)
            for lines, (_, colour, dashes) in zip(measures, style.MEASURES, strict=True)
        ]
    # All panels have the same lines, so one legend is enough.
    names = [name for name, _, _ in style.MEASURES]
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    figure.legend(drawn, names, loc="lower center", ncols=3, frameon=False, prop=font, title=note_of(classes) or None)
    return figure


def bottom_of(thresholds: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the lower limit of the y axis.

    The lower limit is a little lower than the lowest value of the curves. Only thresholds from 0.05 to 0.95 are
    considered.
    """
    inner = values[:, (thresholds >= 0.05) & (thresholds <= 0.95)]
    if np.isnan(inner).all():
        return 0.0
    lowest = float(np.nanmin(inner))
    return lowest - 0.05 * (1 - lowest) - 0.01
