"""Fit one Keras network, epoch by epoch. Keras is imported when a function is called, not before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lineup.records.record import Epoch, best_epoch, has_stopped, now
from lineup.training.backup import Backup, Progress
from lineup.training.fitted import TrainingData
from lineup.training.loop import CLASSIFICATION, Loop, Objective

if TYPE_CHECKING:
    import keras
    import numpy as np

    from lineup.models.settings import Fit
    from lineup.training.fitted import OnEpoch


def fit_network(
    network: keras.Model,
    data: TrainingData,
    fit: Fit,
    random: np.random.Generator,
    *,
    phase: str,
    on_epoch: OnEpoch,
    backup: Backup,
    objective: Objective = CLASSIFICATION,
) -> list[Epoch]:
    """Fit a network with Adam and tell of every epoch.

    Parameters
    ----------
    network : keras.Model
        Its weights are changed in place.
    data : TrainingData
        The validation part is evaluated after each epoch. It changes nothing but with ``fit.patience``.
    fit : Fit
        Epochs, batch size, learning rate and the rest.
    random : numpy.random.Generator
        Orders (and augments) the images anew in each epoch.
    phase : str
        Written into each row.
    on_epoch : callable
        Called with each `Epoch` as it ends.
    backup : Backup
        Where an interrupted fit of this phase goes on, and is saved on its way.
    objective : Objective
        What is minimised. Default: the cross-entropy of classes.

    Returns
    -------
    list of Epoch
        Fewer than ``fit.epochs`` if it stopped early.

    Notes
    -----
    With ``fit.patience`` the network gets the weights of the epoch with the lowest validation loss, NaN being the
    highest of all (`lineup.records.record.best_epoch`); with
    ``fit.average_epochs`` the mean of the weights at the end of the last epochs (Izmailov et al., "Averaging weights
    leads to wider optima and better generalization", 2018).
    """
    loop = Loop(network, data.images, data.labels, fit, objective)
    progress = Progress([], random, loop.variables())
    backup.restore(phase, progress)
    for row in progress.history:
        on_epoch(row)
    while len(progress.history) < fit.epochs and not has_stopped(progress.history, fit.patience):
        started = time.perf_counter()
        loss, accuracy = loop.run_epoch(random)
        val_loss, val_accuracy = loop.evaluate(data.val_images, data.val_labels)
        row = Epoch(
            phase=phase,
            epoch=len(progress.history) + 1,
            loss=loss,
            accuracy=accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=loop.learning_rate(),
            seconds=time.perf_counter() - started,
            timestamp=now(),
        )
        progress.history.append(row)
        _keep(progress, network, fit)
        backup.save(phase, progress)
        on_epoch(row)
    if progress.kept:
        network.set_weights(progress.kept)
    return progress.history


def _keep(progress: Progress, network: keras.Model, fit: Fit) -> None:
    """Keep the weights that the network gets in the end, if they are not those of the last epoch."""
    epoch = len(progress.history)
    if fit.patience is not None and best_epoch(progress.history) == epoch:
        progress.kept = network.get_weights()
    averaged = epoch - (fit.epochs - fit.average_epochs)
    if averaged > 0:
        weights = network.get_weights()
        former = progress.kept or weights
        progress.kept = [mean + (new - mean) / averaged for mean, new in zip(former, weights, strict=True)]


def libraries() -> dict[str, str]:
    """Return the versions of what computes a network: the ``libraries`` of every family of networks."""
    import keras
    import tensorflow as tf

    return {"keras": keras.__version__, "tensorflow": tf.__version__}


def phase_seconds(history: list[Epoch]) -> dict[str, float]:
    """Return the wall time of each phase: of its epochs, each with its validation."""
    seconds: dict[str, float] = {}
    for row in history:
        seconds[row.phase] = seconds.get(row.phase, 0.0) + row.seconds
    return seconds
