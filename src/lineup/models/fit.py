"""Fit one Keras network, epoch by epoch. Keras is imported when a function is called, not before."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lineup.records.record import Epoch, now

if TYPE_CHECKING:
    import keras

    from lineup.config import Fit, Recipe
    from lineup.models.registry import Architecture

PREDICT_BATCH = 1000

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

    network = classifier(entry.name, recipe.scaling, entry.make(recipe.options), image_shape(entry.family))
    started = time.perf_counter()
    random = np.random.default_rng(recipe.seed)
    history = fit_network(network, data, recipe, random, phase="classifier", on_epoch=on_epoch)
    return Fitted(network, history, {"classifier": time.perf_counter() - started})


def fit_network(
    network: keras.Model,
    data: TrainingData,
    fit: Fit,
    random: np.random.Generator,
    *,
    phase: str,
    on_epoch: OnEpoch,
    loss: str = "sparse_categorical_crossentropy",
    metrics: Sequence[str] = ("accuracy",),
) -> list[Epoch]:
    """Fit a network with Adam and tell of every epoch.

    The steps are Keras's own (`keras.Model.train_step`); the loop around them is not ``Model.fit``, for two reasons.
    After ``keras.utils.set_random_seed`` its shuffling gives the *same* order in every epoch, because the generator
    starts anew with each pass over the data: a network then sees the same batches again and again, overfits, and scores
    lower (``benchmarks/shuffling.py`` measures by how much). And a whole epoch here is one TensorFlow call on data that
    lies on the device, where ``fit`` returns to Python for each batch.

    Parameters
    ----------
    network : keras.Model
        Not compiled yet.
    data : TrainingData
        The validation part is evaluated after each epoch and changes nothing.
    fit : Fit
        Epochs, batch size, learning rate.
    random : numpy.random.Generator
        Orders the images anew in each epoch.
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

    network.compile(optimizer=keras.optimizers.Adam(fit.learning_rate), loss=loss, metrics=list(metrics))
    run_epoch = _epoch_runner(network, data)
    history: list[Epoch] = []
    for epoch in range(1, fit.epochs + 1):
        started = time.perf_counter()
        training = run_epoch(epoch_batches(random, len(data.images), fit.batch_size))
        validation = network.evaluate(
            data.val_images, data.val_labels, batch_size=PREDICT_BATCH, verbose=0, return_dict=True
        )
        row = Epoch(
            phase=phase,
            epoch=epoch,
            loss=training["loss"],
            accuracy=training.get("accuracy", math.nan),
            val_loss=float(validation["loss"]),
            val_accuracy=float(validation.get("accuracy", math.nan)),
            learning_rate=float(network.optimizer.learning_rate),
            seconds=time.perf_counter() - started,
            timestamp=now(),
        )
        history.append(row)
        on_epoch(row)
    return history


def epoch_batches(random: np.random.Generator, images: int, batch_size: int) -> list[np.ndarray]:
    """Return the order of one epoch: every image once, in batches.

    Parameters
    ----------
    random : numpy.random.Generator
        Each call gives another order.
    images, batch_size : int
        How many images there are, and how many a batch has.

    Returns
    -------
    list of ndarray of shape (batches, size), int32
        All whole batches in one array; if images are left over, a second array with one smaller batch.
    """
    order = random.permutation(images).astype(np.int32)
    whole = images // batch_size * batch_size
    parts = [order[:whole].reshape(-1, batch_size), order[whole:].reshape(1, -1)]
    return [part for part in parts if part.size]


def _epoch_runner(network: keras.Model, data: TrainingData) -> Callable[[list[np.ndarray]], dict[str, float]]:
    """Return a function that trains on the batches of one epoch and returns the mean loss and metrics over them."""
    import tensorflow as tf

    images, labels = tf.constant(data.images), tf.constant(data.labels)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def train(batches: tf.Tensor) -> None:
        for number in tf.range(tf.shape(batches)[0]):
            batch = batches[number]
            network.train_step((tf.gather(images, batch), tf.gather(labels, batch)))

    def run_epoch(parts: list[np.ndarray]) -> dict[str, float]:
        network.reset_metrics()
        for part in parts:
            train(tf.constant(part))
        return {name: float(value) for name, value in network.get_metrics_result().items()}

    return run_epoch


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
