"""Check quickly whether all records are already published. This check does not import MLflow.

After publishing, lineup writes a small file called the stamp. The stamp file contains the sizes and the modification
times of all record files, of all figures of the stage ``explain``, and of the store. The stamp file also contains a
version number and a hash of the list of artifacts. If none of these values has changed, there is nothing to publish.
The values change if a record, a figure or the store changes, or if an artifact is deleted. If the store is on a server,
there is no stamp file.

The output of the stage ``publish`` is another file, which is called the mark. The mark file has the same content on
every machine. If a value in the stamp file has changed, the stage ``code`` deletes the mark file. DVC then runs the
stage ``publish`` again.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Path(folder, "mlflow.db").touch()
...     before = is_published(Path(folder), records=[])
...     save_stamp(Path(folder), records=[])
...     before, is_published(Path(folder), records=[])
(False, True)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lineup.errors import LineupError
from lineup.explain.files import EXPLAINED
from lineup.schema import read_json, write_json
from lineup.tracking.address import local_store, shown_uri, tracking_uri
from lineup.tracking.listing import files_in

STAMP = ".published.json"
VERSION = 2
"""Version of the contents of the store. With a new number, all records are published once more."""
MARK = ".published"
"""Output of the stage ``publish``."""


def is_published(root: Path, records: Sequence[Path], champion: Any = None) -> bool:
    """Return whether the given records and the champion are already published.

    Parameters
    ----------
    root : Path
        Project folder.
    records : sequence of Path
        Folders of the records.
    champion : object, optional
        Content of ``champion.json``. Default: no champion.
    """
    try:
        stamp = read_json(root / STAMP)
        artifacts = [Path(folder) for folder in stamp["folders"]]
    except (LineupError, KeyError, TypeError):
        return False
    return bool(stamp == _state(root, records, champion, artifacts))


def summary(root: Path, *, unchanged: int, new: int = 0, completed: int = 0) -> str:
    """Return one line with the numbers of new, completed and unchanged runs.

    The line ends with the address of the MLflow store.
    """
    return f"MLflow: {new} new, {completed} completed, {unchanged} unchanged ({shown_uri(tracking_uri(root))})"


def save_stamp(root: Path, records: Sequence[Path], champion: Any = None, artifacts: Sequence[Path] = ()) -> None:
    """Write the stamp file. Call this function after all records have been published.

    ``artifacts`` are the folders that contain the artifacts of the records.
    """
    state = _state(root, records, champion, artifacts)
    if state is not None:
        write_json(root / STAMP, state)


def write_mark(root: Path) -> None:
    """Write the mark file after all records of the project have been published."""
    (root / MARK).write_text("All records are in the MLflow store.\n", encoding="utf-8")


def _state(root: Path, records: Sequence[Path], champion: Any, artifacts: Sequence[Path]) -> dict[str, Any] | None:
    """Return the content of the stamp, or None if the store is not a local file."""
    database = local_store(root)
    if database is None or not database.is_file():
        return None
    files = [database, *(database.with_name(f"{database.name}{suffix}") for suffix in ("-wal", "-journal"))]
    return {
        "version": VERSION,
        "store": str(database),
        "files": [_look(file) for file in files if file.is_file()],
        "folders": list(map(str, artifacts)),
        "artifacts": _sha256([files_in(folder) for folder in artifacts]),
        "explained": _sha256([_look(file) for file in _files(root / EXPLAINED)]),
        "records": _sha256([[folder, *map(_look, _files(folder))] for folder in records]),
        "champion": champion,
    }


def _files(folder: Path) -> list[Path]:
    """Return all files of a folder. The folder can be a record with its model. The folder may be missing."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _look(file: Path) -> list[Any]:
    status = file.stat()
    return [file.name, status.st_mtime_ns, status.st_size]


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
