"""Plot the ROC and precision-recall curves of each class.

Examples
--------
>>> from lineup.evaluation.curves import precision_recall, roc
>>> scores = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1])
>>> figure = roc_panels(roc(*scores), precision_recall(*scores), ["cat", "dog"], title="cnn")
>>> above, below = figure.axes
>>> [text.get_text() for text in above.texts if "AUC" in text.get_text()]
['cat: AUC 1.0000', 'dog: AUC 1.0000']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lineup.errors import LineupError, shortened
from lineup.evaluation.curves import ClassCurve, ClassCurves
from lineup.figures import style
from lineup.figures.panels import LONGEST, MOST, SHARES, PanelGrid, Scale, height_of, note_of

_X_AXIS = 0.5
"""Height of the labels of an x axis, in inches."""
_NOTE = 0.45
"""Height of the text at the bottom, in inches."""

FALSE_POSITIVES = Scale("false positive rate", 0, 1, {0.0: "0", 0.1: "0.1", 0.4: "0.4", 1.0: "1"}, root=True)
TRUE_POSITIVES = Scale("true positive rate", 0, 1.02, SHARES)
CHANCE = np.linspace(0, 1, 101)
"""Rates of a classifier that guesses. On the square-root scale, its curve is not a straight line."""
_RECALL = Scale("recall", 0, 1, SHARES)
_PRECISION = Scale("precision", 0, 1.02, SHARES)


def roc_panels(
    roc: ClassCurves, precision_recall: ClassCurves, classes: Sequence[str], *, title: str, subtitle: str = ""
) -> Figure:
    """Plot the one-vs-rest ROC and precision-recall curves of each class.

    Parameters
    ----------
    roc : ClassCurves
        See :func:`lineup.evaluation.curves.roc`.
    precision_recall : ClassCurves
        See :func:`lineup.evaluation.curves.precision_recall`.
    classes : sequence of str, length k
        Class names, in the order of the curves.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with two panels per class: the ROC curve with the area under it (AUC), and below all ROC curves the
        precision-recall curve with the average precision (AP). The false positive rate has a square-root scale, because
        good classifiers differ mainly at small rates. The panel of a class without test images has no line. Of more
        than 20 classes, the first 20 are shown.

    Raises
    ------
    LineupError
        If the number of curves differs from the number of class names.
    """
    for curves in (roc, precision_recall):
        if len(curves.curves) != len(classes):
            raise LineupError(f"ROC: expected {len(classes)} classes, found {len(curves.curves)} curves")
    shown = [shortened(name, LONGEST) for name in classes[:MOST]]
    columns, high = min(5, len(shown)), height_of(len(shown), 5)
    width, height = max(2.1 * columns, 5.0), 2 * high + _NOTE + 2 * _X_AXIS
    figure = style.new_figure(width, height, title=title, subtitle=subtitle)
    above = PanelGrid(
        figure, len(shown), columns=columns, bottom=_NOTE + 2 * _X_AXIS + high, x=FALSE_POSITIVES, y=TRUE_POSITIVES
    )
    below = PanelGrid(figure, len(shown), columns=columns, bottom=_NOTE + _X_AXIS, x=_RECALL, y=_PRECISION)
    for number, name in enumerate(shown):
        _draw(above, number, roc.curves[number], f"{name}: AUC", style.BLUE)
        above.curve(number, CHANCE, CHANCE, style.FAINT, "--", width=1)
        _draw(below, number, precision_recall.curves[number], f"{name}: AP", style.VERMILLION)
    means = f"mean AUC {roc.macro:.4f}, mean average precision (AP) {precision_recall.macro:.4f}"
    notes = "; ".join(filter(None, ("false positive rate on a square-root scale", note_of(classes))))
    figure.supxlabel(f"{means}\n{notes}", size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
    return figure


def _draw(grid: PanelGrid, number: int, curve: ClassCurve, heading: str, colour: str) -> None:
    """Plot the curve of one class, with the area under the curve in the heading."""
    defined = curve.x.size > 0
    if defined:
        grid.curve(number, curve.x, curve.y, colour)
    else:
        grid.text(number, 0.5, 0.5, "no test images", ha="center", va="center", color=style.MUTED, size=8)
    grid.heading(number, f"{heading} {curve.area:.4f}" if defined else heading)
