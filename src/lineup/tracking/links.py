"""Copy folders without symbolic links, because MLflow rejects links.

Each link is replaced with the file that it points to. DVC can replace files in the workspace with links to its cache.
This depends on the setting ``cache.type``. A record from another machine may contain links to arbitrary files. For
security, only links to files in the project or in DVC's cache are followed.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     Path(folder, "pages").mkdir()
...     _ = Path(folder, "pages", "leaderboard.md").write_text("| model |")
...     copy = copy_files(Path(folder), Path(folder, "pages"), Path(folder, "copy"))
...     [path.name for path in copy.iterdir()]
['leaderboard.md']
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lineup.errors import LineupError


def check_links(root: Path, folder: Path) -> None:
    """Raise an error if a folder contains a link to a file outside the project.

    Links to files in DVC's cache are allowed.

    Parameters
    ----------
    root : Path
        Project folder.
    folder : Path
        Folder to check, for example that of a record.

    Raises
    ------
    LineupError
        If there is such a link, or a link to a missing file. The message names the link.
    """
    inside = (root.resolve(), folder.resolve())
    for link in _links(folder):
        target = link.resolve()
        if not target.is_file():
            raise LineupError(f"{link}: a link to {target}, which is not a file; restore it with dvc checkout --relink")
        if any(target.is_relative_to(place) for place in inside):
            continue
        cache = _cache(root)
        if cache is None or not target.is_relative_to(cache):
            raise LineupError(
                f"{link}: a link to {target}, which is outside the project and DVC's cache;"
                " restore the file with dvc checkout --relink, or replace the link with a copy"
            )


def copy_files(root: Path, source: Path, target: Path) -> Path:
    """Copy a folder, replace all links with files, and return the path of the copy.

    Raises
    ------
    LineupError
        If a link cannot be followed; see `check_links`.
    """
    check_links(root, source)
    return Path(shutil.copytree(source, target))


def _links(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        yield from (path for name in (*folders, *names) if (path := Path(place, name)).is_symlink())


@lru_cache
def _cache(root: Path) -> Path | None:
    """Return the cache folder of DVC, or None if the project is not a DVC repository.

    The cache folder may be outside the project.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            return Path(repo.cache.local_cache_dir).resolve()
    except DvcException:
        return None
