"""Plot the loss, accuracy and learning rate of each epoch.

Examples
--------
>>> columns = ["phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
>>> history = pd.DataFrame([["classifier", 1, 0.9, 0.6, 0.8, 0.7, 0.001]], columns=columns)
>>> [axes.get_title() for axes in training_curves(history, title="cnn").axes]
['loss', 'accuracy']
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lineup.errors import LineupError
from lineup.figures import style
from lineup.figures.frame import draw_frame

_COLUMNS = ("phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
_FEW = 30
"""Largest number of epochs for which each epoch is marked with a point."""

_BESIDE, _BELOW = 0.65, 0.75
"""Space between two panels, in inches, for the labels of the second one or of the upper one."""


def training_curves(history: pd.DataFrame, *, title: str, subtitle: str = "") -> Figure:
    """Plot the training and validation curves of a model.

    Parameters
    ----------
    history : DataFrame
        The content of ``history.csv`` in a record, with a row per epoch and the columns ``phase``, ``epoch`` (from 1 in
        each phase), ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy`` and ``learning_rate``. Other columns are
        ignored. Metrics that a phase does not have are NaN, for example the accuracy of an autoencoder.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with a panel for the loss of each phase, and a panel for the accuracy if the phase has one. The epoch
        with the lowest validation loss or the highest validation accuracy is marked; ties go to the first epoch. A
        small panel below shows the learning rate if it changes.

    Raises
    ------
    LineupError
        If there are no rows, or if a column is missing.
    """
    missing = [column for column in _COLUMNS if column not in history.columns]
    if missing:
        raise LineupError(f"training curves: the history has no column {', '.join(missing)}")
    if history.empty:
        raise LineupError("training curves: the history has no rows")
    phases = [(str(name), rows) for name, rows in history.groupby("phase", sort=False)]
    panels = [(name, rows, what) for name, rows in phases for what in _measures(rows)]
    rates = [name for name, rows in phases if rows["learning_rate"].nunique() > 1]
    width, height = max(4.4 * len(panels), 6.0), 4.2 if rates else 3.1
    margins = style.Margins(left=0.75 if rates else 0.55, right=0.1, bottom=0.5, top=0.3)
    figure = style.new_figure(width, height, title=title, subtitle=subtitle, margins=margins)
    shape = (2, len(panels)) if rates else (1, len(panels))
    wspace = style.spacing(width - margins.left - margins.right, len(panels), _BESIDE)
    hspace = style.spacing(height - margins.bottom - margins.top, 2, _BELOW)
    ratios = [3.2, 1.0] if rates else None
    grid = figure.add_gridspec(*shape, height_ratios=ratios, wspace=wspace, hspace=hspace)
    for column, (name, rows, what) in enumerate(panels):
        _draw_measure(figure.add_subplot(grid[0, column]), rows, what, name if len(phases) > 1 else "")
    for phase, rows in phases:
        if phase in rates:
            columns = [column for column, panel in enumerate(panels) if panel[0] == phase]
            _draw_rate(figure.add_subplot(grid[1, columns[0] : columns[-1] + 1]), rows)
    return figure


def _measures(rows: pd.DataFrame) -> list[str]:
    """Return the names of the metrics that are plotted for a training phase."""
    return ["loss", "accuracy"] if rows["accuracy"].notna().any() else ["reconstruction loss"]


def _draw_measure(axes: Axes, rows: pd.DataFrame, what: str, phase: str) -> None:
    """Plot one metric for the training images and the validation images."""
    column = what.removeprefix("reconstruction ")
    validation = rows[f"val_{column}"]
    marker = "o" if len(rows) <= _FEW else ""
    axes.plot(rows["epoch"], rows[column], color=style.BLUE, marker=marker, markersize=3, label="training")
    if validation.notna().any():
        axes.plot(rows["epoch"], validation, color=style.VERMILLION, marker=marker, markersize=3, label="validation")
        best = int(validation.argmin() if column == "loss" else validation.argmax())
        epoch, value = int(rows["epoch"].iloc[best]), float(validation.iloc[best])
        axes.axvline(epoch, color=style.FAINT, linewidth=1, linestyle="--", zorder=0)
        label = f"best: {value:.4f}, epoch {epoch}"
        axes.plot([epoch], [value], "o", color=style.VERMILLION, markersize=8, mfc="none", label=label)
    axes.set_title(f"{phase}: {what}" if phase else what, y=1)  # by default, each draw computes the height
    _finish(axes, rows)
    axes.legend(frameon=False, prop={"family": style.FONT, "size": style.TICK_SIZE})


def _draw_rate(axes: Axes, rows: pd.DataFrame) -> None:
    """Plot the learning rate as a step function, because the rate is constant within an epoch."""
    rates = rows["learning_rate"]
    axes.step(rows["epoch"], rates, where="mid", color=style.MUTED)
    axes.set_yscale("log" if rates.min() > 0 else "linear")
    axes.minorticks_off()
    axes.set_yticks([rates.min(), rates.max()], [f"{rates.min():.3g}", f"{rates.max():.3g}"])
    axes.set_title("learning rate", y=1)
    _finish(axes, rows)


def _finish(axes: Axes, rows: pd.DataFrame) -> None:
    """Format the epoch axis, and apply the common style."""
    axes.set_xlim(rows["epoch"].min() - 0.5, rows["epoch"].max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.title.set(size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
    draw_frame(axes, xlabel="epoch", grid="y")
