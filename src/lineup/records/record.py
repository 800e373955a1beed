"""Read and write records. Read and write records. A record is a folder with the results of a model or committee.

======================== ===============================================================================
``record.json``          `Header`: name, parameters, data and versions
``history.csv``          one `Epoch` per row; no rows if nothing was trained in epochs
``metrics.json``         metrics by name, with the same names in all records
``predictions.npz``      `Predictions`: class probabilities for the validation and test images
``confusion_matrix.csv`` number of test images by actual and predicted class
``runtime.json``         `Runtime`: times, memory and machine, which differ between runs
``model/``               the model: ``network.keras``, an estimator or ``committee.json``
======================== ===============================================================================

Records can come from other machines. Reading a record checks all sizes and types, and does not load any pickle files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import time
from collections.abc import Mapping, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, FiniteFloat
from pydantic.dataclasses import dataclass as checked_dataclass

from lineup.errors import LineupError, shortened
from lineup.evaluation.scores import Scores
from lineup.files import file_sha256
from lineup.npz import read_npz, write_npz
from lineup.records.machine import Machine, peak_memory_bytes, this_machine
from lineup.remedies import how_to_make
from lineup.schema import checked, read_checked, read_json, to_json, write_json
from lineup.tables import read_table, write_table

SCHEMA = 2
HEADER, HISTORY, METRICS, PREDICTIONS, CONFUSION, RUNTIME, MODEL = (
    "record.json",
    "history.csv",
    "metrics.json",
    "predictions.npz",
    "confusion_matrix.csv",
    "runtime.json",
    "model",
)
PREDICTIONS_LIMIT = 2 * 2**30
PARTS = ("val", "test")
STRICT = ConfigDict(extra="forbid")

# Names and keys are used as folder names, so that separators and dots are not allowed.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Integer = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Images = Annotated[int, Field(ge=0, lt=2**31)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Value = Integer | FiniteFloat | str | bool | None

PHASES = {"autoencoder": "pretrain.", "classifier": "", "finetuning": "finetune."}
"""The training phases in order, with the prefix of their parameters."""


def run_label(name: str, seed: int) -> str:
    """Return the label of a run from the name of the model and the seed.

    Examples
    --------
    >>> run_label("basic_cnn", 2)
    'basic_cnn_seed2'
    """
    return f"{name}_seed{seed}"


@checked_dataclass(frozen=True, config=STRICT)
class Epoch:
    """One row of ``history.csv``.

    Parameters
    ----------
    phase : str
        A key of `PHASES`. In the phase ``autoencoder`` the network reconstructs images.
    epoch : int
        Number of the epoch, from 1 in each phase.
    loss, val_loss : float
        Mean loss on the training images (during the epoch) and on the validation images (after it).
    accuracy, val_accuracy : float
        NaN in the phase ``autoencoder``.
    learning_rate : float
        Learning rate at the end of the epoch.
    seconds : float
        Wall time of the epoch with its validation.
    timestamp : int
        End of the epoch, in milliseconds since 1970.
    """

    phase: str
    epoch: Count
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    timestamp: Count


@checked_dataclass(frozen=True, config=STRICT)
class DataIdentity:
    """The data of a record.

    Parameters
    ----------
    name, title : str
        Name of the dataset in ``params.yaml`` and its title on pages.
    generated : bool
        True if a program generated the images. The results then say nothing about real images.
    fingerprint : str
        SHA-256 of the images, the labels and the order of the split.
    shape : list of int
        Height, width and channels of an image.
    classes : list of str
        Class names, in the order of the columns of the probabilities.
    training_images, validation_images, test_images : int
        Number of images in each part.
    """

    name: str
    title: str
    generated: bool
    fingerprint: str
    shape: Annotated[list[Size], Field(min_length=3, max_length=3)]
    classes: Annotated[list[str], Field(max_length=256)]
    training_images: Images
    validation_images: Images
    test_images: Images


@checked_dataclass(frozen=True, config=STRICT)
class Weights:
    """Weights of a trained model.

    Parameters
    ----------
    parameters, trainable, frozen : int
        Number of all parameters, of those that were trained in the last phase, and of the others.
    sha256 : str
        Hash of their values.
    """

    parameters: Count
    trainable: Count
    frozen: Count
    sha256: str


@checked_dataclass(frozen=True, config=STRICT)
class Member:
    """A member of a committee.

    Parameters
    ----------
    name : str
        Name of the model.
    seed : int
        Seed of its run.
    key : str
        Key of its record, see `Header.key`.
    predictions_sha256 : str
        Hash of its predictions.
    """

    name: Name
    seed: Integer
    key: Name
    predictions_sha256: Name

    @property
    def label(self) -> str:
        """Return the label of the member's run, such as ``basic_cnn_seed2``."""
        return run_label(self.name, self.seed)


