"""Where a record may go: it takes the place of the whole folder, so nothing else may be lost there."""

from __future__ import annotations

from pathlib import Path

from lineup.errors import LineupError
from lineup.paths import Project
from lineup.records.record import HEADER


def check_place(folder: Path, name: str, project: Project) -> None:
    """Raise an error, before any work, if a record in this folder would replace what is no record.

    The pipeline's own folder of a record is taken as it is: DVC leaves a ``.gitignore`` there when it removes the
    outputs of a stage that it is about to run, and an interrupted run some of the outputs.

    Parameters
    ----------
    folder : Path
        Where the record is to go.
    name : str
        Of the model or committee.
    project : Project
        The checkout.

    Raises
    ------
    LineupError
        If the path has no name of its own, is a link or a file or below one, or is a folder that holds something and
        no ``record.json``.
    """
    problem = None
    if folder.name in ("", ".."):
        problem = "no folder with a name of its own"
    elif folder.is_symlink():
        problem = "a link"
    elif any(path.exists() and not path.is_dir() for path in (folder, *folder.parents)):
        problem = "a file, or below one"
    elif folder.is_dir() and not _is_replaceable(folder, name, project):
        problem = f"a folder with other files and no {HEADER}"
    if problem:
        raise LineupError(
            f"{folder}: {problem}; the record would take its place: name a new or empty folder, or a former record's"
        )


def _is_replaceable(folder: Path, name: str, project: Project) -> bool:
    if (folder / HEADER).is_file() or not any(folder.iterdir()):
        return True
    return folder.resolve() in [(group / name).resolve() for group in (project.models, project.committees)]
