"""Find the figures that the stage ``explain`` has created for a record.

These functions do not import Keras.

Examples
--------
>>> source_of(Path("runs/explained/basic_cnn")).as_posix()
'runs/explained/basic_cnn/source.json'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.errors import LineupError
from lineup.files import file_sha256
from lineup.records.record import HEADER
from lineup.schema import read_checked

if TYPE_CHECKING:
    from lineup.records.record import Record

EXPLAINED = Path("runs", "explained")
"""Output of the stage ``explain`` in the project folder. It contains one folder per model or committee."""


@dataclass(frozen=True)
class Source:
    """The record from which figures were made.

    Parameters
    ----------
    label : str
        Name of the run.
    record_sha256 : str
        Hash of ``record.json``, which contains the hash of the weights, or of the predictions of all members.
    """

    label: str
    record_sha256: str

    @classmethod
    def of(cls, record: Record) -> Source:
        """Describe a record."""
        return cls(record.header.label, file_sha256(record.folder / HEADER))


def source_of(folder: Path) -> Path:
    """The figures in a folder show one record. Return the path of the file that names this record."""
    return folder / "source.json"


def explained_figures(root: Path, record: Record) -> list[Path]:
    """Return the figures that were made from a record.

    Parameters
    ----------
    root : Path
        Project folder.
    record : Record
        Record of a model or a committee.

    Returns
    -------
    list of Path
        PNG files, sorted by name. The list is empty if there are no figures, or if they were made from another record,
        such as that of another seed.
    """
    folder = root / EXPLAINED / record.header.name
    if record.header.experiment is not None or not source_of(folder).is_file():
        return []
    try:
        source = read_checked(source_of(folder), Source)
    except LineupError:
        return []  # the stage writes the folder again
    if source != Source.of(record):
        return []
    return sorted(folder.glob("*.png"))


def figures_sha256(figures: Iterable[Path]) -> str:
    """Compute a hash of the names and the contents of several figures."""
    return hashlib.sha256("".join(f"{path.name} {file_sha256(path)}\n" for path in figures).encode()).hexdigest()
