"""Plot the ROC and precision-recall curves of each class.

Examples
--------
>>> from lineup.evaluation.curves import precision_recall, roc
>>> scores = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1])
>>> figure = roc_panels(roc(*scores), precision_recall(*scores), ["cat", "dog"], title="cnn")
>>> [axes.get_title() for axes in figure.axes]
['ROC', 'precision-recall']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.curves import ClassCurves
from lineup.figures import style


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
        Figure with two panels, a line per class, and the area under each line in the legend. The false positive rate
        has a square-root scale, because good classifiers differ mainly at small rates. A class without test images has
        no line.

    Raises
    ------
    LineupError
        If the number of curves differs from the number of class names.
    """
    for curves in (roc, precision_recall):
        if len(curves.curves) != len(classes):
            raise LineupError(f"ROC: expected {len(classes)} classes, found {len(curves.curves)} curves")
    figure = style.new_figure(10.0, 4.4, title=title, subtitle=subtitle)
    left, right = figure.subplots(1, 2)
    left.set_xscale("function", functions=(_root, np.square))
    chance = np.linspace(0, 1, 101)
    left.plot(chance, chance, color=style.FAINT, linewidth=1, linestyle="--")
    _draw(left, roc, classes, "AUC")
    left.set(xlabel="false positive rate, on a square-root scale", ylabel="true positive rate", title="ROC")
    left.set_xticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1], ["0", "0.01", "0.05", "0.1", "0.25", "0.5", "1"])
    _draw(right, precision_recall, classes, "average precision")
    right.set(xlabel="recall", ylabel="precision", title="precision-recall")
    for axes in (left, right):
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        style.tidy(axes, grid="both")
    return figure


def _draw(axes: Axes, curves: ClassCurves, classes: Sequence[str], area: str) -> None:
    """Plot the curve of each class, and show the area under the curve in the legend."""
    looks = style.line_looks(len(classes))
    for name, curve, (colour, dashes) in zip(classes, curves.curves, looks, strict=True):
        if curve.x.size:
            label = f"{name}: {curve.area:.4f}"
            axes.plot(curve.x, curve.y, color=colour, linestyle=dashes, linewidth=1.3, label=label)
    legend = axes.legend(
        title=f"{area}, mean {curves.macro:.4f}",
        alignment="left",
        frameon=False,
        loc="lower right" if area == "AUC" else "lower left",
        prop={"family": style.FONT, "size": style.TICK_SIZE},
    )
    legend.get_title().set(size=style.TICK_SIZE, family=style.FONT)


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square root of positive values, and 0 for negative values."""
    # Negative values occur in the margin of an axis.
    root: NDArray[np.float64] = np.sqrt(np.maximum(values, 0))
    return root
