"""Train one model of the line-up and leave its record."""

from __future__ import annotations

import dataclasses
import platform
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lineup.evaluation.metrics import confusion_counts
from lineup.files import replacing_folder
from lineup.models.fit import Fitted, TrainingData, predict_network, weights_sha256
from lineup.models.registry import architecture, fit_model
from lineup.npz import write_npz
from lineup.records.machine import this_machine
from lineup.records.record import (
    MODEL,
    DataIdentity,
    Device,
    Epoch,
    Header,
    Predictions,
    Record,
    Weights,
    flatten,
    now,
    read_record,
    runtime_of,
    write_record,
)
from lineup.records.score import score
from lineup.training.devices import onednn_enabled, prepare

if TYPE_CHECKING:
    from lineup.config import Recipe
    from lineup.data.dataset import Dataset


class Listener(Protocol):
    """Somebody who is told how a training goes, such as the terminal or MLflow. It must not raise."""

    def start(self, header: Header, attempt: str, started: int) -> None:
        """Training is about to start; ``started`` in milliseconds since 1970."""

    def epoch(self, row: Epoch) -> None:
        """An epoch has ended."""


def train_model(
    name: str,
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    *,
    threads: int,
    experiment: str | None = None,
    listeners: Sequence[Listener] = (),
) -> Record:
    """Train a model by its recipe and write its record.

    The test images are scored once, after the last epoch; nothing is chosen by them.

    Parameters
    ----------
    name : str
        Name of the record.
    recipe : Recipe
        Architecture and everything that its training depends on.
    dataset : Dataset
        Images, labels and the shared split.
    folder : Path
        Where the record goes; a former one there is replaced when the new one is whole.
    threads : int
        Of TensorFlow.
    experiment : str, optional
        A name of its own for a single experiment. Default: a run of the pipeline.
    listeners : sequence of Listener
        Told of the start and of each epoch.

    Returns
    -------
    Record
    """
    device = prepare(threads, recipe.seed, this_machine().cpu_model)
    header = dataclasses.replace(_header(name, recipe, dataset, threads, device), experiment=experiment)
    attempt, started = uuid.uuid4().hex, now()
    for listener in listeners:
        listener.start(header, attempt, started)

    fitting = dataset.training_indices(recipe.validation)
    validation = dataset.validation_indices(recipe.validation)
    data = TrainingData(
        dataset.train_images[fitting],
        dataset.train_labels[fitting],
        dataset.train_images[validation],
        dataset.train_labels[validation],
    )
    entry = architecture(recipe.family, recipe.architecture)
    fitted: Fitted = fit_model(entry)(entry, recipe, data, lambda row: _tell(listeners, row))

    with replacing_folder(folder) as partial:
        _save_model(fitted, partial / MODEL)
        predictions = _predict(fitted, dataset, validation)
        write_record(
            partial,
            dataclasses.replace(header, weights=_weights(fitted)),
            fitted.history,
            score(predictions, dataset.classes),
            predictions,
            confusion_counts(predictions.test_probabilities, predictions.test_labels, len(dataset.classes)),
            runtime_of(
                attempt,
                started,
                fitted.phase_seconds,
                images_per_second=_images_per_second(fitted, len(fitting)),
            ),
        )
    return read_record(folder)


def _header(name: str, recipe: Recipe, dataset: Dataset, threads: int, device: Device) -> Header:
    import keras
    import tensorflow as tf

    entry = architecture(recipe.family, recipe.architecture)
    parameters = dataclasses.asdict(recipe)
    if recipe.pretrain is None:
        del parameters["pretrain"]
    return Header(
        name=name,
        kind="network",
        family=entry.family,
        architecture=entry.name,
        report=entry.report,
        published_accuracy=entry.published_accuracy,
        parameters=flatten(parameters) | {"threads": threads, "optimizer": "adam"},
        seed=recipe.seed,
        threads=threads,
        device=device,
        onednn=onednn_enabled(),
        libraries={
            "python": platform.python_version(),
            "numpy": np.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        data=DataIdentity(
            name=dataset.name,
            title=dataset.title,
            generated=dataset.generated,
            fingerprint=dataset.fingerprint,
            classes=list(dataset.classes),
            training_images=len(dataset.training_indices(recipe.validation)),
            validation_images=len(dataset.validation_indices(recipe.validation)),
            test_images=len(dataset.test_labels),
        ),
    )


def _tell(listeners: Sequence[Listener], row: Epoch) -> None:
    for listener in listeners:
        listener.epoch(row)


def _save_model(fitted: Fitted, folder: Path) -> None:
    folder.mkdir()
    fitted.network.save(folder / "network.keras")
    if fitted.arrays:
        write_npz(folder / "figures.npz", fitted.arrays)


def _predict(fitted: Fitted, dataset: Dataset, validation: np.ndarray) -> Predictions:
    return Predictions(
        val_indices=validation.astype(np.int32),
        val_labels=dataset.train_labels[validation],
        val_probabilities=predict_network(fitted.network, dataset.train_images[validation]),
        test_indices=np.arange(len(dataset.test_labels), dtype=np.int32),
        test_labels=dataset.test_labels,
        test_probabilities=predict_network(fitted.network, dataset.test_images),
    )


def _weights(fitted: Fitted) -> Weights:
    count = fitted.network.count_params()
    frozen = sum(
        int(np.prod(weight.shape)) for layer in fitted.network.layers if not layer.trainable for weight in layer.weights
    )
    return Weights(count, count - frozen, frozen, weights_sha256(fitted.network))


def _images_per_second(fitted: Fitted, images: int) -> float:
    """Return how many training images the last phase saw in a second of its wall time."""
    last = fitted.history[-1].phase
    epochs = sum(row.phase == last for row in fitted.history)
    return epochs * images / fitted.phase_seconds[last]
