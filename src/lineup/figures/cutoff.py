"""Plot the accuracy, precision and recall of each class against the decision threshold.

Examples
--------
>>> from lineup.evaluation.curves import cutoff_curves
>>> curves = cutoff_curves(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1]), [0.0, 0.5, 1.0])
>>> [axes.get_title() for axes in cutoff_panels(curves, ["cat", "dog"], title="cnn").axes]
['accuracy', 'precision', 'recall']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.curves import CutoffCurves
from lineup.figures import style


def cutoff_panels(curves: CutoffCurves, classes: Sequence[str], *, title: str, subtitle: str = "") -> Figure:
    """Plot the accuracy, precision and recall of each class against the decision threshold.

    Each class is compared with all other classes together (one-vs-rest).

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
        Figure with three panels. Each panel has a line per class and a thick line for the mean. The precision is
        undefined, and not shown, at thresholds that no image reaches. The y axis starts at the lowest value between the
        thresholds 0.05 and 0.95. Near the thresholds 0 and 1, lines may leave the panel, because the accuracy of every
        classifier falls there.

    Raises
    ------
    LineupError
        If the number of curves differs from the number of class names.
    """
    if len(curves.accuracy) != len(classes):
        raise LineupError(f"cutoff curves: expected {len(classes)} classes, found {len(curves.accuracy)} curves")
    figure = style.new_figure(10.5, 4.0, title=title, subtitle=subtitle)
    panels = {
        "accuracy": (curves.accuracy, curves.macro_accuracy),
        "precision": (curves.precision, curves.macro_precision),
        "recall": (curves.recall, curves.macro_recall),
    }
    all_axes = figure.subplots(1, len(panels))
    for axes, (what, (of_classes, mean)) in zip(all_axes, panels.items(), strict=True):
        for name, values, (colour, dashes) in zip(classes, of_classes, style.line_looks(len(classes)), strict=True):
            axes.plot(curves.thresholds, values, color=colour, linestyle=dashes, linewidth=1.1, label=name)
        axes.plot(curves.thresholds, mean, color=style.INK, linewidth=2.6, label="mean of the classes")
        axes.set(xlabel="threshold", title=what)
        axes.set_xlim(0, 1)
        axes.set_ylim(_bottom(curves.thresholds, of_classes), 1.01)
        style.tidy(axes, grid="both")
    # All panels have the same lines, so one legend is enough.
    lines, names = all_axes[0].get_legend_handles_labels()
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    figure.legend(lines, names, loc="outside lower center", ncols=6, frameon=False, prop=font)
    return figure


def _bottom(thresholds: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the lower limit of the y axis.

    The limit is slightly below the lowest value between the thresholds 0.05 and 0.95.
    """
    inner = values[:, (thresholds >= 0.05) & (thresholds <= 0.95)]
    if np.isnan(inner).all():
        return 0.0
    lowest = float(np.nanmin(inner))
    return lowest - 0.05 * (1 - lowest) - 0.01
