"""Fit one Keras network, epoch by epoch. Keras is imported when a function is called, not before."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.files import open_regular, replacing_file
from lineup.models.backup import Backup, Progress
from lineup.models.blocks import classifier
from lineup.models.loop import CLASSIFICATION, Loop, Objective, predict
from lineup.records.record import Epoch, Weights, best_epoch, has_stopped, now

if TYPE_CHECKING:
    import keras

    from lineup.config import Fit, NetworkRecipe
    from lineup.models.registry import Architecture

NETWORK = "network.keras"

OnEpoch = Callable[[Epoch], None]


class Model(Protocol):
    """What a family trains: something that answers for raw images and can be saved."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return float32 probabilities (n, k) of raw uint8 images (n, 28, 28)."""

    def save(self, folder: Path) -> None:
        """Write what `lineup.serving.load_predictor` loads, into an existing folder."""

    @property
    def weights(self) -> Weights:
        """Its number of parameters and a hash of their values."""


@dataclass(frozen=True)
class TrainingData:
    """Inputs and targets of one fit.

    Parameters
    ----------
    images, val_images : ndarray of shape (n, ...)
        Network inputs: raw uint8 images, or codes of an encoder.
    labels, val_labels : ndarray of shape (n,) or, for reconstruction, (n, 28, 28)
        Class numbers, or the raw image to reconstruct.
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
    model : Model
        Raw uint8 images (n, 28, 28) to class probabilities (n, k).
    history : list of Epoch
        All phases, in order; empty if nothing was trained in epochs.
    phase_seconds : dict of str to float
        Wall time of each phase.
    arrays : dict of str to ndarray
        What figures need beside the record, such as reconstructions. Default none.
    """

    model: Model
    history: list[Epoch]
    phase_seconds: dict[str, float]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A Keras network as a `Model`."""

    keras_model: keras.Model

    def predict(self, images: np.ndarray) -> np.ndarray:
        """See `Model`."""
        return predict(self.keras_model, images)

    def save(self, folder: Path) -> None:
        """See `Model`."""
        path = folder / NETWORK
        self.keras_model.save(path)
        _reproducible(path)

    @cached_property
    def weights(self) -> Weights:
        """Frozen is what the optimiser did not change last, the running statistics of batch normalisation included."""
        network = self.keras_model
        count = network.count_params()
        trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
        return Weights(count, trainable, count - trainable, weights_sha256(network))


def fit_classifier(
    entry: Architecture, recipe: NetworkRecipe, data: TrainingData, on_epoch: OnEpoch, backup: Backup
) -> Fitted:
    """Build an architecture of one stack of layers and fit it: the ``fit_model`` of the families without phases."""
    from lineup.models.registry import image_shape

    network = classifier(entry.name, recipe.scaling, entry.make(recipe.options), image_shape(entry.family))
    random = np.random.default_rng(recipe.seed)
    history = fit_network(network, data, recipe, random, phase="classifier", on_epoch=on_epoch, backup=backup)
    return Fitted(Network(network), history, phase_seconds(history))


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


def _reproducible(path: Path) -> None:
    """Write a ``.keras`` archive anew without date and addresses in memory, so that equal networks are equal files."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["metadata.json"] = json.dumps(json.loads(parts["metadata.json"]) | {"date_saved": ""}).encode()
    parts["config.json"] = _numbered(parts["config.json"])
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # whose date is the earliest that an archive can hold


def _numbered(config: bytes) -> bytes:
    """Return a configuration whose shared objects are numbered as they come; Keras writes their addresses in memory."""
    numbers: dict[int, int] = {}

    def number(part: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in part:
            part["shared_object_id"] = numbers.setdefault(part["shared_object_id"], len(numbers))
        return part

    return json.dumps(json.loads(config, object_hook=number)).encode()


def load_network(path: Path) -> keras.Model:
    """Read a network that `Network.save` wrote; no code in the file is run.

    Raises
    ------
    LineupError
        If the file is missing, damaged or something else.
    """
    from lineup.training.devices import quiet_stderr

    with quiet_stderr():
        import keras
    try:
        open_regular(path).close()
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damage surfaces as any of a dozen types, out of zipfile, json, h5py, Keras
        reason = shortened(error) or type(error).__name__
        raise LineupError(
            f"{path}: expected a network of Keras, found a damaged or different file: {reason}"
        ) from error


def weights_sha256(network: keras.Model) -> str:
    """Return a hash of all weights: the identity of a trained network."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(str((weight.dtype, weight.shape)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
