"""What hardware and which checkout this is."""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


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
    """Return what this process runs on."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        host=socket.gethostname(),
        cpu_model=_cpu_model(),
        cores=cores,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()}",
    )


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux; there getrusage also counts what the process that started this one had
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux, bytes on macOS


def git_commit(folder: Path) -> str:
    """Return the checkout's commit, ``-dirty`` if ``src`` differs from it; ``unknown`` without git."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", ":/src")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
