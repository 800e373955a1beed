"""Plot the figures of many records in several processes. Plots take most of the time that publishing needs.

Examples
--------
>>> list(plot_records([]))
[]
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

from lineup.errors import LineupError
from lineup.figures.render import figures_of
from lineup.records.compact import open_record
from lineup.records.machine import this_machine
from lineup.records.record import Record

FEWEST = 8
"""Number of records from which on other processes plot. To start a process takes two seconds."""
MOST_PROCESSES = 4
AHEAD = 4
"""Number of records per process that are plotted ahead of the caller, which limits the memory for their figures."""

Figures = dict[str, bytes]
"""PNG files by the name of the figure."""


def plot_records(records: Sequence[Record]) -> Generator[Figures, None, None]:
    """Yield the figures of each record, in the order of the records.

    Close the iterator to end the processes that plot the figures. They also end if this process is killed.

    Raises
    ------
    LineupError
        If a file of a record cannot be read, or if another program has ended a process.
    """
    processes = min(this_machine().cores, MOST_PROCESSES)
    if len(records) < FEWEST or processes == 1:
        yield from map(_plot, records)
        return
    # A forked process would share the connection to the database.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare_process)
    folders = iter([record.folder for record in records])
    try:
        started = deque(pool.submit(_plot_folder, folder) for folder in islice(folders, AHEAD * processes))
        while started:
            yield started.popleft().result()
            started.extend(pool.submit(_plot_folder, folder) for folder in islice(folders, 1))
    except BrokenProcessPool:
        problem = "another program has ended a process that plots figures"
        raise LineupError(f"{problem}; publish again (lineup publish)") from None
    finally:
        pool.shutdown(cancel_futures=True)


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
