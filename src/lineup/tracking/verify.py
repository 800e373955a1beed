"""Check that the model of a record is the one that was trained, before it is published."""

from __future__ import annotations

from collections.abc import Iterable

from lineup.committee.model import read_committee
from lineup.errors import LineupError, shortened
from lineup.files import folder_sha256
from lineup.records.record import MODEL, Record
from lineup.training.estimator import FILE as ESTIMATOR
from lineup.training.network import NETWORK, load_network, weights_sha256
from lineup.training.skops_file import file_arrays_sha256


def check_models(records: Iterable[Record]) -> None:
    """Raise an error if a record's predictions or its ``model/`` are not what its ``record.json`` describes.

    Its files are compared with their hashes. A record from before there were such hashes has one of the weights, for
    which the model is read: of a network, with TensorFlow.

    Raises
    ------
    LineupError
        If a file is missing, changed, cut, or was never part of the record. The line names it.
    """
    for record in records:
        try:
            record.predictions()
            problem = _wrong_files(record) if record.header.model_files else _wrong_weights(record)
        except LineupError as error:  # it names the file
            raise LineupError(f"{error}; {_remedy(record)}") from error
        if problem:
            raise LineupError(f"{record.folder / MODEL}: {problem}; {_remedy(record)}")


def _remedy(record: Record) -> str:
    remedy = "make it again" if record.header.experiment else "restore it (dvc checkout --force) or run dvc repro"
    return f"{remedy}; nothing was published"


def _wrong_files(record: Record) -> str | None:
    """Return which file is not what the header says, None if all are."""
    expected, found = record.header.model_files, folder_sha256(record.folder / MODEL)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"no {name} here"
        if name not in expected:
            return f"{shortened(name, 100)} does not belong to this record"
        if found[name] != expected[name]:
            return f"{name} is not the file that was saved with this record"
    return None


def _wrong_weights(record: Record) -> str | None:
    """Return why the model of a record without hashes of files is not its own, None if it is."""
    folder, header = record.folder / MODEL, record.header
    if header.kind == "committee":
        members, fitted = read_committee(folder)
        same = (members, fitted.rule) == ([member.label for member in header.members], header.architecture)
        return None if same else "the members or the rule are not those of record.json"
    found = (
        weights_sha256(load_network(folder / NETWORK))
        if header.kind == "network"
        else file_arrays_sha256(folder / ESTIMATOR)
    )
    same = header.weights is not None and found == header.weights.sha256
    return None if same else "the weights are not those of record.json"
