"""Plot the figures of many records in several processes. Plots take most of the time that publishing needs.

Examples
--------
>>> with Plots() as plots:
...     len(plots)
0
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Self

from lineup.errors import LineupError
from lineup.figures.render import figures_of
from lineup.records.compact import open_record
from lineup.records.machine import this_machine
from lineup.records.record import Record

FEWEST = 8
"""Number of records from which on other processes plot. To start a process takes two seconds."""
MOST_PROCESSES = 4
AHEAD = 500
"""Largest number of records whose figures wait for the caller, which limits the memory to about 100 MB."""

Figures = dict[str, bytes]
"""PNG files by the name of the figure."""


class Plots:
    """Plot records in other processes while this process does other work.

    As a context manager, it ends the other processes. They also end if this process is killed.

    Raises
    ------
    LineupError
        At the end of the context, if another program has ended a process.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: deque[Record] = deque()
        self._started: deque[Future[Figures]] = deque()

    def __len__(self) -> int:
        """Return the number of records whose figures the caller has not taken yet."""
        return len(self._waiting) + len(self._started)

    def add(self, record: Record) -> None:
        """Add a record. A few records are plotted by `next`, because to start other processes takes longer."""
        self._waiting.append(record)
        processes = min(this_machine().cores, MOST_PROCESSES)
        if self._pool is None and len(self) >= FEWEST and processes > 1:
            # A forked process would share the connection to the database.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare_process)
        self._start()

    def next(self) -> Figures:
        """Return the figures of the next record, in the order in which the records were added.

        Raises
        ------
        IndexError
            If the caller has taken the figures of all records.
        LineupError
            If a file of the record cannot be read.
        """
        if self._pool is None:
            return _plot(self._waiting.popleft())
        figures = self._started.popleft().result()
        self._start()
        return figures

    def _start(self) -> None:
        while self._pool and self._waiting and len(self._started) < AHEAD:
            self._started.append(self._pool.submit(_plot_folder, self._waiting.popleft().folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            problem = "another program has ended a process that plots figures"
            raise LineupError(f"{problem}; publish again (lineup publish)") from None


def _plot(record: Record) -> Figures:
    """Plot all figures of a record."""
    from lineup.figures.save import png_bytes  # imports matplotlib, which takes a second

    return {name: png_bytes(figure) for name, figure in figures_of(record).items()}


def _plot_folder(folder: Path) -> Figures:
    """Plot the figures of a record in another process. Then free the memory that matplotlib has used."""
    figures = _plot(open_record(folder))
    gc.collect()
    gc.freeze()  # the next search for reference cycles skips the objects that remain, mostly of modules
    return figures


def _prepare_process() -> None:
    """Ignore Ctrl-C, because the parent process handles it. End this process if the parent process is killed."""
    gc.disable()  # a tenth of the time would go into searches for reference cycles; see `_plot_folder`
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # only other processes call this function
    parent.join()
    os._exit(1)
