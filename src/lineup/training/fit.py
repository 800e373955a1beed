"""Train one Keras network, epoch by epoch. Importing this module does not import Keras.

Examples
--------
>>> row = Epoch("classifier", 1, 0.7, 0.5, 0.6, 0.6, learning_rate=0.001, seconds=2.5, timestamp=now())
>>> phase_seconds([row, row])
{'classifier': 5.0}
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineup.records.history import Epoch, best_epoch, has_stopped
from lineup.records.runtime import now
from lineup.training.backup import Backup, FitState
from lineup.training.fitted import TrainingData
from lineup.training.loop import Loop
from lineup.training.losses import CLASSIFICATION, Objective

if TYPE_CHECKING:
    import keras
    import numpy as np

    from lineup.models.settings import Fit
    from lineup.training.fitted import OnEpoch


@dataclass(frozen=True)
class FitResult:
    """Result of a fit.

    Parameters
    ----------
    history : list of Epoch
        The epochs, fewer than ``fit.epochs`` after early stopping.
    snapshots : list of list of ndarray
        The weights of the network at the end of each cycle of the learning rate. Empty without ``fit.snapshots``.
    """

    history: list[Epoch]
    snapshots: list[list[np.ndarray]]


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
    class_weights: np.ndarray | None = None,
) -> FitResult:
    """Train a network and call ``on_epoch`` after every epoch.

    Parameters
    ----------
    network : keras.Model
        Its weights are changed in place.
    data : TrainingData
        The validation part is evaluated after each epoch. It affects the training only with ``fit.patience``.
    fit : Fit
        Settings such as epochs, batch size and learning rate.
    random : numpy.random.Generator
        Random generator for the order of the images and for augmentation.
    phase : str
        Name of the phase in each row of the history.
    on_epoch : callable
        Called with an `Epoch` at the end of each epoch.
    backup : Backup
        Saves the state of this phase, and restores it after an interruption.
    objective : Objective
        The loss. Default: the cross-entropy of classes.
    class_weights : ndarray of float32, shape (classes,), optional
        Weight of the images of each class, see `lineup.training.fitted.class_weights`. Default: the same weight.

    Returns
    -------
    FitResult

    Notes
    -----
    With ``fit.patience`` the network gets the weights of the epoch with the lowest validation loss; NaN counts as the
    highest loss (`lineup.records.history.best_epoch`). With ``fit.average_epochs`` it gets the mean of the weights
    after the last epochs (Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018).
    With ``fit.ema`` it gets the moving average of its weights.
    """
    loop = Loop(network, data.images, data.labels, fit, objective, class_weights)
    state = FitState([], random, loop.variables())
    backup.restore(phase, state)
    for row in state.history:
        on_epoch(row)
    while len(state.history) < fit.epochs and not has_stopped(state.history, fit.patience):
        started = time.perf_counter()
        loss, accuracy = loop.run_epoch(random)
        with loop.averaged():
            val_loss, val_accuracy = loop.evaluate(data.val_images, data.val_labels)
            row = Epoch(
                phase=phase,
                epoch=len(state.history) + 1,
                loss=loss,
                accuracy=accuracy,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                learning_rate=loop.learning_rate(),
                seconds=time.perf_counter() - started,
                timestamp=now(),
            )
            state.history.append(row)
            _keep(state, network, fit)
        backup.save(phase, state)
        on_epoch(row)
    if fit.snapshots is not None:
        size = len(network.get_weights())
        return FitResult(state.history, [state.kept[start : start + size] for start in range(0, len(state.kept), size)])
    if state.kept:
        network.set_weights(state.kept)
    return FitResult(state.history, [])


def _keep(state: FitState, network: keras.Model, fit: Fit) -> None:
    """Update the weights that are used at the end of training.

    The settings decide which weights are used: the weights of the best epoch, the averaged weights or the weights of
    all snapshots.
    """
    epoch = len(state.history)
    if fit.snapshots is not None:
        if epoch % (fit.epochs // fit.snapshots) == 0:
            state.kept += network.get_weights()
        return
    is_best = best_epoch(state.history) == epoch
    if is_best if fit.patience is not None else fit.ema is not None:
        state.kept = network.get_weights()
    averaged = epoch - (fit.epochs - fit.average_epochs)
    if averaged > 0:
        weights = network.get_weights()
        former = state.kept or weights
        state.kept = [mean + (new - mean) / averaged for mean, new in zip(former, weights, strict=True)]


def libraries() -> dict[str, str]:
    """Return the names and versions of the libraries that the networks use."""
    import keras
    import tensorflow as tf

    return {"keras": keras.__version__, "tensorflow": tf.__version__}


def phase_seconds(history: list[Epoch]) -> dict[str, float]:
    """Return the wall time of each phase in seconds, including validation."""
    seconds: dict[str, float] = {}
    for row in history:
        seconds[row.phase] = seconds.get(row.phase, 0.0) + row.seconds
    return seconds
