"""Import the records of an archive into a project.

If one record is invalid, no record is imported.

Examples
--------
>>> from lineup.paths import Project
>>> import_archive(Path("new.zip"), Project(Path("new")))
Traceback (most recent call last):
lineup.errors.LineupError: new.zip: no such file
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lineup.errors import LineupError, shortened
from lineup.files import ROOM, check_room, folder_sha256, replacing_folder
from lineup.paths import Project
from lineup.records.archive import open_archive
from lineup.records.check import check_content
from lineup.records.imported import imported_folder, imported_folders, imported_root, is_imported
from lineup.records.record import HEADER, MODEL, PREDICTIONS, Record, read_record

_STAGING = ".import-"

Identity = tuple[str, str]
"""Label and attempt of a training run. They do not change if a later version of lineup computes another key."""


@dataclass(frozen=True)
class Imported:
    """Outcome of the import of one record.

    Parameters
    ----------
    record : Record
        The record in the project.
    state : str
        ``new``; ``completed`` if the project had the record without its model; or ``unchanged``.
    """

    record: Record
    state: str


def import_archive(path: Path, project: Project) -> list[Imported]:
    """Add the records of an archive to the imported records of a project.

    All records are first unpacked into a temporary folder and checked. Then they are added to the project. Records that
    the project already contains are not added again.

    Parameters
    ----------
    path : Path
        File of `lineup.records.archive.write_archive`, which may be damaged or hostile.
    project : Project
        The project. Its own records are not changed.

    Returns
    -------
    list of Imported
        In the order of the archive.

    Raises
    ------
    LineupError
        If the file is not a valid archive of records, or if the project has a different record of the same training run
        run. The project is then unchanged.
    """
    with open_archive(path) as archive, _staging(project, archive.bytes) as staging:
        records = []
        for number, folder in enumerate(archive.records):
            place = staging / str(number)
            archive.unpack(folder, place)
            records.append(_checked_record(place, f"{path}: {folder}"))
        known = _known(project)
        states = [_state(path, record, known.get(_identity(record))) for record in records]
        if len({_identity(record) for record in records}) < len(records):
            raise LineupError(f"{path}: contains two records of the same training run; nothing was imported")
        return [_add(record, state, known, project) for record, state in zip(records, states, strict=True)]


@contextmanager
def _staging(project: Project, size: int) -> Iterator[Path]:
    """Yield a new temporary folder next to the imported records. Folders of killed processes are removed first."""
    import psutil

    root = imported_root(project)
    absent = [folder for folder in (root, root.parent) if not folder.is_dir()]
    staging = root / f"{_STAGING}{os.getpid()}.partial"
    for left in root.glob(f"{_STAGING}*"):
        process = left.stem.removeprefix(_STAGING)[:9]
        if left == staging or not (process.isdecimal() and psutil.pid_exists(int(process))):
            shutil.rmtree(left, ignore_errors=True)
    try:
        check_room(staging, size + ROOM)
        staging.mkdir()
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()  # fails unless nothing was imported


def _checked_record(place: Path, shown: str) -> Record:
    """Read an unpacked record and check it. Error messages show the name in the archive, not the temporary path."""
    try:
        record = read_record(place)
        check_content(record)
    except LineupError as error:
        text = str(error).replace(f"{place}{os.sep}", f"{shown}/").replace(str(place), shown)
        raise LineupError(text) from error
    return record


def _identity(record: Record) -> Identity:
    return record.header.label, record.runtime.attempt


def _known(project: Project) -> dict[Identity, Path]:
    """Return the folders of all complete records. A project's own record takes precedence over an imported record."""
    own = chain(project.experiments.glob("*"), project.models.glob("*/*"), project.committees.glob("*/*"))
    found = {}
    for folder in chain(imported_folders(project), own):
        if (folder / HEADER).is_file() and (folder / PREDICTIONS).is_file():
            with suppress(LineupError):
                found[_identity(read_record(folder))] = folder
    return found


def _state(path: Path, record: Record, known: Path | None) -> str:
    """Return the state of a record (see `Imported`). ``known`` is the folder of the same run."""
    if known is None:
        return "new"
    other = read_record(known)
    models = [folder_sha256(folder / MODEL) if (folder / MODEL).is_dir() else {} for folder in (record.folder, known)]
    if other.digest() != record.digest() or (all(models) and models[0] != models[1]):
        raise LineupError(
            f"{path}: {record.header.label}, trained on {shortened(record.runtime.machine.host, 60)},"
            f" is in conflict with {known}: the same training run with different files; nothing was imported"
        )
    return "completed" if models[0] and not models[1] and is_imported(other) else "unchanged"


def _add(record: Record, state: str, known: Mapping[Identity, Path], project: Project) -> Imported:
    """Move a checked record into the project, unless the project already contains it."""
    target = known.get(_identity(record)) or imported_folder(project, record)
    if state != "unchanged":
        with replacing_folder(target) as partial:
            for file in sorted(record.folder.iterdir()):
                file.rename(partial / file.name)
    return Imported(read_record(target), state)
