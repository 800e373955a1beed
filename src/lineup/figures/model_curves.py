"""Plot the training and validation curves of several models.

Examples
--------
>>> columns = ["phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
>>> history = pd.DataFrame([["classifier", 1, 0.9, 0.6, 0.8, 0.7]], columns=columns)
>>> [axes.get_title() for axes in model_curves({"cnn": history}, title="Training").axes]
['loss', 'accuracy', '', '']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lineup.errors import LineupError
from lineup.figures import style

MOST = 24
"""Largest number of models, because there are 24 different lines."""

_FEW = 30
"""Largest number of epochs for which each epoch is marked with a point."""

_MEASURES = ("loss", "accuracy")


def model_curves(histories: Mapping[str, pd.DataFrame], *, title: str, subtitle: str = "") -> Figure:
    """Plot the training and validation curves of several models.

    Parameters
    ----------
    histories : mapping of str to DataFrame
        The content of ``history.csv`` by name of the model, as for `lineup.figures.curves.training_curves`. Epochs
        without an accuracy, in which an autoencoder reconstructs images, are left out. The epochs of the other phases
        are numbered from 1 without a break.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with four panels and a line per model in each. The panels of the training and of the validation images
        have the same scale. The legend shows the highest validation accuracy of each model.

    Raises
    ------
    LineupError
        If there are no models or more than 24, or if a model has no epoch with an accuracy.
    """
    if not 1 <= len(histories) <= MOST:
        raise LineupError(f"curves: expected 1 to {MOST} models, found {len(histories)}")
    epochs = {name: _epochs_with_accuracy(name, history) for name, history in histories.items()}
    figure = style.new_figure(9.6, 5.4 + 0.1 * len(epochs), title=title, subtitle=subtitle)
    panels = figure.subplots(2, 2, sharex=True, sharey="col")
    for (name, rows), line_style in zip(epochs.items(), style.line_styles(len(epochs)), strict=True):
        for column, measure in enumerate(_MEASURES):
            _draw(panels[0, column], rows[measure], line_style, "")
            _draw(panels[1, column], rows[f"val_{measure}"], line_style, _label(name, rows) if column == 0 else "")
    longest = max(len(rows) for rows in epochs.values())
    for axes in panels.flat:
        axes.set_xlim(0.5, longest + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    for axes, measure in zip(panels[0], _MEASURES, strict=True):
        axes.set_title(measure)
    for axes, images in zip(panels[:, 0], ("training images", "validation images"), strict=True):
        axes.set_ylabel(images)
    for axes in panels[1]:
        axes.set_xlabel("epoch")
    for axes in panels.flat:
        style.apply_style(axes, grid="both")
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    figure.legend(loc="outside lower center", ncols=2, frameon=False, prop=font)
    return figure


def _epochs_with_accuracy(name: str, history: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs that have an accuracy, and number these epochs from 1."""
    rows = history[history["accuracy"].notna()].reset_index(drop=True)
    if rows.empty:
        raise LineupError(f"curves: {name} has no epochs with an accuracy; expected a model that is trained in epochs")
    rows.index += 1
    return rows


def _label(name: str, rows: pd.DataFrame) -> str:
    """Return the legend label of a model."""
    best = rows["val_accuracy"].max()
    if pd.isna(best):
        return name
    return f"{name}: best validation accuracy {best:.4f}, epoch {rows['val_accuracy'].idxmax()}"


def _draw(axes: Axes, values: pd.Series[float], line_style: tuple[str, str], label: str) -> None:
    """Plot one line."""
    colour, dashes = line_style
    marker = "o" if len(values) <= _FEW else ""
    line: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.4, "marker": marker, "markersize": 3}
    axes.plot(values.index, values, label=label or None, **line)
