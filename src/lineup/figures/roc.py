"""Plot the ROC and precision-recall curves of each class.

Examples
--------
>>> from lineup.evaluation.curves import precision_recall, roc
>>> scores = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1])
>>> figure = roc_panels(roc(*scores), precision_recall(*scores), ["cat", "dog"], title="cnn")
>>> [axes.get_title() for axes in figure.axes]
['cat: AUC 1.0000', 'dog: AUC 1.0000', 'cat: AP 1.0000', 'dog: AP 1.0000']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineup.errors import LineupError, shortened
from lineup.evaluation.curves import ClassCurve, ClassCurves
from lineup.figures import style
from lineup.figures.panels import LONGEST, MOST, height_of, note_of, panels

_X_AXIS = 0.5
"""Height of the labels of an x axis, in inches."""
_NOTE = 0.45
"""Height of the text at the bottom, in inches."""


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
    above = panels(figure, len(shown), columns=columns, bottom=_NOTE + 2 * _X_AXIS + high)
    below = panels(figure, len(shown), columns=columns, bottom=_NOTE + _X_AXIS)
    chance = np.linspace(0, 1, 101)  # not a straight line on the square-root scale
    for name, axes, curve in zip(shown, above, roc.curves, strict=False):
        _draw(axes, curve, f"{name}: AUC", style.BLUE)
        axes.plot(chance, chance, color=style.FAINT, linewidth=1, linestyle="--")
    for name, axes, curve in zip(shown, below, precision_recall.curves, strict=False):
        _draw(axes, curve, f"{name}: AP", style.VERMILLION)
    # All panels of a grid share their scales, so that one panel is set for all.
    style.root_scale(above[0])
    below[0].set_xticks([0, 0.5, 1])
    _name_axes(above, columns, "false positive rate", "true positive rate")
    _name_axes(below, columns, "recall", "precision")
    means = f"mean AUC {roc.macro:.4f}, mean average precision (AP) {precision_recall.macro:.4f}"
    notes = "; ".join(filter(None, ("false positive rate on a square-root scale", note_of(classes))))
    figure.supxlabel(f"{means}\n{notes}", size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
    return figure


def _draw(axes: Axes, curve: ClassCurve, heading: str, colour: str) -> None:
    """Plot the curve of one class, with the area under the curve in the heading."""
    defined = curve.x.size > 0
    if defined:
        axes.plot(curve.x, curve.y, color=colour, linewidth=1.6)
    else:
        axes.text(0.5, 0.5, "no test images", transform=axes.transAxes, ha="center", color=style.MUTED, size=8)
    axes.set_title(f"{heading} {curve.area:.4f}" if defined else heading)


def _name_axes(grid: Sequence[Axes], columns: int, x: str, y: str) -> None:
    """Label the axes on the left and at the bottom of a grid of plots, and apply the common style."""
    grid[0].set(xlim=(0, 1), ylim=(0, 1.02), yticks=[0, 0.5, 1])
    for number, axes in enumerate(grid):
        if number % columns == 0:
            axes.set_ylabel(y)
        if number >= len(grid) - columns:
            axes.set_xlabel(x)
        style.tidy(axes, grid="both")
        axes.title.set_fontsize(style.TICK_SIZE)
