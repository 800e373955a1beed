"""Copies of workspace files in which no file is a link, because MLflow refuses links.

DVC makes the files of a workspace links into its cache where ``cache.type`` says so. A record may come from another
machine, and a link in it may name any file of this one: only links into the project or into DVC's cache are followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lineup.errors import LineupError


def check_links(root: Path, folder: Path) -> None:
    """Raise an error if a folder holds a link to something else than a file of the project or of DVC's cache.

    Parameters
    ----------
    root : Path
        Project folder.
    folder : Path
        Such as that of a record.

    Raises
    ------
    LineupError
        If there is such a link; the line names it.
    """
    inside = (root.resolve(), folder.resolve())
    for link in _links(folder):
        target = link.resolve()
        if not target.is_file():
            raise LineupError(f"{link}: a link to {target}, which is not a file; restore it (dvc checkout --relink)")
        if any(target.is_relative_to(place) for place in inside):
            continue
        cache = _cache(root)
        if cache is None or not target.is_relative_to(cache):
            raise LineupError(
                f"{link}: a link to {target}, outside of the project and of DVC's cache, is not followed;"
                " restore the file (dvc checkout --relink), or put a copy of it in this place"
            )


def copy_files(root: Path, source: Path, target: Path) -> Path:
    """Copy a folder with its subfolders to a new place, the files themselves instead of links, and return the copy.

    Raises
    ------
    LineupError
        As `check_links`.
    """
    check_links(root, source)
    return Path(shutil.copytree(source, target))


def _links(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        yield from (path for name in (*folders, *names) if (path := Path(place, name)).is_symlink())


@lru_cache
def _cache(root: Path) -> Path | None:
    """Return the folder of DVC's cache, which may be anywhere; None if this is not a DVC repository."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            return Path(repo.cache.local_cache_dir).resolve()
    except DvcException:
        return None
