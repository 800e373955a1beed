"""Check that a new record does not delete other files. A new record replaces all files in its folder."""

from __future__ import annotations

from pathlib import Path

from lineup.errors import LineupError
from lineup.paths import Project
from lineup.records.record import HEADER


def check_record_folder(folder: Path, name: str, project: Project) -> None:
    """Raise an error if a new record would replace other files.

    The folders ``runs/models`` and ``runs/committees`` may contain other files. For example, DVC writes a
    ``.gitignore`` file to both folders. An interrupted stage can leave incomplete records.

    Parameters
    ----------
    folder : Path
        Folder of the new record.
    name : str
        Name of the model or committee.
    project : Project

    Raises
    ------
    LineupError
        If the path has no name (such as ``..``), is a link or a file, is below a file, or is a folder with other files
        and no ``record.json``.

    Examples
    --------
    >>> check_record_folder(Path("a_new_folder"), "basic_cnn", Project(Path.cwd()))
    >>> check_record_folder(Path(".."), "basic_cnn", Project(Path.cwd()))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lineup.errors.LineupError: ..: not a folder with a name; the record would replace it; choose a new or ...
    """
    problem = None
    if folder.name in ("", ".."):
        problem = "not a folder with a name"
    elif folder.is_symlink():
        problem = "a link"
    elif any(path.exists() and not path.is_dir() for path in (folder, *folder.parents)):
        problem = "a file, or below a file"
    elif folder.is_dir() and not _is_replaceable(folder, name, project):
        problem = f"a folder with other files and no {HEADER}"
    if problem:
        raise LineupError(
            f"{folder}: {problem}; the record would replace it; choose a new or empty folder, or the folder of a record"
        )


def _is_replaceable(folder: Path, name: str, project: Project) -> bool:
    if (folder / HEADER).is_file() or not any(folder.iterdir()):
        return True
    return folder.resolve() in [(group / name).resolve() for group in (project.models, project.committees)]
