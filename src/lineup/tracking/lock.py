"""Allow only one process at a time to publish runs.

Without a lock, two processes would replace each other's unfinished runs.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder, publish_lock(Path(folder), print):
...     print("publishing")
publishing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lineup.tracking.address import store_file, tracking_uri

LOCK = ".mlflow.publish.lock"


@contextmanager
def publish_lock(root: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock while publishing. Wait while another process is publishing to the same store.

    For an SQLite store, the lock file is in the folder of the database. For a store on a server, the lock file is in
    the project folder and has no effect on other machines.

    Parameters
    ----------
    root : Path
        Project folder.
    log : callable
        Called with one line if another process is publishing.
    """
    from filelock import FileLock, Timeout

    database = store_file(tracking_uri(root))
    lock = FileLock((database.parent if database else root) / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log("waiting until another process has finished publishing into this store ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
