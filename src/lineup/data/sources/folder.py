"""Read a folder of pictures. Each class has its own sub-folder, optionally inside of ``train/``, ``val/`` or ``test/``.

Examples
--------
>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("cat", "dog"):
...         Path(folder, name).mkdir()
...         Image.new("L", (3, 2)).save(Path(folder, name, "one.PNG"))
...     source = read_folder(Path(folder), None)
>>> source.classes, source.names
(('cat', 'dog'), ['cat/one.PNG', 'dog/one.PNG'])
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lineup.data.pictures import ALL_FORMATS, FILE_FORMATS, picture_size, read_picture
from lineup.data.sources.source import Entry, Source, make_source, part_of
from lineup.errors import LineupError, count, shortened

GROUP = "folder"
"""Value of ``data.group`` for which the folders inside of a class are the groups."""

_NOT_CLASSES = ("__macosx", "thumbs.db", "desktop.ini")


def read_folder(path: Path, group: str | None) -> Source:
    """List the pictures in a folder.

    Parameters
    ----------
    path : Path
        Folder with one sub-folder per class. If all sub-folders have names such as ``train``, ``val`` and ``test``,
        the classes are inside of these folders. Folders inside of a class belong to the class.
    group : {"folder"} or None
        With "folder", each folder inside of a class is a group. Default: no groups.

    Raises
    ------
    LineupError
        If there is no sub-folder with pictures.
    """
    if group not in (None, GROUP):
        raise LineupError(f"data.group = {shortened(repr(group), 80)}: expected {GROUP} for a folder of pictures")
    walk = _Walk(path)
    roots = _parts(path)
    if roots[0][0]:
        walk.empty += [name for name in _folders(path) if not part_of(name)]
    for part, root in roots:
        for name in _folders(root):
            walk.add_class(root / name, name, part, grouped=group is not None)
        walk.ignored += sum(_is_picture(item.name) and item.is_file() for item in root.iterdir())
    if not walk.entries:
        raise LineupError(f"{path}: expected one sub-folder of pictures per class, {_instead(path, walk)}")
    form = "folder with one sub-folder per class"
    if roots[0][0]:
        form += f", in {', '.join(root.name for _, root in roots)}"
    return make_source(
        path,
        form,
        walk.entries,
        read=partial(_read, path, walk.entries),
        size=partial(_size, path, walk.entries),
        problems=walk.problems,
        notes=_notes(walk),
    )


def file_source(root: Path, form: str, entries: list[Entry], problems: list[str], path: Path) -> Source:
    """Return a source of picture files. The names of the entries are paths relative to ``root``."""
    read, size = partial(_read, root, entries), partial(_size, root, entries)
    return make_source(path, form, entries, read=read, size=size, problems=problems)


class _Walk:
    """Collect the pictures of all classes.

    Parameters
    ----------
    root : Path
        Folder of the dataset. Links to files outside of this folder are not followed.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.real = root, root.resolve()
        self.entries: list[Entry] = []
        self.problems: list[str] = []
        self.empty: list[str] = []
        self.ignored = 0

    def add_class(self, folder: Path, label: str, part: str, *, grouped: bool) -> None:
        """Add all pictures in the folder of one class."""
        before = len(self.entries)
        for path in _files(folder):
            if not _is_picture(path.name):
                self.ignored += not path.name.startswith(".") and path.name.lower() not in _NOT_CLASSES
                continue
            name = path.relative_to(self.root).as_posix()
            if problem := self._problem(path):
                self.problems.append(f"{_shown(name)}: {problem}")
                continue
            inside = path.relative_to(folder).parts
            # A picture that is not in such a folder is a group of its own.
            group = f"{label}/{inside[0]}" if grouped else None
            self.entries.append(Entry(name, label, part, group))
        if len(self.entries) == before:
            self.empty.append(label)

    def _problem(self, path: Path) -> str:
        """Return the reason why a file is left out, or an empty string if the file can be read."""
        if path.is_symlink() and not path.resolve().is_relative_to(self.real):
            return "a link to a file outside of the folder"
        return "" if path.is_file() else "not a regular file"


def _parts(path: Path) -> list[tuple[str, Path]]:
    """Return the folders of the parts. If the folder is not divided into parts, return only the folder itself.

    If ``train`` is the only folder, it can also be a class that contains pictures of trains.
    """
    folders = _folders(path)
    found = [(part, path / name) for name in folders if (part := part_of(name))]
    names = {part for part, _ in found}
    divided = "train" in names and (len(names) > 1 or len(folders) == 1)
    return found if divided else [("", path)]


def _folders(path: Path) -> list[str]:
    """Return the names of all visible sub-folders. Links to folders are not followed, because they can be circular."""
    with os.scandir(path) as items:
        found = [item.name for item in items if item.is_dir(follow_symlinks=False)]
    return sorted(name for name in found if not name.startswith(".") and name.lower() not in _NOT_CLASSES)


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and its sub-folders, in the order of their names."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name.lower() not in _NOT_CLASSES)
        for name in sorted(names):
            if not name.startswith("._"):  # metadata files of macOS
                yield Path(parent, name)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in FILE_FORMATS and not name.startswith(".")


def _notes(walk: _Walk) -> list[str]:
    notes = []
    if walk.ignored:
        notes.append(f"{count(walk.ignored, 'other file')} ignored")
    if walk.empty:
        listed = ", ".join(_shown(name) for name in walk.empty[:3])
        notes.append(f"{count(walk.empty, 'folder')} without pictures of a class ignored: {listed}")
    return notes


def _instead(path: Path, walk: _Walk) -> str:
    """Describe a folder that has no sub-folders with pictures.

    The description is part of an error message.
    """
    if walk.problems:
        return f"found {count(walk.problems, 'file')} that cannot be used: {walk.problems[0]}"
    inside = sum(_is_picture(item.name) for item in path.iterdir())
    if inside:
        return f"found {count(inside, 'picture')} in the folder itself; for a table of labels, give its CSV file"
    return "found none"


def _read(root: Path, entries: list[Entry], index: int) -> NDArray[np.uint8]:
    return read_picture(root / entries[index].name, ALL_FORMATS)


def _size(root: Path, entries: list[Entry], index: int) -> tuple[int, int]:
    return picture_size(root / entries[index].name, ALL_FORMATS)


def _shown(name: str) -> str:
    return shortened(repr(name), 120)
