"""Describe the machine and the version of the source code.

The functions of this module never raise an error, because a run does not depend on their results. Unavailable values
are ``unknown`` or 0.

Examples
--------
>>> this_machine().cores > 0
True
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
"""Time limit of a git command, in seconds."""


@dataclass(frozen=True)
class Machine:
    """The machine of a run.

    Parameters
    ----------
    host : str
        Network name.
    cpu_model : str
        Name of the processor.
    cores : int
        Number of logical processors that this process may use.
    memory_bytes : int
        Installed memory, in bytes.
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
    """Return a description of the machine that runs this process.

    Unavailable values are ``unknown`` or 0. If the number of cores is unknown, 1 is used.
    """
    return Machine(
        host=known(socket.gethostname, UNKNOWN),
        cpu_model=known(_cpu_model, UNKNOWN),
        cores=known(_cores, 1),
        memory_bytes=known(_memory_bytes, 0),
        system=known(lambda: f"{platform.system()} {platform.machine()}", UNKNOWN),
    )


def known(find: Callable[[], T], otherwise: T) -> T:
    """Call a function, and return a default value if the function fails.

    If the result is empty, the default value is also returned.

    Parameters
    ----------
    find : callable
        Called without arguments. All its errors are ignored.
    otherwise : object
        The default.

    Returns
    -------
    object
        In a text, characters that cannot be encoded in UTF-8 (from file names and host names) are replaced by "?".
    """
    try:
        found = find() or otherwise
    except Exception:  # any error, because the value only describes a run
        return otherwise
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else found  # type: ignore[return-value]


def bfloat16_instructions() -> str:
    """Return ``AMX`` or ``AVX-512`` if the CPU has instructions for bfloat16. Otherwise, return an empty string.

    Only Linux on x86 is supported. On other systems, the result is empty.
    """
    flags = known(lambda: _cpuinfo("flags"), "").split()
    names = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512"}
    return next((name for flag, name in names.items() if flag in flags), "")


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(wanted: str) -> str:
    """Return a value from ``/proc/cpuinfo`` for the first CPU. If the value is missing, return an empty string."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return ""
    pairs = (line.partition(":")[::2] for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return next((value.strip() for key, value in pairs if key.strip() == wanted and value.strip()), "")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def peak_memory_bytes() -> int:
    """Return the peak memory of this process in bytes, or 0 if it is unknown."""
    return known(_peak_of_status, 0) or known(_peak_of_usage, 0)


def _peak_of_status() -> int:
    """Read the peak memory of this process from ``/proc`` on Linux.

    The function ``getrusage`` is not used on Linux, because it also counts the memory of the parent process.
    """
    lines = Path("/proc/self/status").read_bytes().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"VmHWM:")), 0)


def _peak_of_usage() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux, bytes on macOS


def library_version(name: str) -> str:
    """Return the version of a library, or ``unknown`` if it is not installed."""
    return known(lambda: metadata.version(name), UNKNOWN)


def source_commit() -> str:
    """Return the git commit of the running source code. See `git_commit` for the format."""
    return git_commit(Path(__file__).parent)


def git_commit(folder: Path) -> str:
    """Return the git commit of a checkout. If the folder is not in a git repository, return ``unknown``.

    If the folder ``src`` contains uncommitted changes, ``-dirty`` is appended to the commit.
    """
    return known(lambda: _git_commit(folder), UNKNOWN)


def _git_commit(folder: Path) -> str:
    commit = _git(folder, "rev-parse", "HEAD").strip().decode("ascii")
    changed = _git(folder, "status", "--porcelain", "--", ":/src")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> bytes:
    """Run a git command and return its output.

    The output is returned as bytes, because some file names are not valid UTF-8.
    """
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=GIT_SECONDS).stdout
