"""Train one model of the line-up and leave its record."""

from __future__ import annotations

import dataclasses
import platform
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lineup.code.stages import training_sha256
from lineup.evaluation.metrics import confusion_counts
from lineup.files import check_room, folder_sha256, replacing_folder
from lineup.models.registry import Architecture, architecture
from lineup.npz import write_npz
from lineup.records.machine import known, source_commit
from lineup.records.record import (
    MODEL,
    DataIdentity,
    Epoch,
    Header,
    Predictions,
    Record,
    flatten,
    now,
    read_record,
    runtime_of,
    write_record,
)
from lineup.records.score import score
from lineup.training.backup import Backup
from lineup.training.devices import Environment, prepare
from lineup.training.finished import keep, restore
from lineup.training.fitted import Fitted, TrainingData
from lineup.training.trainers import trainer_of

if TYPE_CHECKING:
    from lineup.data.dataset import Dataset
    from lineup.models.settings import ClassicalRecipe, NetworkRecipe


class Listener(Protocol):
    """Somebody who is told how a training goes, such as the terminal or MLflow. It must not raise."""

    def start(self, header: Header, attempt: str, started: int) -> None:
        """Training is about to start; ``started`` in milliseconds since 1970."""

    def epoch(self, row: Epoch) -> None:
        """An epoch has ended."""


def train_model(
    name: str,
    recipe: NetworkRecipe | ClassicalRecipe,
    dataset: Dataset,
    folder: Path,
    *,
    threads: int,
    experiment: str | None = None,
    kept: Path | None = None,
    backups: Path | None = None,
    listeners: Sequence[Listener] = (),
) -> Record:
    """Train a model by its recipe and write its record.

    The test images are scored once, after the last epoch; nothing is chosen by them.

    Parameters
    ----------
    name : str
        Name of the record.
    recipe : NetworkRecipe or ClassicalRecipe
        Architecture and everything that its training depends on; trained with the first of its seeds.
    dataset : Dataset
        Images, labels and the shared split.
    folder : Path
        Where the record goes; a former one there is replaced when the new one is whole.
    threads : int
        Of TensorFlow or scikit-learn.
    experiment : str, optional
        A name of its own for a single experiment. Default: a run of the pipeline.
    kept : Path, optional
        Folder in which finished trainings of the model are kept. One of the same recipe, data, code and libraries is
        copied instead of trained again. Default: none are kept.
    backups : Path, optional
        Folder in which long trainings leave a backup on their way; one that was interrupted goes on from there.
        Default: none.
    listeners : sequence of Listener
        Told of the start and of each epoch.

    Returns
    -------
    Record

    Raises
    ------
    LineupError
        If the record or a backup could not be written: before the training starts.
    """
    for place in (folder, kept and kept / name, backups and backups / name):
        if place is not None:
            check_room(place)
    entry = architecture(recipe.family, recipe.architecture)
    environment = prepare(entry.kind, threads, recipe.seed)
    header = _header(name, entry, recipe, dataset, threads, environment, experiment)
    identity = training_identity(header)
    if kept is not None and (finished := restore(kept / identity, header, folder)):
        return finished
    attempt, started, commit = uuid.uuid4().hex, now(), source_commit()
    for listener in listeners:
        listener.start(header, attempt, started)

    backup = Backup(backups and backups / identity)
    data = _training_data(dataset, recipe.validation)
    fitted = trainer_of(entry).fit(entry, recipe, data, lambda row: _tell(listeners, row), backup)
    header = dataclasses.replace(header, weights=fitted.model.weights)

    predictions = _predict(fitted, dataset, recipe.validation)
    speed = known(lambda: _images_per_second(fitted, len(data.labels)), None)
    with replacing_folder(folder) as partial:
        _save_model(fitted, partial / MODEL)
        header = dataclasses.replace(header, model_files=folder_sha256(partial / MODEL))
        write_record(
            partial,
            header,
            fitted.history,
            score(predictions, dataset.classes),
            predictions,
            confusion_counts(predictions.test_probabilities, predictions.test_labels, len(dataset.classes)),
            runtime_of(attempt, started, fitted.phase_seconds, images_per_second=speed, commit=commit),
        )
    if kept is not None:
        keep(folder, kept / identity)
    backup.remove()
    return read_record(folder)


def _header(
    name: str,
    entry: Architecture,
    recipe: NetworkRecipe | ClassicalRecipe,
    dataset: Dataset,
    threads: int,
    environment: Environment,
    experiment: str | None,
) -> Header:
    given = {key: value for key, value in dataclasses.asdict(recipe).items() if value is not None}
    del given["seeds"]
    given |= {"seed": recipe.seed, "threads": threads}
    if entry.kind == "network":
        given["optimizer"] = "adam"
    return Header(
        name=name,
        kind=entry.kind,
        family=entry.family,
        architecture=entry.name,
        report=entry.report,
        parameters=flatten(given),
        seed=recipe.seed,
        threads=threads,
        device=environment.device,
        onednn=environment.onednn,
        libraries={"python": platform.python_version(), "numpy": np.__version__} | trainer_of(entry).libraries(),
        data=DataIdentity(
            name=dataset.name,
            title=dataset.title,
            generated=dataset.generated,
            fingerprint=dataset.fingerprint,
            shape=list(dataset.shape),
            classes=list(dataset.classes),
            training_images=len(dataset.training_indices(recipe.validation)),
            validation_images=len(dataset.validation_indices(recipe.validation)),
            test_images=len(dataset.test_labels),
        ),
        experiment=experiment,
    )


def training_identity(header: Header) -> str:
    """Return the name of a training's backup and kept record: its key, and a hash of the code that trains it."""
    return f"{header.key}-{training_sha256(header.family)[:8]}"


def _training_data(dataset: Dataset, share: float) -> TrainingData:
    fitting, validation = dataset.training_indices(share), dataset.validation_indices(share)
    return TrainingData(
        dataset.train_images[fitting],
        dataset.train_labels[fitting],
        dataset.train_images[validation],
        dataset.train_labels[validation],
        len(dataset.classes),
    )


def _tell(listeners: Sequence[Listener], row: Epoch) -> None:
    for listener in listeners:
        listener.epoch(row)


def _save_model(fitted: Fitted, folder: Path) -> None:
    folder.mkdir()
    fitted.model.save(folder)
    if fitted.arrays:
        write_npz(folder / "figures.npz", fitted.arrays)


def _predict(fitted: Fitted, dataset: Dataset, share: float) -> Predictions:
    validation = dataset.validation_indices(share)
    return Predictions(
        val_indices=validation.astype(np.int32),
        val_labels=dataset.train_labels[validation],
        val_probabilities=fitted.model.predict(dataset.train_images[validation]),
        test_indices=np.arange(len(dataset.test_labels), dtype=np.int32),
        test_labels=dataset.test_labels,
        test_probabilities=fitted.model.predict(dataset.test_images),
    )


def _images_per_second(fitted: Fitted, images: int) -> float:
    """Return how many training images the last phase saw in a second of its wall time."""
    if not fitted.history:
        return images / sum(fitted.phase_seconds.values())
    last = fitted.history[-1].phase
    epochs = sum(row.phase == last for row in fitted.history)
    return epochs * images / fitted.phase_seconds[last]
