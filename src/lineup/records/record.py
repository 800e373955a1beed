"""Read and write records. A record is a folder with the results of a model or committee.

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

Examples
--------
>>> read_record(Path("no_such_folder"))  # doctest: +ELLIPSIS
Traceback (most recent call last):
lineup.errors.LineupError: no_such_folder: no record here; ...
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from pydantic import FiniteFloat

from lineup.errors import LineupError, shortened
from lineup.files import file_sha256
from lineup.npz import write_npz
from lineup.records.header import Header, read_header
from lineup.records.history import Epoch, read_history, write_history
from lineup.records.predictions import Predictions, read_predictions
from lineup.records.runtime import Runtime
from lineup.remedies import how_to_make
from lineup.schema import read_checked, write_json
from lineup.tables import read_table, write_table

HEADER, HISTORY, METRICS, PREDICTIONS, CONFUSION, RUNTIME, MODEL = (
    "record.json",
    "history.csv",
    "metrics.json",
    "predictions.npz",
    "confusion_matrix.csv",
    "runtime.json",
    "model",
)
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
    write_history(folder / HISTORY, history)
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
    header = read_header(folder / HEADER)
    metrics = read_checked(folder / METRICS, dict[str, FiniteFloat])
    runtime = read_checked(folder / RUNTIME, Runtime)
    missing = sorted({"test_accuracy", "test_loss", "test_macro_f1", "val_accuracy"} - set(metrics))
    if missing:
        raise LineupError(f"{folder / METRICS}: {', '.join(missing)} missing")
    return Record(folder, header, read_history(folder / HISTORY, header), metrics, runtime)


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
