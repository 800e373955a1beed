"""Train one model and write its record."""

from __future__ import annotations

import dataclasses
import platform
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lineup.code.stages import training_sha256
from lineup.evaluation.metrics import confusion_counts
from lineup.evaluation.scores import Scores
from lineup.files import check_room, folder_sha256, replacing_folder
from lineup.models.registry import Architecture, architecture
from lineup.models.settings import NetworkRecipe
from lineup.npz import write_npz
from lineup.records.energy import EnergyMeter
from lineup.records.header import DataIdentity, Header, flatten
from lineup.records.history import Epoch
from lineup.records.machine import known, source_commit
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, Record, read_record, write_record
from lineup.records.runtime import Runtime, now, runtime_of
from lineup.records.score import score
from lineup.training.backup import Backup
from lineup.training.devices import Environment, prepare
from lineup.training.finished import keep, restore
from lineup.training.fitted import Fitted, TrainingData
from lineup.training.trainers import trainer_of

if TYPE_CHECKING:
    from lineup.data.dataset import Dataset
    from lineup.models.settings import ClassicalRecipe


class Listener(Protocol):
    """Interface for objects that observe training, for example to print the progress.

    The methods must not raise errors.
    """

    def start(self, header: Header, attempt: str, started: int) -> None:
        """Handle the start of training.

        Parameters
        ----------
        header : Header
            Header of the record, without weights.
        attempt : str
            Random name of this training run; see `lineup.records.runtime.Runtime`.
        started : int
            Start time in milliseconds since 1970.
        """

    def epoch(self, row: Epoch) -> None:
        """Handle the end of an epoch."""


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
    """Train a model with one seed and write its record.

    The model predicts the test images only once, after the last epoch. No decision depends on this result.

    Parameters
    ----------
    name : str
        Name of the model.
    recipe : NetworkRecipe or ClassicalRecipe
        Settings of the model. Only the first of the seeds is trained.
    dataset : Dataset
        Images, labels and the shared split.
    folder : Path
        Folder of the record. An existing record is replaced when the new record is complete.
    threads : int
        Number of threads of TensorFlow or scikit-learn.
    experiment : str, optional
        Random name of an experiment outside the pipeline. Default: None, for a run of the pipeline.
    kept : Path, optional
        Folder of the finished training runs of the model. If it contains a record with the same recipe, data, code and
        libraries, this record is copied instead of training the model. Default: None, always train.
    backups : Path, optional
        Folder of backups. Long training runs save their state in this folder, and interrupted training resumes from
        this state. Default: None, no backups.
    listeners : sequence of Listener, optional
        Called at the start and after each epoch. Default: none.

    Returns
    -------
    Record

    Raises
    ------
    LineupError
        If the record or a backup cannot be written. This is checked before the training starts.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from lineup.data.download import download
    >>> from lineup.data.split import write_split
    >>> from lineup.models.settings import ClassicalRecipe
    >>> recipe = ClassicalRecipe(family="classical", architecture="knn", validation=0.2)
    >>> with TemporaryDirectory() as temporary:
    ...     path = Path(temporary)
    ...     _ = download("synthetic", path / "raw", folder=None, train_images=200, test_images=50, seed=1)
    ...     dataset = write_split(path / "raw", path / "dataset.npz", 1)
    ...     record = train_model("knn", recipe, dataset, path / "knn", threads=1)
    >>> record.header.label, record.metrics["test_accuracy"] > 0.5
    ('knn_seed1', True)
    """
    for place in (folder, kept, backups and backups / name):
        if place is not None:
            check_room(place)
    entry = architecture(recipe.family, recipe.architecture)
    environment = prepare(entry.kind, threads, recipe.seed)
    recipe = _supported(recipe, environment)
    header = _header(name, entry, recipe, dataset, threads, environment, experiment)
    identity = training_identity(header)
    if kept is not None and (finished := restore(kept / identity, header, folder)):
        print(f"{header.label}: already trained with these settings, copied", flush=True)
        return finished
    attempt, started, commit = uuid.uuid4().hex, now(), source_commit()
    for listener in listeners:
        listener.start(header, attempt, started)

    backup = Backup(backups and backups / identity)
    data = TrainingData.from_dataset(dataset, recipe.validation)
    meter = EnergyMeter(gpu=environment.device.kind == "gpu")

    def on_epoch(row: Epoch) -> None:
        meter.update()
        for listener in listeners:
            listener.epoch(row)

    fitted = trainer_of(entry).fit(entry, recipe, data, on_epoch, backup)
    energy = {} if backup.restored else meter.joules()
    header = dataclasses.replace(header, weights=fitted.model.weights)

    predictions = _predict(fitted, dataset, recipe.validation)
    speed = known(lambda: _images_per_second(fitted, len(data.labels)), None)
    runtime = runtime_of(
        attempt,
        started,
        fitted.phase_seconds,
        images_per_second=speed,
        commit=commit,
        energy_joules=energy,
        nondeterminism=environment.nondeterminism,
    )
    _write(folder, header, fitted, predictions, runtime)
    if kept is not None:
        keep(folder, kept / identity)
    backup.remove()
    return read_record(folder)


def _supported(recipe: NetworkRecipe | ClassicalRecipe, environment: Environment) -> NetworkRecipe | ClassicalRecipe:
    """Use float32 on a device without instructions for bfloat16, and print a warning."""
    if not isinstance(recipe, NetworkRecipe) or recipe.precision == "float32" or environment.bfloat16:
        return recipe
    device = environment.device.name
    print(
        f"warning: {device} has no instructions for bfloat16; this training uses float32", file=sys.stderr, flush=True
    )
    return dataclasses.replace(recipe, precision="float32")


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
    """Return a name for a training run. The folders ``kept`` and ``backups`` use this name."""
    return f"{header.key}-{training_sha256(header.family, header.architecture)[:8]}"


def _write(folder: Path, header: Header, fitted: Fitted, predictions: Predictions, runtime: Runtime) -> None:
    """Write the complete record to a temporary folder, and then replace the existing folder."""
    classes, test = header.data.classes, predictions.test
    with replacing_folder(folder) as partial:
        _save_model(fitted, partial / MODEL)
        write_record(
            partial,
            dataclasses.replace(header, model_files=folder_sha256(partial / MODEL)),
            fitted.history,
            score(predictions, classes),
            predictions,
            confusion_counts(test.probabilities, test.labels, len(classes)),
            runtime,
        )


def _save_model(fitted: Fitted, folder: Path) -> None:
    folder.mkdir()
    fitted.model.save(folder)
    if fitted.arrays:
        write_npz(folder / "figures.npz", fitted.arrays)


def _predict(fitted: Fitted, dataset: Dataset, share: float) -> Predictions:
    validation = dataset.validation_indices(share)
    test = np.arange(len(dataset.test_labels), dtype=np.int32)
    return Predictions(
        val=Scores(
            validation.astype(np.int32),
            dataset.train_labels[validation],
            fitted.model.predict(dataset.train_images[validation]),
        ),
        test=Scores(test, dataset.test_labels, fitted.model.predict(dataset.test_images)),
    )


def _images_per_second(fitted: Fitted, images: int) -> float:
    """Return the training speed of the last phase in images per second."""
    if not fitted.history:
        return images / sum(fitted.phase_seconds.values())
    last = fitted.history[-1].phase
    epochs = sum(row.phase == last for row in fitted.history)
    return epochs * images / fitted.phase_seconds[last]
