"""Files written whole or not at all, and their hash."""

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
"""Most bytes of a text file that is read."""

ROOM = 32 * 2**20
"""Bytes that a disk must have free before long work begins: some times what a record takes."""

_PARTIAL, _FORMER = ".partial", ".former"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Errors of writing, which name no file if an open one is written."""


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success rename it to ``path``, on failure remove it.

    A reader sees the old file or the whole new one, never a part. Of several processes that write the same file the
    last one wins. What a killed process left is removed first. An `OSError` names the file.
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
    """Yield an empty temporary folder beside ``path``; on success it takes the place of ``path``.

    The old folder is renamed, the new one takes its name, and only then the old one is removed. Whenever a process is
    killed, the next one finds a whole folder and puts it in its place. Of several processes the last one wins. What a
    killed process left is removed first. An `OSError` names the file.
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
    """Raise an error, before any work, if the result of the work could not be written.

    Parameters
    ----------
    path : Path
        A file or folder that `replacing_file` or `replacing_folder` is to write. Its parent folder is made.
    room : int
        Bytes that the disk must have free. Default 32 MiB.

    Raises
    ------
    LineupError
        If the parent folder cannot be written to, or its disk has less room.
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
            f"{path}: its disk has {free / 2**20:.1f} MiB free, expected at least {room / 2**20:.0f} MiB;"
            " remove something there"
        )


def folder_sha256(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by name; see `file_sha256`."""
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes.

    Raises
    ------
    OSError
        If it cannot be opened, or is a folder, a pipe or a device: opening a pipe would wait for a writer, perhaps
        forever.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, *, max_bytes: int = TEXT_LIMIT) -> str:
    """Read a UTF-8 text file that may come from another machine.

    Parameters
    ----------
    path : Path
        A regular file.
    max_bytes : int
        Its largest size. Default 8 MiB.

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
    """Return the SHA-256 of a file's content, 64 lower-case hexadecimal digits.

    Raises
    ------
    LineupError
        If the file cannot be read. In a clone much is missing that the pipeline makes: git does not hold all of it.
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
    """Return the temporary name of this process beside ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")


def _partial(path: Path) -> Path:
    """Return the temporary name of this process beside ``path``, and clear away what killed processes left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial_name(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        # An earlier process may have had the number of this one.
        if left.suffix in (_PARTIAL, _FORMER) and (
            left.stem == partial.stem or _has_ended(left.stem.removeprefix(f".{path.name}."))
        ):
            _clear(left.with_suffix(_PARTIAL), path)
    return partial


def _swap(partial: Path, path: Path) -> None:
    """Let a new folder take the place of the one at ``path``, which is renamed and stays beside it."""
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
            _remove(former)  # another process has just put its folder here; this one is later and wins


def _clear(partial: Path, path: Path) -> None:
    """Remove what one process left beside ``path``; if nothing is at ``path``, put a whole folder there first."""
    former = partial.with_suffix(_FORMER)
    if former.is_dir() and not path.exists():
        # The process was stopped between two renames: the new folder is whole.
        for whole in (partial, former):
            with suppress(OSError):
                whole.rename(path)
                break
    _remove(partial)
    if path.exists():
        with suppress(OSError):
            former.rename(partial)  # a folder under the name of a former one is always whole
        _remove(partial)


@contextmanager
def _final_names(path: Path) -> Iterator[None]:
    """Give an `OSError` of writing the name of the file that was to be written instead of none or a temporary one."""
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
    """Return whether this is the number of a process that has ended."""
    import psutil

    return re.fullmatch(r"[1-9]\d{0,8}", process) is not None and not psutil.pid_exists(int(process))


def _remove(path: Path) -> None:
    """Remove a file or a folder; what cannot be removed does no harm."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
