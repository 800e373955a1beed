"""Plot the test accuracy and the training speed of each model for several groups, such as two machines.

Examples
--------
>>> row = {"model": "cnn", "test_accuracy": 0.91, "low": 0.90, "high": 0.92}
>>> table = pd.DataFrame([row | {"group": "CPU", "speed": 5e3}, row | {"group": "GPU", "speed": 1e4}])
>>> figure = group_panels(table, title="By device")
>>> [axes.get_xlabel() for axes in figure.axes]
['test accuracy with 95 % interval', 'training images per second']
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineup.errors import LineupError
from lineup.figures import style

MOST = 6
"""Largest number of groups in a figure."""

_MARKERS = "osD^vP"
_COLUMNS = ("model", "group", "test_accuracy", "low", "high", "speed")


def group_panels(table: pd.DataFrame, *, title: str, subtitle: str = "") -> Figure:
    """Plot the accuracy and the speed of each model, with one marker per group.

    Parameters
    ----------
    table : DataFrame
        A row per model and group, with the columns ``model``, ``group``, ``test_accuracy`` with the bounds ``low`` and
        ``high`` from 0 to 1, and ``speed`` in training images per second (NaN if unknown). Models and groups are drawn
        in the order of the rows.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Raises
    ------
    LineupError
        If a column is missing, if there are no rows, or if there are more than 6 groups.
    """
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing or table.empty:
        raise LineupError(f"groups: expected a table with rows and the columns {', '.join(_COLUMNS)}")
    models, groups = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["group"]))
    if len(groups) > MOST:
        raise LineupError(f"groups: expected at most {MOST} groups, found {len(groups)}")
    height = 1.1 + 0.25 * len(groups) + max(0.3, 0.14 * len(groups)) * len(models)
    figure = style.new_figure(9.0, height, title=title, subtitle=subtitle)
    accuracy, speed = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    styled = zip(groups, style.line_styles(len(groups)), _MARKERS, strict=False)
    for number, (group, (colour, _), marker) in enumerate(styled):
        rows = table[table["group"] == group]
        # The markers of a model are drawn below each other, so that none hides another one.
        places = [models.index(model) + 0.7 * ((number + 0.5) / len(groups) - 0.5) for model in rows["model"]]
        accuracy.hlines(places, rows["low"], rows["high"], color=colour, linewidth=1.6, alpha=0.4)
        accuracy.plot(rows["test_accuracy"], places, marker, color=colour, markersize=5, label=group)
        speed.plot(rows["speed"], places, marker, color=colour, markersize=5)
    accuracy.set_yticks(range(len(models)), models)
    accuracy.set_ylim(len(models) - 0.4, -0.6)
    accuracy.set_xlabel("test accuracy with 95 % interval")
    _scale_speed(speed, table["speed"])
    for axes in (accuracy, speed):
        style.apply_style(axes, grid="both")
    figure.legend(loc="outside lower left", frameon=False, prop={"family": style.FONT, "size": style.TICK_SIZE})
    return figure


def _scale_speed(axes: Axes, speeds: pd.Series[float]) -> None:
    """Make the speed axis logarithmic. The axis begins and ends at a power of ten."""
    axes.set_xlabel("training images per second")
    known = speeds[speeds > 0]
    axes.set_xscale("log")
    if not known.empty:
        axes.set_xlim(10 ** _floor_of_log(known.min()), 10 ** (_floor_of_log(known.max()) + 1))


def _floor_of_log(value: float) -> int:
    """Return the exponent of the largest power of ten that is not greater than a positive number.

    >>> _floor_of_log(4_700.0)
    3
    """
    return math.floor(math.log10(value))
