"""What hardware and which checkout this is.

All of it only describes a run, so none of it raises an error: what cannot be known is ``unknown`` or 0.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

UNKNOWN = "unknown"
GIT_SECONDS = 15.0
"""How long git may take to answer."""


@dataclass(frozen=True)
class Machine:
    """The machine of a run.

    Parameters
    ----------
    host : str
        Network name.
    cpu_model : str
        As the operating system names it.
    cores : int
        Logical processors that this process may use.
    memory_bytes : int
        Installed memory.
    system : str
        Operating system and architecture.
    """

    host: str
    cpu_model: str
    cores: int
    memory_bytes: int
    system: str


@cache
def this_machine() -> Machine:
    """Return what this process runs on; see `known` for what cannot be found out."""
    return Machine(
        host=known(socket.gethostname, UNKNOWN),
        cpu_model=known(_cpu_model, UNKNOWN),
        cores=known(_cores, 1),
        memory_bytes=known(_memory_bytes, 0),
        system=known(lambda: f"{platform.system()} {platform.machine()}", UNKNOWN),
    )


def known(find: Callable[[], T], otherwise: T) -> T:
    """Return what a function finds, or another value if it fails or finds nothing.

    Texts are made printable: bytes that are no UTF-8, which Python keeps in the names of files and hosts, become "?".
    """
    try:
        found = find() or otherwise
    except Exception:  # whatever it is: it only describes a run
        return otherwise
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else found  # type: ignore[return-value]


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far, 0 if it is unknown."""
    return known(_peak_of_status, 0) or known(_peak_of_usage, 0)


def _peak_of_status() -> int:
    """Return the peak that Linux tells; its getrusage also counts what the process that started this one had."""
    lines = Path("/proc/self/status").read_bytes().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"VmHWM:")), 0)


def _peak_of_usage() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux, bytes on macOS


def library_version(name: str) -> str:
    """Return the version of an installed library, ``unknown`` if its metadata do not say it."""
    return known(lambda: metadata.version(name), UNKNOWN)


def source_commit() -> str:
    """Return the commit of the checkout whose code this process runs; see `git_commit`."""
    return git_commit(Path(__file__).parent)


def git_commit(folder: Path) -> str:
    """Return the checkout's commit, ``-dirty`` if ``src`` differs from it; ``unknown`` if git does not say it."""
    return known(lambda: _git_commit(folder), UNKNOWN)


def _git_commit(folder: Path) -> str:
    commit = _git(folder, "rev-parse", "HEAD").strip().decode("ascii")
    changed = _git(folder, "status", "--porcelain", "--", ":/src")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> bytes:
    """Return what git prints: bytes, for the names of files need be no UTF-8."""
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=GIT_SECONDS).stdout
