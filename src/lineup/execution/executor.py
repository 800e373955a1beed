"""Define the interface of executors, which run stages on this machine or on a Dask cluster.

Examples
--------
>>> from pathlib import Path
>>> from lineup.execution.local import LocalProcesses
>>> executor: Executor = LocalProcesses(Path("project"), 2, print)
>>> with executor:
...     executor.slots(), executor.has_room("train@basic_cnn")
(2, True)
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Executor(Protocol):
    """Context manager that runs stages. When the context ends, all running stages are stopped.

    All methods are called from one thread.
    """

    def __enter__(self) -> Self:
        """Prepare to run stages."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all running stages."""

    def slots(self) -> int:
        """Return the number of stages that can run at the same time, at least 1."""

    def has_room(self, name: str) -> bool:
        """Return whether a stage can start now."""

    def start(self, name: str) -> None:
        """Start a stage. Call this method only after `has_room` has returned True."""

    def wait(self) -> tuple[str, int] | None:
        """Wait for the next stage to end, and return its name and exit status.

        Return None if no stage ends within about a second. If the result is None, the caller checks whether another
        stage can start.
        """

    def where(self, name: str) -> str:
        """Return a short name of the machine that runs a stage."""

    def pids(self) -> list[int]:
        """Return the ids of all processes on this machine that may hold a DVC lock."""

    def summary(self) -> str:
        """Return a short description of the executor.

        A pipeline run prints the description in its last line.
        """
