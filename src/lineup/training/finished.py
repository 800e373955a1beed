"""Keep copies of finished training runs in a folder that DVC does not delete.

One stage trains a model with all its seeds. DVC removes the outputs of a stage before it runs the stage again. Without
copies, lineup would train the model again with all seeds whenever a seed is added or the stage is interrupted. If the
file system supports hard links, the copies use no additional disk space.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Path(folder, "old").mkdir()
...     Path(folder, "new").mkdir()
...     remove_others(Path(folder), ["new"])
...     [path.name for path in Path(folder).iterdir()]
['new']
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from lineup.errors import LineupError
from lineup.files import folder_sha256, replacing_folder
from lineup.records.header import Header
from lineup.records.record import MODEL, Record, read_record


def keep(folder: Path, place: Path) -> None:
    """Copy a record to the folder ``place``. If the copy cannot be written, a warning is printed."""
    try:
        _copy(folder, place)
    except OSError as error:
        print(f"warning: {place}: this training cannot be kept: {error.strerror}", flush=True)


def restore(place: Path, header: Header, folder: Path) -> Record | None:
    """Restore the record of an earlier training run if the copy in ``runs/finished`` is complete.

    Parameters
    ----------
    place : Path
        Folder of the kept record.
    header : Header
        Header of the training. The kept record must have the same key.
    folder : Path
        Folder of the new record.

    Returns
    -------
    Record or None
        The copied record, or None if the kept record does not exist, does not match, or is damaged.
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
    """Remove the copied records of a model, but keep the records with the given names."""
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
