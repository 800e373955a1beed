"""Write and read compact records. With compact records, a clone of the repository shows the results without training.

The size of a full record is several megabytes, because it contains the probabilities and the model. Git therefore does
not track full records. The stage ``compact`` writes a compact record of each run to ``runs/compact``, and git tracks
this folder. If a run has a full record, `find_folder` returns the folder of this record. Otherwise, `find_folder`
returns the folder of the compact record. `open_record` reads both kinds of records.

======================== ===============================================================================
``record.json``, ...     the small files of the full record, byte for byte; see `COPIED`
``test_predictions.npz`` `ScoreSummary`: the values that tables and comparisons need
======================== ===============================================================================

Examples
--------
>>> classes = PredictedClasses(np.arange(2), np.array([0, 1]), np.array([0, 0]), np.array([0.9, 0.6]))
>>> classes.correct().tolist()
[True, False]
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.curves import class_areas, selective_accuracy
from lineup.evaluation.scores import Scores
from lineup.files import file_sha256, replacing_folder
from lineup.npz import read_npz, write_npz
from lineup.paths import Project, seed_folder
from lineup.records.record import (
    CONFUSION,
    HEADER,
    HISTORY,
    METRICS,
    MODEL,
    PREDICTIONS,
    RUNTIME,
    Record,
    read_confusion,
    read_record,
)
from lineup.remedies import how_to_complete

FILE = "test_predictions.npz"
COPIED = (HEADER, HISTORY, METRICS, CONFUSION, RUNTIME)
"""Files of a full record that its compact record contains too."""
ANALYSIS = f"{MODEL}/analysis.json"
"""The analysis of a committee, which the compact record of a committee contains too."""
COVERAGE = 0.8
"""Coverage at which the tables give the selective accuracy, as a share of the test images."""
LIMIT = 256 * 2**20
"""Largest size of the arrays in bytes: those of 67 million test images."""


@dataclass(frozen=True, eq=False)
class PredictedClasses:
    """The predicted class of each test image.

    Parameters
    ----------
    indices : ndarray of int, shape (n,)
        Positions of the images among the test images.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    predicted : ndarray of int, shape (n,)
        The most probable classes. Ties go to the lowest index.
    confidence : ndarray of float, shape (n,)
        Probabilities of the predicted classes.
    """

    indices: NDArray[np.integer]
    labels: NDArray[np.integer]
    predicted: NDArray[np.integer]
    confidence: NDArray[np.floating]

    @classmethod
    def of(cls, scores: Scores) -> PredictedClasses:
        """For each image, return the most probable class and the probability of this class."""
        probabilities = scores.probabilities
        return cls(scores.indices, scores.labels, probabilities.argmax(axis=1), probabilities.max(axis=1))

    def correct(self) -> NDArray[np.bool_]:
        """Return a mask of the images that are classified correctly."""
        right: NDArray[np.bool_] = self.predicted == self.labels
        return right


@dataclass(frozen=True, eq=False)
class ScoreSummary:
    """Values from the test predictions that tables and comparisons need.

    Parameters
    ----------
    classes : PredictedClasses
    auc, average_precision : ndarray of float64, shape (k,)
        Of each class; see `lineup.evaluation.curves.class_areas`.
    accuracy_at_80_coverage : float
        Accuracy on the 80 % of the images with the highest confidence.
    """

    classes: PredictedClasses
    auc: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    accuracy_at_80_coverage: float


@dataclass(frozen=True)
class CompactRecord(Record):
    """A compact record on disk. It has no probabilities and no model."""

    def predictions(self) -> NoReturn:
        """Raise a `LineupError` that says how to get the full record."""
        raise LineupError(_incomplete(self))

    def digest(self) -> str:
        """Return the digest of the full record. The full and the compact record therefore have the same MLflow run."""
        hashes = {name: file_sha256(self.folder / name) for name in COPIED}
        hashes[PREDICTIONS] = predictions_sha256(self)
        order = (HEADER, HISTORY, METRICS, PREDICTIONS, CONFUSION, RUNTIME)
        return hashlib.sha256("".join(hashes[name] for name in order).encode()).hexdigest()[:16]


def is_compact(record: Record) -> bool:
    """Return whether a record is compact. A compact record contains no probabilities and no model."""
    return isinstance(record, CompactRecord)


def require_full(record: Record) -> None:
    """Raise a `LineupError` if a record is compact. Call this function before you use the model of a record."""
    if is_compact(record):
        raise LineupError(_incomplete(record))


def _incomplete(record: Record) -> str:
    return (
        f"{record.header.label}: this needs the full record, because git contains neither the probabilities of all"
        f" classes nor the model; {how_to_complete(record.folder)}"
    )


def find_folder(project: Project, group: Path, seed: int) -> Path | None:
    """Return the folder that contains the full record of a run. If there is no full record, return the folder of the
    compact record.

    Return None if both are missing.

    Parameters
    ----------
    project : Project
    group : Path
        Folder with the full records of the model or committee, such as ``runs/models/basic_cnn``.
    seed : int
        Seed of a model, or number of a committee's run.
    """
    places = seed_folder(group, seed), seed_folder(project.compact / group.name, seed)
    return next((place for place in places if (place / HEADER).exists()), None)


def open_record(folder: Path) -> Record:
    """Read a full or a compact record. The errors are the same as in `lineup.records.record.read_record`."""
    record = read_record(folder)
    return CompactRecord(**vars(record)) if (folder / FILE).exists() else record


def predicted_classes(record: Record) -> PredictedClasses:
    """Return the predicted class of each test image of a full or compact record.

    A compact record stores 1 minus the confidence, rounded to four significant digits.

    Raises
    ------
    LineupError
        If the predictions cannot be read, or do not match the record.
    """
    if is_compact(record):
        return _read(record)[0].classes
    return PredictedClasses.of(record.predictions().test)


def score_summary(record: Record) -> ScoreSummary:
    """Return the values of a record that tables and comparisons need. The errors are the same as in
    `predicted_classes`.
    """
    if is_compact(record):
        return _read(record)[0]
    scores = record.predictions().test
    curve = selective_accuracy(scores.probabilities, scores.labels)
    kept = int(np.searchsorted(curve.coverage, COVERAGE))
    areas = class_areas(scores.probabilities, scores.labels)
    return ScoreSummary(PredictedClasses.of(scores), *areas, float(curve.accuracy[kept]))


def predictions_sha256(record: Record) -> str:
    """Return the SHA-256 of the file ``predictions.npz`` of the full record. It identifies the training run."""
    return _read(record)[1] if is_compact(record) else file_sha256(record.folder / PREDICTIONS)


def write_compact_records(records: Iterable[Record], folder: Path) -> None:
    """Write a compact record for each full record, and replace the folder. The output is deterministic.

    Parameters
    ----------
    records : iterable of Record
        Full records of models and committees.
    folder : Path
        Output folder, with a folder per model or committee. Other files in it are removed.

    Raises
    ------
    LineupError
        If a record cannot be read.
    """
    with replacing_folder(folder) as partial:
        for record in records:
            _write(record, seed_folder(partial / record.header.name, record.header.seed))


def _write(record: Record, folder: Path) -> None:
    """Make a compact record from a full record, and write it to a new folder."""
    summary = score_summary(record)
    classes = summary.classes
    if not np.array_equal(classes.indices, np.arange(record.header.data.test_images)):
        raise LineupError(f"{record.folder / PREDICTIONS}: expected one prediction for each test image, in their order")
    for name in (*COPIED, ANALYSIS):
        if (record.folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(record.folder / name, folder / name)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "labels": classes.labels.astype(np.uint8),
        "predicted": classes.predicted.astype(np.uint8),
        # Most probabilities are close to 1, where half a float is exact only for the difference.
        "uncertainty": (1 - classes.confidence).clip(0, 1).astype(np.float16),
        "auc": summary.auc,
        "average_precision": summary.average_precision,
        "accuracy_at_80_coverage": np.array(summary.accuracy_at_80_coverage),
        "predictions_sha256": np.frombuffer(bytes.fromhex(predictions_sha256(record)), np.uint8),
    }
    write_npz(folder / FILE, arrays)


def _read(record: Record) -> tuple[ScoreSummary, str]:
    """Read and check the predictions of a compact record. Also return the hash of ``predictions.npz``."""
    path, data = record.folder / FILE, record.header.data
    arrays = read_npz(path, max_bytes=LIMIT)
    images, k = data.test_images, len(data.classes)
    expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "labels": (np.uint8, (images,)),
        "predicted": (np.uint8, (images,)),
        "uncertainty": (np.float16, (images,)),
        "auc": (np.float64, (k,)),
        "average_precision": (np.float64, (k,)),
        "accuracy_at_80_coverage": (np.float64, ()),
        "predictions_sha256": (np.uint8, (32,)),
    }
    if set(arrays) != set(expected):
        raise LineupError(f"{path}: expected the arrays {', '.join(expected)}; found {len(arrays)} other ones")
    for name, (kind, shape) in expected.items():
        _check_array(path, name, arrays[name], np.dtype(kind), shape)
    counts = np.bincount(arrays["labels"].astype(np.int64) * 256 + arrays["predicted"], minlength=2**16)
    counts = counts.reshape(256, 256)
    if counts[:k, :k].sum() != images or not np.array_equal(counts[:k, :k], read_confusion(record)):
        raise LineupError(f"{path}: the predicted classes differ from {CONFUSION}")
    classes = PredictedClasses(
        np.arange(images, dtype=np.int32),
        arrays["labels"],
        arrays["predicted"].astype(np.int64),
        np.float32(1) - arrays["uncertainty"].astype(np.float32),
    )
    coverage = float(arrays["accuracy_at_80_coverage"])
    summary = ScoreSummary(classes, arrays["auc"], arrays["average_precision"], coverage)
    return summary, arrays["predictions_sha256"].tobytes().hex()


def _check_array(
    path: Path, name: str, array: np.ndarray[Any, Any], kind: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    """Check the type and the shape of an array. Floats must be from 0 to 1. Only undefined areas may be NaN."""
    if array.dtype != kind or array.shape != shape:
        raise LineupError(f"{path}: {name}: expected {kind} {shape}, found {array.dtype} {array.shape}")
    if kind.kind == "f":
        undefined = np.isnan(array) & (name in ("auc", "average_precision"))
        if not (undefined | ((array >= 0) & (array <= 1))).all():
            raise LineupError(f"{path}: {name}: expected numbers from 0 to 1")
