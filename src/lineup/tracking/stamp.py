"""Know without opening the store that nothing has to be published: MLflow alone takes seconds to import.

After publishing, a small file in the project folder says of which records, and how the file of the store and the
folders of artifacts looked then. While all are the same, the store holds what publishing left there. Whoever writes
into the store, deletes it or deletes artifacts changes them, and publishing looks closely again. Of a store behind a
server nothing can be known from here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lineup.committee.champion import Champion
from lineup.errors import LineupError
from lineup.files import replacing_file
from lineup.records.record import Record
from lineup.schema import read_json
from lineup.tracking.address import store_file, tracking_uri
from lineup.tracking.artifacts import files_in

STAMP = ".published.json"


def is_published(root: Path, records: Sequence[Record], champion: Champion | None = None) -> bool:
    """Return whether the store is certainly as publishing these records and this champion left it."""
    try:
        noted = read_json(root / STAMP)
        folders = [Path(folder) for folder in noted["folders"]]
    except (LineupError, KeyError, TypeError):
        return False
    return bool(noted == _state(root, records, champion, folders))


def note_published(
    root: Path, records: Sequence[Record], champion: Champion | None = None, folders: Sequence[Path] = ()
) -> None:
    """Note that these records have just been published, and that these folders hold their artifacts."""
    state = _state(root, records, champion, folders)
    if state is not None:
        with replacing_file(root / STAMP) as partial:
            partial.write_text(json.dumps(state), encoding="utf-8")


def _state(
    root: Path, records: Sequence[Record], champion: Champion | None, folders: Sequence[Path]
) -> dict[str, Any] | None:
    """Return what is compared; None if the store is no file here."""
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
