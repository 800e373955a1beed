"""Keep finished trainings where DVC does not remove them.

DVC removes the outputs of a stage before the stage runs again. A stage trains all seeds of a model, so that without a
copy elsewhere a further seed would train all former ones again, and an interrupted stage would lose the seeds that it
had finished. Copies are hard links where the file system has them: they take no room.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from lineup.errors import LineupError
from lineup.files import folder_sha256, replacing_folder
from lineup.records.record import MODEL, Header, Record, read_record


def keep(folder: Path, place: Path) -> None:
    """Copy a record; a training is not lost if there is no room for the copy."""
    try:
        _copy(folder, place)
    except OSError as error:
        print(f"warning: {place}: no copy of this training is kept: {error.strerror}", flush=True)


def restore(place: Path, header: Header, folder: Path) -> Record | None:
    """Copy a kept record back, if it is there and whole.

    Parameters
    ----------
    place : Path
        Folder of the kept record.
    header : Header
        What the training is about to be: the record must have its key.
    folder : Path
        Where the record is to go.

    Returns
    -------
    Record or None
        None if there is no such record, or it is damaged.
    """
    try:
        kept = read_record(place).header
        if kept.key != header.key or kept.model_files != folder_sha256(place / MODEL):
            return None
        _copy(place, folder)
        return read_record(folder)
    except (LineupError, OSError):
        return None


def remove_others(place: Path, names: Collection[str]) -> None:
    """Remove the kept records of a model, except for those of these names: earlier recipes are not needed again."""
    if not place.is_dir():
        return
    for folder in place.iterdir():
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    with replacing_folder(target) as partial:
        shutil.copytree(source, partial, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
