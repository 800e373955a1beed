"""Before publishing, check that all files of a record exist, are readable and have not changed.

Examples
--------
>>> from types import SimpleNamespace
>>> record = SimpleNamespace(folder=Path("runs/models/cnn/seed_1"), header=SimpleNamespace(members=[]))
>>> check_records(Path(), [record])  # doctest: +ELLIPSIS
Traceback (most recent call last):
lineup.errors.LineupError: runs/models/cnn/seed_1: no record.json and no history.csv and ...
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lineup.committee.model import ANALYSIS, COMMITTEE, read_committee
from lineup.errors import LineupError, shortened
from lineup.files import folder_sha256, open_regular
from lineup.records.check import RECORD_FILES
from lineup.records.compact import COPIED, FILE, is_compact, predicted_classes
from lineup.records.imported import is_imported
from lineup.records.record import MODEL, Record, read_confusion
from lineup.remedies import how_to_make
from lineup.tracking.links import check_links
from lineup.tracking.model import lacks_model
from lineup.training.estimator import FILE as ESTIMATOR
from lineup.training.network import NETWORK, load_network, weights_sha256
from lineup.training.skops_file import file_arrays_sha256


def check_records(root: Path, records: Iterable[Record]) -> None:
    """Raise an error if a record is incomplete or if its files have changed.

    The model files are compared with the hashes in ``record.json``. Older records contain only a hash of the model
    weights, so the model must be loaded for the check.

    Parameters
    ----------
    root : Path
        Project folder.
    records : iterable of Record
        Records of models and committees.

    Raises
    ------
    LineupError
        If a file is missing, damaged or changed, does not belong to the record, or is a link to a file outside the
        project. The message names the file.
    """
    for record in records:
        _check_files(record)
        check_links(root, record.folder)
        try:
            predicted_classes(record)
            problem = None if lacks_model(record) else _wrong_model(record)
        except LineupError as error:  # the message names the file
            raise LineupError(f"{error}; {_remedy(record)}") from error
        if problem:
            raise LineupError(f"{record.folder / MODEL}: {problem}; {_remedy(record)}")


def _check_files(record: Record) -> None:
    """Raise an error if a file of a record is missing or cannot be read.

    In a fresh clone of the repository, the files that DVC manages are missing.
    """
    model = [f"{MODEL}/{name}" for name in (COMMITTEE, ANALYSIS)] if record.header.members else [MODEL]
    files = (*COPIED, FILE) if is_compact(record) else RECORD_FILES
    needed = files if lacks_model(record) else (*files, *model)
    absent = [name for name in needed if not (record.folder / name).exists()]
    if absent:
        raise LineupError(
            f"{record.folder}: no {' and no '.join(absent)} here; {how_to_make(record.folder / absent[0])}"
        )
    for path in (record.folder / name for name in files):
        try:
            open_regular(path).close()
        except OSError as error:
            raise LineupError(f"{path}: cannot be read: {error.strerror}") from error
    read_confusion(record)


def _remedy(record: Record) -> str:
    if is_compact(record):
        return f"restore it (git checkout -- {record.folder}); nothing was published"
    if is_imported(record):
        return "delete its folder and import it again; nothing was published"
    remedy = "train it again" if record.header.experiment else "restore it (dvc checkout --force) or run dvc repro"
    return f"{remedy}; nothing was published"


def _wrong_model(record: Record) -> str | None:
    """Compare a model with its record. Return the first problem as text, or None if there is no problem."""
    return _wrong_files(record) if record.header.model_files else _wrong_weights(record)


def _wrong_files(record: Record) -> str | None:
    """Compare the files of a model with their expected hashes.

    Describe the first file that differs, or return None if all files match.
    """
    expected, found = record.header.model_files, folder_sha256(record.folder / MODEL)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"no {name} here"
        if name not in expected:
            return f"{shortened(name, 100)} does not belong to this record"
        if found[name] != expected[name]:
            return f"{name} differs from the file that was saved with this record"
    return None


def _wrong_weights(record: Record) -> str | None:
    """Check the weights of a model if its record contains no file hashes.

    Return a description of the problem, or None if the model matches its record.
    """
    folder, header = record.folder / MODEL, record.header
    if header.kind == "committee":
        members, fitted = read_committee(folder)
        same = (members, fitted.rule) == ([member.label for member in header.members], header.architecture)
        return None if same else "the members or the rule differ from record.json"
    found = (
        weights_sha256(load_network(folder / NETWORK))
        if header.kind == "network"
        else file_arrays_sha256(folder / ESTIMATOR)
    )
    same = header.weights is not None and found == header.weights.sha256
    return None if same else "the weights differ from record.json"
