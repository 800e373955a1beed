"""Plot the test accuracy of all models.

Examples
--------
>>> row = {"name": "cnn", "kind": "network", "test_accuracy": 0.91, "test_accuracy_sd": 0.01, "low": 0.9, "high": 0.92}
>>> table = pd.DataFrame([row | {"published": 0.9156, "published_to": float("nan")}])
>>> [label.get_text() for label in leaderboard(table).axes[0].get_yticklabels()]
['cnn']
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineup.errors import LineupError
from lineup.figures import style

_LOOKS = {
    "network": (style.BLUE, "o"),
    "classical": (style.GREEN, "s"),
    "committee": (style.VERMILLION, "D"),
}
_COLUMNS = ("name", "kind", "test_accuracy", "test_accuracy_sd", "low", "high", "published", "published_to")


def leaderboard(table: pd.DataFrame, *, title: str = "Test accuracy", subtitle: str = "") -> Figure:
    """Plot the test accuracy of each model with a 95 % confidence interval.

    The models are sorted by accuracy, with the best model at the top.

    Parameters
    ----------
    table : DataFrame
        A row per model, in any order, with the columns ``name``, ``kind`` (network, classical or committee),
        ``test_accuracy``, its bounds ``low`` and ``high``, its standard deviation over seeds ``test_accuracy_sd`` (NaN
        for one seed), ``published`` (NaN if no accuracy is published) and ``published_to`` (NaN unless a range is
        published). Accuracies are between 0 and 1. Other columns are ignored.
        :func:`lineup.pages.leaderboard.leaderboard_frame` returns such a table.
    title : str, optional
        First line. Default: "Test accuracy".
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Raises
    ------
    LineupError
        If there are no rows, if a column is missing, or if a kind is unknown.
    """
    _check(table)
    ranked = table.sort_values(["test_accuracy", "name"], ascending=[False, True], ignore_index=True)
    figure = style.new_figure(8.0, 1.1 + 0.27 * len(ranked), title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    for kind, (colour, marker) in _LOOKS.items():
        rows = ranked[ranked["kind"] == kind]
        if rows.empty:
            continue
        accuracy, spread = rows["test_accuracy"], rows["test_accuracy_sd"].fillna(0)
        axes.hlines(rows.index, rows["low"], rows["high"], color=colour, linewidth=1.6, alpha=0.4)
        axes.hlines(rows.index, accuracy - spread, accuracy + spread, color=colour, linewidth=4, alpha=0.4)
        axes.plot(accuracy, rows.index, marker, color=colour, markersize=5.5, label=kind)
    _draw_published(axes, ranked[ranked["published"].notna()])
    axes.set_yticks(range(len(ranked)), ranked["name"])
    axes.set_ylim(len(ranked) - 0.4, -0.6)
    axes.set_xlabel(
        "test accuracy: 95 % interval from the images (thin, Wilson), ± standard deviation over seeds (thick)"
    )
    style.apply_style(axes, grid="both")
    _write_values(axes, ranked["test_accuracy"])
    figure.legend(loc="outside lower center", ncols=4, frameon=False, prop={"family": style.FONT, "size": 8.5})
    return figure


def _draw_published(axes: Axes, known: pd.DataFrame) -> None:
    """Plot each published accuracy as a circle, and each published range as a line."""
    if known.empty:
        return
    ends = known["published_to"].fillna(known["published"])
    axes.hlines(known.index, known["published"], ends, color=style.INK, linewidth=0.8)
    for values, label in ((known["published"], "published"), (ends, "_ends")):
        axes.plot(values, known.index, "o", label=label, markersize=7, mfc="none", mec=style.INK)


def _check(table: pd.DataFrame) -> None:
    """Raise an error if a table cannot be plotted."""
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise LineupError(f"leaderboard: the table has no column {', '.join(missing)}")
    if table.empty:
        raise LineupError("leaderboard: the table has no rows")
    unknown = sorted(set(table["kind"]) - set(_LOOKS))
    if unknown:
        raise LineupError(f"leaderboard: unknown kind {', '.join(unknown)}; expected {', '.join(_LOOKS)}")


def _write_values(axes: Axes, accuracies: pd.Series[float]) -> None:
    """Write the accuracies to the right of the plot, with four decimals."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(accuracies)), [f"{accuracy:.4f}" for accuracy in accuracies])
    right.tick_params(length=0, labelsize=style.TICK_SIZE, labelcolor=style.INK, labelfontfamily=style.FONT)
    right.spines[:].set_visible(False)
