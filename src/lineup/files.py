"""Write files and folders atomically, read text files, and compute hashes of files.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     with replacing_file(Path(folder) / "a.txt") as partial:
...         _ = partial.write_text("complete")
...     read_text(Path(folder) / "a.txt")
'complete'
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from lineup.errors import LineupError

TEXT_LIMIT = 8 * 2**20
"""Maximum size of a text file, in bytes."""

ROOM = 32 * 2**20
"""Required free disk space before a long computation starts, in bytes. It is several times the size of a record."""

_PARTIAL, _FORMER = ".partial", ".former"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Write errors that do not contain a file name if the file is already open."""


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path. On success, the temporary file replaces ``path``. After an error, the temporary file is
    removed.

    Other processes see either the old file or the complete new file. If several processes write to ``path`` at the same
    time, the result of the last process remains. Before the file is written, temporary files of killed processes are
    removed. In the message of an `OSError`, the temporary path is replaced with ``path``.
    """
    with _final_names(path):
        partial = _partial(path)
        try:
            yield partial
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder. On success, the temporary folder replaces ``path``.

    The old folder is removed only after the new folder has been renamed to ``path``. If the process is killed during
    these steps, the next call restores either the new or the old folder. If several processes write to ``path`` at the
    same time, the result of the last process remains. Before the folder is written, temporary folders of killed
    processes are removed. In the message of an `OSError`, the temporary path is replaced with ``path`` or with a file
    in ``path``.
    """
    with _final_names(path):
        partial = _partial(path)
        partial.mkdir()
        try:
            yield partial
            _swap(partial, path)
        finally:
            _clear(partial, path)


def check_room(path: Path, room: int = ROOM) -> None:
    """Check that lineup can write a file at this path, and that the disk has enough free space.

    Parameters
    ----------
    path : Path
        A file for `replacing_file` or a folder for `replacing_folder`. Its parent folder is created.
    room : int
        Required free disk space in bytes. Default 32 MiB.

    Raises
    ------
    LineupError
        If the parent folder is not writable, or its disk has less free space.
    """
    try:
        with _final_names(path):
            partial = _partial(path)
            partial.touch()
            partial.unlink()
            free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise LineupError(f"{error.filename or path}: cannot be written: {error.strerror}") from error
    if free < room:
        raise LineupError(
            f"{path}: its disk has {free / 2**20:.1f} MiB of free space, expected at least {room / 2**20:.0f} MiB;"
            " free some space"
        )


def folder_sha256(folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of every file in a folder."""
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading bytes.

    Raises
    ------
    OSError
        If it cannot be opened, or is a folder, a pipe or a device. Reading a pipe might wait forever for a writer.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, *, max_bytes: int = TEXT_LIMIT) -> str:
    """Read a UTF-8 text file, and check the type, the size and the encoding of the file.

    Parameters
    ----------
    path : Path
        A regular file.
    max_bytes : int
        Maximum size. Default 8 MiB.

    Raises
    ------
    LineupError
        If the file is missing, not a regular file, too large, cannot be read, or is not UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise LineupError(f"{path}: expected at most {max_bytes:,} bytes, found more")
        return content.decode("utf-8")
    except FileNotFoundError:
        raise LineupError(f"{path}: no such file") from None
    except OSError as error:
        raise LineupError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LineupError(f"{path}: not a UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}") from None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 lower-case hexadecimal digits.

    Raises
    ------
    LineupError
        If the file cannot be read. If it is missing, the message explains how to create it, because git does not track
        every file.
    """
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        from lineup.remedies import how_to_make

        raise LineupError(f"{path}: no such file; {how_to_make(path)}") from None
    except OSError as error:
        raise LineupError(f"{path}: cannot be read: {error.strerror}") from error


def _partial_name(path: Path) -> Path:
    """Return a temporary path next to ``path`` that is unique to this process."""
    return path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")


def _partial(path: Path) -> Path:
    """Remove the temporary files of killed processes, and return a new temporary path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial_name(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        # An earlier process may have had the same process ID.
        if left.suffix in (_PARTIAL, _FORMER) and (
            left.stem == partial.stem or _has_ended(left.stem.removeprefix(f".{path.name}."))
        ):
            _clear(left.with_suffix(_PARTIAL), path)
    return partial


def _swap(partial: Path, path: Path) -> None:
    """Rename the old folder, and move the new folder to ``path``."""
    former = partial.with_suffix(_FORMER)
    while True:
        with suppress(FileNotFoundError):
            path.rename(former)
        try:
            partial.rename(path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _remove(former)  # another process has just renamed its folder to path, and this process replaces it


def _clear(partial: Path, path: Path) -> None:
    """Remove the temporary files of one process.

    If ``path`` is missing, rename the new or the old folder to ``path`` first.
    """
    former = partial.with_suffix(_FORMER)
    if former.is_dir() and not path.exists():
        # The process was killed between two renames, so the new folder is complete.
        for whole in (partial, former):
            with suppress(OSError):
                whole.rename(path)
                break
    _remove(partial)
    if path.exists():
        with suppress(OSError):
            former.rename(partial)  # a folder with the name of an old folder is always complete
        _remove(partial)


@contextmanager
def _final_names(path: Path) -> Iterator[None]:
    """In an `OSError`, replace the temporary file name with the final file name."""
    try:
        yield
    except OSError as error:
        partial = _partial_name(path)
        if error.filename is None and error.errno in _FULL:
            error.filename = str(path)
        elif isinstance(error.filename, str) and Path(error.filename).is_relative_to(partial):
            error.filename = str(path / Path(error.filename).relative_to(partial))
        raise


def _has_ended(process: str) -> bool:
    """Return whether a string is the id of a process that has ended."""
    import psutil

    return re.fullmatch(r"[1-9]\d{0,8}", process) is not None and not psutil.pid_exists(int(process))


def _remove(path: Path) -> None:
    """Remove a file or a folder if possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
