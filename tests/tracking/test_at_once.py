"""If several processes publish the same records at the same time, each record has one run, and there are no errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lineup.tracking.lock import LOCK, publish_lock
from lineup.tracking.publish import publish

from .conftest import store_in
from .published import client_of, files_of, models_of, network_record, run_of, runs_of

# Forks, so that MLflow is imported once. Without the lock, as on two machines that share a server. The figures, which
# take most of the time, are left out.
PUBLISH_AT_ONCE = """
import contextlib, os, sys, traceback
from pathlib import Path
import mlflow
from lineup.records.record import read_record
from lineup.tracking import plotting, publish

plotting._plot = lambda record: {}

root, locked, processes = Path(sys.argv[1]), sys.argv[2] == "locked", int(sys.argv[3])
if not locked:
    publish.publish_lock = lambda *_: contextlib.nullcontext()
records = [read_record(root / "runs" / "one")]
pids = []
for number in range(processes):
    pid = os.fork()
    if not pid:
        try:
            with Path(root, f"lines-{number}").open("w") as file:
                publish.publish(root, records, log=lambda line: print(line, file=file, flush=True))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    pids.append(pid)
sys.exit(any(os.waitpid(pid, 0)[1] for pid in pids))
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["locked", "unlocked"])
def test_two_processes_publish_at_once(root: Path, how: str) -> None:
    record = network_record(root / "runs" / "one", seed=1)
    command = [sys.executable, "-c", PUBLISH_AT_ONCE, str(root), how, "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, second = sorted((root / f"lines-{number}").read_text().splitlines() for number in range(2))
    if how == "locked":
        assert first[-1].startswith("MLflow: 1 new, 0 completed, 0 unchanged")
        assert second[0] == "waiting until another process has finished publishing into this store ..."
        assert second[1].startswith("MLflow: 0 new, 0 completed, 1 unchanged")
    else:
        # If both created a run at the same moment, there are two until the next publish.
        assert all(run.info.status == "FINISHED" for run in runs_of(root, record))
        publish(root, [record], log=lambda line: None)
    run = run_of(root, record)
    assert run.info.status == "FINISHED"
    assert len(models_of(run)) == 1
    assert "record/record.json" in files_of(client_of(root), run.info.run_id)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_publish_at_once_into_a_store_that_does_not_exist(tmp_path: Path, processes: int) -> None:
    with store_in(tmp_path / "project") as root:
        record = network_record(root / "runs" / "one", seed=1)
        command = [sys.executable, "-c", PUBLISH_AT_ONCE, str(root), "locked", str(processes)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        last = sorted((root / f"lines-{number}").read_text().splitlines()[-1] for number in range(processes))
        assert [line.partition(" (")[0] for line in last] == [
            *["MLflow: 0 new, 0 completed, 1 unchanged"] * (processes - 1),
            "MLflow: 1 new, 0 completed, 0 unchanged",
        ]
        assert run_of(root, record).info.status == "FINISHED"
        assert not list(root.glob("*.partial"))


def test_the_lock_is_beside_the_file_of_the_store(tmp_path: Path) -> None:
    lines: list[str] = []
    with store_in(tmp_path / "store"), publish_lock(tmp_path, lines.append):
        assert (tmp_path / "store" / LOCK).exists()
    assert lines == []
