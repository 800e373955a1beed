"""Plot the trials of a study and the importance of the settings.

Examples
--------
>>> [axes.get_ylabel() for axes in trial_figure([0.8, 0.9], [True, True], metric="accuracy", title="cnn").axes]
['validation accuracy']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lineup.figures import style


def trial_figure(
    values: Sequence[float], complete: Sequence[bool], *, metric: str, title: str, subtitle: str = ""
) -> Figure:
    """Plot the validation metric of each trial, and the best value so far.

    Parameters
    ----------
    values : sequence of float
        Value of each trial in the order of the trials. A pruned trial has the value of its last epoch.
    complete : sequence of bool
        Whether each trial is complete. The other trials were pruned.
    metric : {"accuracy", "loss"}
    title, subtitle : str
        First and second line. Default subtitle: none.
    """
    figure = style.new_figure(7.0, 3.6, title=title, subtitle=subtitle)
    axes = figure.subplots()
    numbers, scores, kept = np.arange(1, len(values) + 1), np.array(values, float), np.array(complete, bool)
    axes.plot(numbers[kept], scores[kept], "o", color=style.BLUE, label="complete")
    axes.plot(numbers[~kept], scores[~kept], "x", color=style.MUTED, label="pruned")
    best = np.where(kept, scores, -np.inf if metric == "accuracy" else np.inf)
    best = np.maximum.accumulate(best) if metric == "accuracy" else np.minimum.accumulate(best)
    known = np.isfinite(best)
    axes.step(numbers[known], best[known], where="post", color=style.VERMILLION, label="best so far")
    axes.set(xlabel="trial", ylabel=f"validation {metric}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    style.apply_style(axes, grid="both")
    return figure


def importance_figure(importances: Mapping[str, float], *, title: str, subtitle: str = "") -> Figure:
    """Plot the importance of each setting as a bar.

    Parameters
    ----------
    importances : mapping of str to float
        Share of the variation between the trials that a setting explains. The sum is 1.
    title, subtitle : str
        First and second line. Default subtitle: none.
    """
    names = sorted(importances, key=lambda name: importances[name])
    figure = style.new_figure(6.0, 1.4 + 0.3 * len(names), title=title, subtitle=subtitle)
    axes = figure.subplots()
    axes.barh(names, [importances[name] for name in names], color=style.BLUE)
    axes.set(xlabel="share of the variation between trials", xlim=(0, 1))
    style.apply_style(axes)
    return figure
