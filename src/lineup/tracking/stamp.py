"""Detect that all records are already published, without importing MLflow, which takes seconds.

After publishing, lineup writes a stamp: a small file with hashes of the records and artifacts, and with the size and
the modification time of the store. If the stamp still matches, publishing has nothing to do. Any write into the store
and any deleted artifact changes the stamp. A store on a server has no stamp.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lineup.committee.champion import Champion
from lineup.errors import LineupError
from lineup.records.record import Record
from lineup.schema import read_json, write_json
from lineup.tracking.address import store_file, tracking_uri
from lineup.tracking.artifacts import files_in

STAMP = ".published.json"


def is_published(root: Path, records: Sequence[Record], champion: Champion | None = None) -> bool:
    """Return whether the store has not changed since these records and this champion were published."""
    try:
        stamp = read_json(root / STAMP)
        folders = [Path(folder) for folder in stamp["folders"]]
    except (LineupError, KeyError, TypeError):
        return False
    return bool(stamp == _state(root, records, champion, folders))


def save_stamp(
    root: Path, records: Sequence[Record], champion: Champion | None = None, folders: Sequence[Path] = ()
) -> None:
    """Write the stamp for published records and the folders with their artifacts."""
    state = _state(root, records, champion, folders)
    if state is not None:
        write_json(root / STAMP, state)


def _state(
    root: Path, records: Sequence[Record], champion: Champion | None, folders: Sequence[Path]
) -> dict[str, Any] | None:
    """Return the content of the stamp, or None if the store is not a local file."""
    database = store_file(tracking_uri(root))
    if database is None or not database.is_file():
        return None
    digests = hashlib.sha256("".join(f"{record.folder}{record.digest()}" for record in records).encode())
    files = [database, *(database.with_name(f"{database.name}{suffix}") for suffix in ("-wal", "-journal"))]
    looks = [[file.name, file.stat().st_mtime_ns, file.stat().st_size] for file in files if file.is_file()]
    artifacts = hashlib.sha256("".join(f"{sorted(files_in(folder).items())}" for folder in folders).encode())
    return {
        "store": str(database),
        "files": looks,
        "folders": list(map(str, folders)),
        "artifacts": artifacts.hexdigest(),
        "records": digests.hexdigest(),
        "champion": champion and champion.key,
    }
