"""Find the records that `lineup import` has added to a project. Other machines trained them.

An imported record is in the folder ``runs/imported/NAME/KEY-ATTEMPT``. In this path, KEY is the key of the record.
ATTEMPT is a hash that identifies the training run. No stage of the pipeline reads this folder, so imported records
never change the results of the project.

Examples
--------
>>> imported_folders(Project(Path("new")))
[]
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from lineup.errors import LineupError, expected_one_of, shortened
from lineup.paths import Project
from lineup.records.record import HEADER, Record, read_record

RUNS, IMPORTED = "runs", "imported"
SHORT = 8
"""Number of characters of a key in the name of an imported record."""


def imported_root(project: Project) -> Path:
    """Return the folder of all imported records."""
    return project.root / RUNS / IMPORTED


def imported_folder(project: Project, record: Record) -> Path:
    """Return the folder in which a record from another machine is stored.

    Two machines with the same device can produce records with the same key. The folder names of these records end with
    different hashes.
    """
    attempt = hashlib.sha256(record.runtime.attempt.encode()).hexdigest()[:SHORT]
    return imported_root(project) / record.header.name / f"{record.header.key}-{attempt}"


def imported_folders(project: Project) -> list[Path]:
    """Return the folders of all imported records, sorted by name."""
    return sorted(path.parent for path in imported_root(project).glob(f"[!.]*/[!.]*/{HEADER}"))


def is_imported(record: Record) -> bool:
    """Return whether a record is in the folder of imported records."""
    parents = record.folder.absolute().parents
    return len(parents) > 2 and (parents[2].name, parents[1].name) == (RUNS, IMPORTED)


def imported_name(record: Record) -> str:
    """Return the name of an imported record, such as ``basic_cnn_seed1@0d1f2a3b``.

    The part after the ``@`` is the beginning of the folder name.
    """
    return f"{record.header.label}@{record.folder.name[:SHORT]}"


def find_imported(project: Project, name: str) -> list[Record]:
    """Return the imported records with a name.

    Parameters
    ----------
    project : Project
    name : str
        ``MODEL@WHERE`` or ``RUN@WHERE``, such as ``basic_cnn@gpu-server`` or ``basic_cnn_seed1@0d1f2a3b``. WHERE is the
        host of the records, or the start of a record's folder name, which starts with its key.

    Returns
    -------
    list of Record
        Sorted by seed.

    Raises
    ------
    LineupError
        If there is no such record, or if a record cannot be read.
    """
    label, _, where = name.partition("@")
    records = imported_records(project)
    found = [
        record
        for record in records
        if label in (record.header.name, record.header.label)
        and where
        and (where == record.runtime.machine.host or record.folder.name.startswith(where))
    ]
    if not found:
        raise LineupError(
            f"no imported record {shortened(repr(name), 100)};"
            f" {expected_one_of(name, map(imported_name, records), 'lineup list --imported')}"
        )
    return found


def imported_records(project: Project) -> list[Record]:
    """Return all imported records, sorted by name and seed. Models precede committees."""
    records = [read_record(folder) for folder in imported_folders(project)]
    return sorted(records, key=lambda one: (bool(one.header.members), one.header.name, one.header.seed))
