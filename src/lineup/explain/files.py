"""Find the figures that the stage ``explain`` has made for a record, without importing Keras.

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
from lineup.schema import read_checked

if TYPE_CHECKING:
    from lineup.records.record import Record

EXPLAINED = Path("runs", "explained")
"""Output of the stage ``explain`` in the project folder. It contains one folder per model."""


@dataclass(frozen=True)
class Source:
    """The network from which figures were made.

    Parameters
    ----------
    label : str
        Name of the run.
    weights_sha256 : str
        Hash of the weights.
    """

    label: str
    weights_sha256: str


def source_of(folder: Path) -> Path:
    """Return the path of the file that describes the source of the figures in a folder."""
    return folder / "source.json"


def explained_figures(root: Path, record: Record) -> list[Path]:
    """Return the figures that were made from the network of a record.

    Parameters
    ----------
    root : Path
        Project folder.
    record : Record
        Record of a model or a committee.

    Returns
    -------
    list of Path
        PNG files, sorted by name. The list is empty if there are no figures, or if they show another network, such as
        that of another seed.
    """
    folder = root / EXPLAINED / record.header.name
    weights = record.header.weights
    if weights is None or record.header.experiment is not None or not source_of(folder).is_file():
        return []
    try:
        source = read_checked(source_of(folder), Source)
    except LineupError:
        return []  # the stage writes the folder again
    if source != Source(record.header.label, weights.sha256):
        return []
    return sorted(folder.glob("*.png"))


def figures_sha256(figures: Iterable[Path]) -> str:
    """Return a hash of the names and the contents of figures."""
    return hashlib.sha256("".join(f"{path.name} {file_sha256(path)}\n" for path in figures).encode()).hexdigest()