@checked_dataclass(frozen=True, config=STRICT)
class Device:
    """Processor that was used for training.

    Parameters
    ----------
    kind : str
        ``cpu`` or ``gpu``.
    name : str
        Name of the processor model.
    """

    kind: str
    name: str


@checked_dataclass(frozen=True, config=STRICT)
class Header:
    """``record.json``.

    Parameters
    ----------
    name : str
        Name of the model or committee in ``params.yaml``.
    kind : str
        ``network``, ``classical`` or ``committee``.
    family, architecture : str
        Family and architecture of a model. For a committee, ``committee`` and its rule.
    report : str
        Letter of the published report, or ``-``.
    parameters : dict
        All parameters, without nesting: ``epochs``, ``learning_rate``, ``pretrain.epochs`` and so on.
    seed : int
        Seed of a model's run. For a committee, the number of the run: run 1 combines the first seed of each member.
    threads : int or None
        Number of threads during training; None for a committee.
    device : Device
    onednn : bool
        Whether TensorFlow could use oneDNN, which changes the last digits.
    libraries : dict
        Versions of the libraries.
    data : DataIdentity
    weights : Weights or None
        None for a committee and before training ends.
    members : list of Member
        Members of a committee; empty for a model.
    experiment : str or None
        Random name of a single experiment. It prevents the experiment from replacing a pipeline run with the same
        parameters. None in the pipeline.
    model_files : dict of str to str
        SHA-256 of each file in ``model/``; empty before training ends and in records of schema 1.
    schema : int
        Version of this format.
    """

    name: Name
    kind: Annotated[str, Field(pattern="^(network|classical|committee)$")]
    family: str
    architecture: str
    report: str
    parameters: dict[str, Value]
    seed: Integer
    threads: Count | None
    device: Device
    onednn: bool
    libraries: dict[str, str]
    data: DataIdentity
    weights: Weights | None = None
    members: list[Member] = dataclasses.field(default_factory=list)
    experiment: str | None = None
    model_files: Annotated[dict[FileName, Sha256], Field(max_length=100)] = dataclasses.field(default_factory=dict)
    schema: Annotated[int, Field(ge=SCHEMA, le=SCHEMA)] = SCHEMA

    @property
    def label(self) -> str:
        """Return the label of the run, such as ``basic_cnn_seed2`` for seed 2 of ``basic_cnn``."""
        return run_label(self.name, self.seed)

    @property
    def key(self) -> str:
        """Return the key of the run, which is a hash of all header values that are known before training.

        Runs with the same parameters, data, device and libraries have the same key. In MLflow, a new run replaces an
        earlier run with the same key. Runs with different keys do not replace each other.
        """
        known = dataclasses.asdict(self)
        del known["weights"], known["model_files"]
        for member in known["members"]:
            del member["predictions_sha256"]
        return hashlib.sha256(to_json(known).encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Predictions:
    """``predictions.npz``: class probabilities with their labels.

    Parameters
    ----------
    val, test : Scores
        Of the validation images and of the test images: indices int32, labels uint8, probabilities float32 of shape
        (n, k).
    """

    val: Scores
    test: Scores

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of ``predictions.npz`` in a dictionary, with keys such as ``val_labels``."""
        return {f"{part}_{name}": array for part in PARTS for name, array in vars(getattr(self, part)).items()}


@checked_dataclass(frozen=True, config=STRICT)
class Runtime:
    """``runtime.json``.

    Parameters
    ----------
    attempt : str
        Random name of this training run. It is used to find the MLflow run that was created during training.
    started, ended : int
        Start and end in milliseconds since 1970.
    training_seconds : float
        Wall time of training, including validation after each epoch. For a committee, of fitting and combining.
    phase_seconds : dict
        Wall time of each phase, in seconds.
    images_per_second : float or None
        Training images per second in the last phase; None for a committee.
    peak_memory_bytes : int
        Peak memory of the process.
    machine : Machine
    git_commit : str
        Commit of the checkout, with ``-dirty`` if its source has changes; see `lineup.records.machine.git_commit`.
    energy_joules : dict
        Energy of the parts ``cpu`` and ``gpu`` during the training; see `lineup.records.energy`. Default: unknown.
    """

    attempt: str
    started: Count
    ended: Count
    training_seconds: FiniteFloat
    phase_seconds: dict[str, FiniteFloat]
    images_per_second: FiniteFloat | None
    peak_memory_bytes: Count
    machine: Machine
    git_commit: str
    energy_joules: dict[str, FiniteFloat] = dataclasses.field(default_factory=dict)


HISTORY_COLUMNS = [field.name for field in dataclasses.fields(Epoch)]
CONFUSION_COLUMNS = ["actual", "predicted", "count"]


@dataclasses.dataclass(frozen=True)
class Record:
    """A record on disk. `read_record` reads the small files; `predictions` reads the probabilities.

    Parameters
    ----------
    folder : Path
        Folder of the record.
    header : Header
    history : list of Epoch
    metrics : dict of str to float
    runtime : Runtime
    """

    folder: Path
    header: Header
    history: list[Epoch]
    metrics: dict[str, float]
    runtime: Runtime

    def predictions(self) -> Predictions:
        """Read and check the probabilities.

        Raises
        ------
        LineupError
            If the file is missing, too large or damaged, or does not match the header.
        """
        return read_predictions(self.folder / PREDICTIONS, self.header.data)

    def digest(self) -> str:
        """Compute a hash of the whole record, including the files of the model."""
        digest = hashlib.sha256()
        for name in (HEADER, HISTORY, METRICS, PREDICTIONS, CONFUSION, RUNTIME):
            digest.update(file_sha256(self.folder / name).encode())
        return digest.hexdigest()[:16]


def runtime_of(
    attempt: str,
    started: int,
    phase_seconds: Mapping[str, float],
    *,
    images_per_second: float | None,
    commit: str,
    energy_joules: Mapping[str, float] | None = None,
) -> Runtime:
    """Describe the times, the memory use and the machine of a run that has just ended.

    Parameters
    ----------
    attempt : str
        Random name of the training.
    started : int
        Milliseconds since 1970.
    phase_seconds : mapping of str to float
        Wall time of each phase.
    images_per_second : float or None
        See `Runtime`.
    commit : str
        Result of `lineup.records.machine.source_commit` at the start: the source may have changed since.
    energy_joules : mapping of str to float, optional
        See `Runtime`. Default: unknown.
    """
    return Runtime(
        attempt=attempt,
        started=started,
        ended=now(),
        training_seconds=sum(phase_seconds.values()),
        phase_seconds=dict(phase_seconds),
        images_per_second=images_per_second,
        peak_memory_bytes=peak_memory_bytes(),
        machine=this_machine(),
        git_commit=commit,
        energy_joules=dict(energy_joules or {}),
    )


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the epoch with the lowest validation loss. If there are no epochs, return 0.

    Ties go to the first epoch. If training diverges, the loss is NaN, which counts as the highest loss.
    """
    losses = [math.inf if math.isnan(row.val_loss) else row.val_loss for row in history]
    return history[losses.index(min(losses))].epoch if losses else 0


def has_stopped(history: Sequence[Epoch], patience: int | None) -> bool:
    """Return whether early stopping ends a phase, because the validation loss has not decreased for ``patience``
    epochs.
    """
    return patience is not None and len(history) - best_epoch(history) >= patience


def now() -> int:
    """Return the current time in milliseconds since 1970. MLflow uses the same unit."""
    return time.time_ns() // 1_000_000


def write_record(
    folder: Path,
    header: Header,
    history: Sequence[Epoch],
    metrics: Mapping[str, float],
    predictions: Predictions,
    confusion: np.ndarray,
    runtime: Runtime,
) -> None:
    """Write all files of a record to an existing folder, except the model.

    Parameters
    ----------
    folder : Path
        Usually the folder from `lineup.files.replacing_folder`, so that no incomplete record is left.
    header : Header
    history : sequence of Epoch
    metrics : mapping of str to float
    predictions : Predictions
    confusion : ndarray of int, shape (k, k)
        Number of test images by actual class (row) and predicted class (column).
    runtime : Runtime
    """
    write_json(folder / HEADER, dataclasses.asdict(header))
    write_json(folder / METRICS, dict(metrics))
    write_json(folder / RUNTIME, dataclasses.asdict(runtime))
    names = HISTORY_COLUMNS
    write_table(folder / HISTORY, names, ([_cell(getattr(row, name)) for name in names] for row in history))
    classes = header.data.classes
    cells = ((classes[i], classes[j], int(n)) for (i, j), n in np.ndenumerate(confusion))
    write_table(folder / CONFUSION, CONFUSION_COLUMNS, cells)
    write_npz(folder / PREDICTIONS, predictions.arrays())


def read_record(folder: Path) -> Record:
    """Read a record.

    Raises
    ------
    LineupError
        If a file is missing, too large, or has another format. The message names the file.
    """
    if not (folder / HEADER).exists():
        raise LineupError(f"{folder}: no record here; {how_to_make(folder / HEADER)}")
    header = _read_header(folder / HEADER)
    metrics = read_checked(folder / METRICS, dict[str, FiniteFloat])
    runtime = read_checked(folder / RUNTIME, Runtime)
    missing = sorted({"test_accuracy", "test_loss", "test_macro_f1", "val_accuracy"} - set(metrics))
    if missing:
        raise LineupError(f"{folder / METRICS}: {', '.join(missing)} missing")
    return Record(folder, header, _read_history(folder / HISTORY, header), metrics, runtime)


def _read_header(path: Path) -> Header:
    values = read_json(path)
    schema = values.get("schema") if isinstance(values, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise LineupError(
            f"{path}: written by a newer version of lineup (schema {schema}, expected {SCHEMA}); update lineup"
        )
    header: Header = checked(_upgraded(values) if schema == 1 else values, Header, path)
    return header


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Convert a header from schema 1 to schema 2.

    In schema 1, all images have 28 by 28 pixels and one channel. In schema 1, a name can include the seed, as in
    ``basic_cnn_seed2``.
    """
    values = values | {"schema": SCHEMA, "data": {"shape": [28, 28, 1]} | _section(values.get("data"))}
    values["name"], seed = _name_and_seed(values.get("name"))
    if values.get("seed") is None:
        values["seed"] = seed or 1
    members = values.get("members")
    if isinstance(members, list):
        values["members"] = [_upgraded_member(_section(member)) for member in members]
    return values


def _upgraded_member(member: dict[str, Any]) -> dict[str, Any]:
    name, seed = _name_and_seed(member.get("name"))
    return {"seed": seed or 1} | member | {"name": name}


def _section(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name_and_seed(name: Any) -> tuple[Any, int | None]:
    """Split the name of a run into the name of the model and the seed.

    If the name does not contain a seed, the seed is None.
    """
    match = re.fullmatch(r"(.{1,64})_seed(\d{1,9})", name) if isinstance(name, str) else None
    return (match[1], int(match[2])) if match else (name, None)


def _read_history(path: Path, header: Header) -> list[Epoch]:
    # An empty cell is NaN: the phase does not have this value.
    rows = [[cell or math.nan for cell in row] for row in read_table(path, HISTORY_COLUMNS)]
    history: list[Epoch] = checked([dict(zip(HISTORY_COLUMNS, row, strict=True)) for row in rows], list[Epoch], path)
    if problem := _missing_epochs(header, history):
        raise LineupError(
            f"{path}: {problem}; the file is incomplete or belongs to a different training run; create the record again"
        )
    return history


def _missing_epochs(header: Header, history: Sequence[Epoch]) -> str | None:
    """Check that a history contains the expected epochs. If not, return an error message."""
    parameters = header.parameters if header.kind == "network" else {}
    expected = [phase for phase, section in PHASES.items() if f"{section}epochs" in parameters]
    phases = [(phase, list(rows)) for phase, rows in groupby(history, key=lambda row: row.phase)]
    if (found := [phase for phase, _ in phases]) != expected:
        return f"expected the phases {', '.join(expected) or 'none'}; found {shortened(', '.join(found)) or 'none'}"
    for phase, rows in phases:
        epochs, patience = (parameters.get(f"{PHASES[phase]}{name}") for name in ("epochs", "patience"))
        # With patience, the losses determine the epoch after which the phase stopped.
        whole = len(rows) == epochs
        if isinstance(epochs, int) and isinstance(patience, int):
            whole = whole or (len(rows) < epochs and has_stopped(rows, patience))
        if not whole or [row.epoch for row in rows] != list(range(1, len(rows) + 1)):
            return f"{phase}: expected epochs 1 to {shortened(epochs)}, found {len(rows)} rows"
    return None


def read_confusion(record: Record) -> np.ndarray:
    """Read the confusion matrix of a record.

    Each row belongs to an actual class, and each column belongs to a predicted class.

    Raises
    ------
    LineupError
        If the file is missing or damaged, or does not match the header.
    """
    path, classes = record.folder / CONFUSION, record.header.data.classes
    rows, pairs = read_table(path, CONFUSION_COLUMNS), list(product(classes, classes))
    if sorted((actual, predicted) for actual, predicted, _ in rows) != sorted(pairs):
        raise LineupError(
            f"{path}: not a confusion matrix of these classes:"
            f" expected one row for each of the {len(pairs)} pairs of classes, found {len(rows)} rows"
        )
    found = {(actual, predicted): count for actual, predicted, count in rows}
    try:
        counts = np.array([int(found[pair]) for pair in pairs], dtype=np.int64).reshape(len(classes), len(classes))
    except (ValueError, OverflowError) as error:
        raise LineupError(f"{path}: not a confusion matrix of these classes: {shortened(error)}") from error
    images = record.header.data.test_images
    if counts.min(initial=0) < 0 or counts.max(initial=0) > images or counts.sum() != images:
        raise LineupError(f"{path}: expected {images} images, as in record.json, found {counts.sum()}")
    return counts


def read_predictions(path: Path, data: DataIdentity) -> Predictions:
    """Read ``predictions.npz``, and check that the predictions match the header of the record."""
    arrays = read_npz(path, max_bytes=PREDICTIONS_LIMIT)
    expected = {f"{part}_{field.name}" for part in PARTS for field in dataclasses.fields(Scores)}
    if set(arrays) != expected:
        raise LineupError(f"{path}: expected the arrays {sorted(expected)}, found {shortened(sorted(arrays))}")
    scores = {}
    for part, images in zip(PARTS, (data.validation_images, data.test_images), strict=True):
        shapes = {"indices": (images,), "labels": (images,), "probabilities": (images, len(data.classes))}
        for name, shape in shapes.items():
            if arrays[f"{part}_{name}"].shape != shape:
                found = arrays[f"{part}_{name}"].shape
                raise LineupError(f"{path}: {part}_{name}: expected shape {shape}, as in record.json, found {found}")
        try:
            scores[part] = Scores(**{name: arrays[f"{part}_{name}"] for name in shapes})
        except LineupError as error:
            raise LineupError(f"{path}: {part}_{shortened(error)}") from error
    return Predictions(**scores)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Convert nested parameters to a flat dictionary.

    Examples
    --------
    >>> flatten({"pretrain": {"epochs": 3}})
    {'pretrain.epochs': 3}
    """
    flat: dict[str, Value] = {}
    for name, value in values.items():
        flat.update(flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
