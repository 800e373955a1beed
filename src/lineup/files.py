"""Files written whole or not at all, and their hash."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lineup.errors import LineupError


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


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, 64 lower-case hexadecimal digits.

    Raises
    ------
    LineupError
        If the file cannot be read. In a clone much is missing that the pipeline makes: git does not hold all of it.
    """
    try:
        with path.open("rb") as stream:
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
