"""Figures that several processes plot."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lineup.errors import LineupError
from lineup.records.machine import this_machine
from lineup.records.record import CONFUSION, Record
from lineup.tracking import plotting
from lineup.tracking.plotting import Plots
from tests.make_records import make_record, random_predictions

pytestmark = pytest.mark.skipif(this_machine().cores < 2, reason="one core: this process plots all figures")


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Three records, and two processes that plot them one after another."""
    monkeypatch.setattr(plotting, "FEWEST", 2)
    monkeypatch.setattr(plotting, "MOST_PROCESSES", 2)
    monkeypatch.setattr(plotting, "AHEAD", 1)
    folders = [tmp_path / f"forest_{number}" for number in range(3)]
    return [
        make_record(folder, random_predictions(number), kind="classical", weights=None)
        for number, folder in enumerate(folders)
    ]


def test_other_processes_plot_the_same_figures_in_order(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    (records[2].folder / CONFUSION).write_text("damaged")
    with Plots() as plots:
        for record in records:
            plots.add(record)
        first, second = plots.next(), plots.next()
        with pytest.raises(LineupError, match=rf"forest_2.{CONFUSION}"):  # an error in another process
            plots.next()
        assert len(plots) == 0
    assert multiprocessing.active_children() == []
    monkeypatch.setattr(plotting, "FEWEST", 10)
    with Plots() as alone:
        for record in records[:2]:
            alone.add(record)
        assert [first, second] == [alone.next(), alone.next()]
    assert first["confusion_matrix"] != second["confusion_matrix"]


KILLED = """
import sys, time
from pathlib import Path
from lineup.records.record import read_record
from lineup.tracking import plotting

plotting.FEWEST, plotting.MOST_PROCESSES, plotting.AHEAD = 2, 2, 1
plots = plotting.Plots()
for folder in sys.argv[1:]:
    plots.add(read_record(Path(folder)))
plots.next()
print("waiting", flush=True)
time.sleep(100)
"""


def test_a_killed_process_is_one_clear_error(records: list[Record]) -> None:
    def plot_and_kill() -> None:
        with Plots() as plots:
            for record in records:
                plots.add(record)
            plots.next()
            for other in multiprocessing.active_children():
                other.kill()
            for _ in records[1:]:
                plots.next()
            plots.add(records[0])

    with pytest.raises(LineupError, match="another program has ended a process that plots figures; publish again"):
        plot_and_kill()


def test_the_other_processes_end_if_this_one_is_killed(records: list[Record]) -> None:
    command = [sys.executable, "-c", KILLED, *(str(record.folder) for record in records)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        others = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    end = time.monotonic() + 10
    while any(other.is_running() and other.status() != psutil.STATUS_ZOMBIE for other in others):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(others) >= 2
