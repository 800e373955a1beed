"""Check that the files of a record are consistent, before export and after import.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Path(folder, "network.keras").touch()
...     check_format(Path(folder, "network.keras"))  # doctest: +ELLIPSIS
Traceback (most recent call last):
lineup.errors.LineupError: .../network.keras: expected a model, found a damaged or different file
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.evaluation.metrics import confusion_counts
from lineup.files import folder_sha256, open_regular
from lineup.npz import read_npz
from lineup.records.predictions import PREDICTIONS_LIMIT
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
)
from lineup.schema import read_json

RECORD_FILES = (HEADER, HISTORY, METRICS, PREDICTIONS, CONFUSION, RUNTIME)
"""Files of a complete record, without its model."""
COMMITTEE_FILES = ("committee.json", "analysis.json")
"""Files of a committee's model. They describe the committee and are small."""
MODEL_FILES = ("network.keras", "estimator.skops", "figures.npz", *COMMITTEE_FILES)
"""Files of a model. None of them is a pickle."""

_PARTS = {"network.keras": "config.json", "estimator.skops": "schema.json"}
"""A file inside of each model file, which is a ZIP archive."""


def check_content(record: Record) -> None:
    """Check that the files of a record are consistent.

    Parameters
    ----------
    record : Record
        The record. Its model can be missing, except for a committee.

    Raises
    ------
    LineupError
        If the metrics, the confusion matrix or the model do not match the predictions or ``record.json``, or if a file
        of the model has another format.
    """
    check_stored(record.folder / PREDICTIONS)
    test = record.predictions().test
    counts = confusion_counts(test.probabilities, test.labels, len(record.header.data.classes))
    if not np.array_equal(counts, read_confusion(record)):
        raise LineupError(f"{record.folder / CONFUSION}: differs from the predictions")
    images = len(test.labels)
    if images and abs(int(np.trace(counts)) / images - record.metrics["test_accuracy"]) > 1e-6:
        raise LineupError(f"{record.folder / METRICS}: test_accuracy differs from that of the predictions")
    model = record.folder / MODEL
    if model.is_dir():
        _check_model(record, model)
    elif record.header.members:
        raise LineupError(f"{model}: missing; expected {' and '.join(COMMITTEE_FILES)}")


def check_format(path: Path) -> None:
    """Check the format of a model file without loading the model.

    Raises
    ------
    LineupError
        If the file has another format.
    """
    if path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".npz":
        check_stored(path)
        read_npz(path, max_bytes=PREDICTIONS_LIMIT)
    else:
        try:
            with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
                is_model = _PARTS[path.name] in archive.namelist()
        except Exception as error:  # damaged files cause many types of errors
            raise LineupError(f"{path}: expected a model, found a damaged or different file") from error
        if not is_model:
            raise LineupError(f"{path}: expected a model, found a different ZIP archive")


def check_stored(path: Path) -> None:
    """Check that an NPZ file of a record contains no compressed arrays. lineup itself never compresses these arrays.

    A compressed file of 2 MB can contain 2 GiB of zeros, which would fill the memory.

    Raises
    ------
    LineupError
        If the arrays need more bytes than the file. Other damages are left to the reader of the file.
    """
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            size = stream.seek(0, os.SEEK_END)
    except Exception:  # damaged files cause many types of errors
        return
    if unpacked > size:
        raise LineupError(f"{path}: {unpacked:,} bytes compressed to {size:,}; expected arrays without compression")


def _check_model(record: Record, model: Path) -> None:
    """Check the names, the formats and the hashes of all model files. Records of schema 1 have no hashes."""
    names = sorted(file.name for file in model.iterdir())
    unknown = [name for name in names if name not in MODEL_FILES]
    if unknown or not names:
        found = shortened(", ".join(unknown)) or "none"
        raise LineupError(f"{model}: expected files of {', '.join(MODEL_FILES)}; found {found}")
    if record.header.members and not set(COMMITTEE_FILES) <= set(names):
        raise LineupError(f"{model}: expected {' and '.join(COMMITTEE_FILES)}; found {', '.join(names)}")
    for name in names:
        check_format(model / name)
    expected = record.header.model_files
    if expected and folder_sha256(model) != expected:
        raise LineupError(f"{model}: its files differ from the hashes in {HEADER}")
