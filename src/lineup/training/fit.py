"""Fit one Keras network, epoch by epoch. Keras is imported when a function is called, not before."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lineup.tracking.record import Epoch, now

if TYPE_CHECKING:
    import keras

    from lineup.config import Fit, Recipe
    from lineup.models.registry import Architecture

PREDICT_BATCH = 1000
STEPS_PER_EXECUTION = 50
"""Batches that run without returning to Python, which takes longer than the arithmetic of a small batch."""


OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True)
class TrainingData:
    """Inputs and targets of one fit.

    Parameters
    ----------
    images, val_images : ndarray of shape (n, ...)
        Network inputs: raw uint8 images, or codes of an encoder.
    labels, val_labels : ndarray of shape (n,) or, for reconstruction, (n, 28, 28, 1)
        Class numbers, or the image to reconstruct.
    """

    images: np.ndarray
    labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """What a family's ``fit_model`` returns.

    Parameters
    ----------
    network : keras.Model
        Raw uint8 images (n, 28, 28) to class probabilities (n, k).
    history : list of Epoch
        All phases, in order.
    phase_seconds : dict of str to float
        Wall time of each phase.
    arrays : dict of str to ndarray
        What figures need beside the record, such as reconstructions. Default none.
    """

    network: keras.Model
    history: list[Epoch]
    phase_seconds: dict[str, float]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def fit_classifier(entry: Architecture, recipe: Recipe, data: TrainingData, on_epoch: OnEpoch) -> Fitted:
    """Build an architecture of one stack of layers and fit it: the ``fit_model`` of the families without phases."""
    from lineup.models.registry import classifier, image_shape

    network = classifier(entry.name, recipe.scaling, entry.build(**recipe.options), image_shape(entry.family))
    started = time.perf_counter()
    history = fit_network(network, data, recipe, phase="classifier", on_epoch=on_epoch)
    return Fitted(network, history, {"classifier": time.perf_counter() - started})


def fit_network(
    network: keras.Model,
    data: TrainingData,
    fit: Fit,
    *,
    phase: str,
    on_epoch: OnEpoch,
    loss: str = "sparse_categorical_crossentropy",
    metrics: Sequence[str] = ("accuracy",),
) -> list[Epoch]:
    """Fit a network with Adam and tell of every epoch.

    Parameters
    ----------
    network : keras.Model
        Not compiled yet.
    data : TrainingData
        The validation part is evaluated after each epoch and changes nothing.
    fit : Fit
        Epochs, batch size, learning rate.
    phase : str
        Written into each row.
    on_epoch : callable
        Called with each `Epoch` as it ends.
    loss, metrics : str, sequence of str
        As Keras names them.

    Returns
    -------
    list of Epoch
    """
    import keras

    steps = math.ceil(len(data.images) / fit.batch_size)
    network.compile(
        optimizer=keras.optimizers.Adam(fit.learning_rate),
        loss=loss,
        metrics=list(metrics),
        steps_per_execution=min(STEPS_PER_EXECUTION, steps),
    )
    history: list[Epoch] = []
    started = time.perf_counter()

    def end_of_epoch(epoch: int, logs: dict[str, float]) -> None:
        nonlocal started
        clock = time.perf_counter()
        row = Epoch(
            phase=phase,
            epoch=epoch + 1,
            loss=float(logs["loss"]),
            accuracy=float(logs.get("accuracy", math.nan)),
            val_loss=float(logs["val_loss"]),
            val_accuracy=float(logs.get("val_accuracy", math.nan)),
            learning_rate=float(network.optimizer.learning_rate),
            seconds=clock - started,
            timestamp=now(),
        )
        started = clock
        history.append(row)
        on_epoch(row)

    network.fit(
        data.images,
        data.labels,
        batch_size=fit.batch_size,
        epochs=fit.epochs,
        validation_data=(data.val_images, data.val_labels),
        validation_batch_size=PREDICT_BATCH,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end_of_epoch)],
        verbose=0,
    )
    return history


def predict_network(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return a network's outputs for many inputs, as float32."""
    outputs = network.predict(images, batch_size=PREDICT_BATCH, verbose=0)
    return np.asarray(outputs, dtype=np.float32)


def weights_sha256(network: keras.Model) -> str:
    """Return a hash of all weights: the identity of a trained network, since ``.keras`` files hold their date."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(str((weight.dtype, weight.shape)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
