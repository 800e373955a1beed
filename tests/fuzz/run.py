"""Read damaged files of one format, and collect everything that is not a `lineup.errors.LineupError` of one line."""

from __future__ import annotations

import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from lineup.errors import LineupError

from .formats import FORMATS
from .large import LARGE

SECONDS = 20
"""Largest processor time to read one file."""
WAIT_SECONDS = 300
"""Largest wall time to read one file, on a busy machine."""
PEAK = 2**30
"""Largest peak memory of a process that reads one file, in bytes."""
CHARACTERS = 1_500
"""Largest length of an error message, without the path of the file."""


class TooSlow(BaseException):
    """The time limit for a file is exceeded. Not an `Exception`, because readers of damaged files catch those."""


@dataclass
class Outcome:
    """Result for one format.

    Parameters
    ----------
    inputs, read, refused : int
        Number of files, of those that were read, and of those that raised the project's own error.
    seconds, slowest : float
        Processor time to read all files and the slowest file, without the time to write them.
    peak : int
        Peak memory of the process, in bytes.
    findings : list of str
        Number of the input and the problem, once per kind of problem.
    """

    inputs: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    findings: list[str] = field(default_factory=list)


def read_large(name: str) -> Outcome:
    """Write a file of `LARGE` in one process and read it in another one, whose peak memory is that of the reader."""
    outcome: Outcome
    with TemporaryDirectory(dir=_memory_disk()) as place:
        path = _in_process(_write_large, name, Path(place))
        problem, outcome = _in_process(_read_large, name, path)
    if outcome.peak > PEAK:
        problem = problem or f"{outcome.peak // 2**20:,} MiB of memory"
    if problem:
        outcome.findings.append(f"{name}: {problem}")
    return outcome


def _write_large(name: str, folder: Path) -> Path:
    return LARGE[name][1](folder)


def _read_large(name: str, path: Path) -> tuple[str | None, Outcome]:
    outcome = Outcome()
    problem = _read(LARGE[name][0], path, outcome)
    outcome.peak = _peak()
    return problem, outcome


def _in_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a forked process, and return its result. If the process dies, an error is raised."""
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        return pool.submit(function, *arguments).result()


def _peak() -> int:
    """Return the peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(name: str, numbers: Iterable[int], seed: int = 1, keep: Path | None = None) -> Outcome:
    """Write and read files of a format.

    Parameters
    ----------
    name : str
        A key of `FORMATS`.
    numbers : iterable of int
        Numbers of the inputs. Each depends only on its number, the seed and the format.
    seed : int
        Default 1.
    keep : Path, optional
        Folder to which the input of each finding is copied. Default: none.
    """
    outcome, known = Outcome(), set[str]()
    with TemporaryDirectory(dir=_memory_disk()) as place:
        for number in numbers:
            folder = Path(place, "one")
            folder.mkdir()
            path = FORMATS[name].write(Random(f"{name} {seed} {number}"), folder)
            problem = _read(name, path, outcome)
            if problem and problem not in known:
                known.add(problem)
                outcome.findings.append(f"{name} {number}: {problem}")
                if keep is not None:
                    shutil.copytree(folder, keep / f"{name}-{number}", dirs_exist_ok=True)
            shutil.rmtree(folder)
    outcome.peak = _peak()
    return outcome


def _memory_disk() -> str | None:
    """Return a folder in memory if there is one, because a real disk is slow."""
    return "/dev/shm" if Path("/dev/shm").is_dir() and sys.platform == "linux" else None


def _read(name: str, path: Path, outcome: Outcome) -> str | None:
    """Read a file, and return a problem if there is one."""
    began, problem = time.process_time(), None
    outcome.inputs += 1
    try:
        with _limited():
            FORMATS[name].read(path)
        outcome.read += 1
    except LineupError as error:
        outcome.refused += 1
        problem = _wrong_message(str(error).replace(str(path.parent), ""))
    except (Exception, TooSlow) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__} in {Path(where.filename).name}, line {where.lineno}: {str(error)[:200]}"
    took = time.process_time() - began
    outcome.seconds += took
    outcome.slowest = max(outcome.slowest, took)
    return problem


def _wrong_message(message: str) -> str | None:
    if "\n" in message or not message.isprintable():
        return f"a message of several lines or with special characters: {message[:300]!r}"
    if len(message) > CHARACTERS:
        return f"a message of {len(message):,} characters: {message[:100]!r}"
    return None


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} s of processor time or {WAIT_SECONDS} s")

    clocks = {signal.SIGPROF: (signal.ITIMER_PROF, SECONDS), signal.SIGALRM: (signal.ITIMER_REAL, WAIT_SECONDS)}
    former = {number: signal.signal(number, stop) for number in clocks}
    for timer, seconds in clocks.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for number, (timer, _) in clocks.items():
            signal.setitimer(timer, 0)
            signal.signal(number, former[number])
