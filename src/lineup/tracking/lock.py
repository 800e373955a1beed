"""One publish at a time: two of them at once would each replace the runs that the other one has begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lineup.tracking.address import store_file, tracking_uri

LOCK = ".mlflow.publish.lock"


@contextmanager
def publish_lock(root: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process publishes into the same store, and keep others waiting meanwhile.

    The lock is a file beside the file of the store. A store behind a server has no file here: the lock is then in the
    project folder, and processes elsewhere do not see it.

    Parameters
    ----------
    root : Path
        Project folder.
    tell : callable
        Told one line if there is another publish.
    """
    from filelock import FileLock, Timeout

    database = store_file(tracking_uri(root))
    lock = FileLock((database.parent if database else root) / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell("waiting for another publish into the same store to end ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
