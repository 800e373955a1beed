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


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success rename it to ``path``, on failure remove it.

    A reader sees the old file or the whole new one, never a part. Of several processes that write the same file the
    last one wins. What a killed process left is removed first.
    """
    partial = _partial(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; on success it takes the place of ``path``.

    Of several processes the last one wins. What a killed process left is removed first.
    """
    partial = _partial(path)
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
        raise LineupError(f"{path}: no such file; make it anew (dvc repro), or fetch it (dvc pull)") from None
    except OSError as error:
        raise LineupError(f"{path}: cannot be read: {error.strerror}") from error


def _partial(path: Path) -> Path:
    """Return the temporary name of this process beside ``path``, once what killed ones left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    for other in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        # An earlier process may have had the number of this one.
        if other == partial or _is_left(other.name.removeprefix(f".{path.name}.").removesuffix(".partial")):
            _remove(other)
    return partial


def _is_left(process: str) -> bool:
    """Return whether the part of a temporary name that tells processes apart is the number of one that has ended."""
    import psutil

    return re.fullmatch(r"[1-9]\d{0,8}", process) is not None and not psutil.pid_exists(int(process))


def _remove(path: Path) -> None:
    """Remove a file or a folder; what cannot be removed does no harm."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
