"""Log metrics in a real MLflow store during training. Without a store, training continues."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from lineup.records.machine import this_machine
from lineup.tracking.contents import ATTEMPT, KEY, NOTE
from lineup.tracking.live import LiveRun
from lineup.tracking.runs import PROCESS, SEEN, find_runs, process_tag
from lineup.tracking.store import open_store
from tests.make_records import HEADER, HISTORY, STARTED, make_record, random_predictions

UNTRAINED = dataclasses.replace(HEADER, weights=None)


def client_of(root: Path) -> MlflowClient:
    return open_store(root, "synthetic")[0]


def wait_for_epochs(root: Path, name: str, count: int) -> Run:
    """Wait until a run has this number of points of a metric, and return the run."""
    client = client_of(root)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for run in find_runs(client, KEY, UNTRAINED.key):
            if len(client.get_metric_history(run.info.run_id, name)) >= count:
                return run
        time.sleep(0.05)
    raise AssertionError(f"no {count} points of {name} within 20 s")


def test_each_epoch_is_logged_during_training(root: Path) -> None:
    with LiveRun(root) as live:
        live.start(UNTRAINED, "attempt-1", STARTED)
        live.epoch(HISTORY[0])
        wait_for_epochs(root, "autoencoder/loss", 1)
        live.epoch(HISTORY[1])
        run = wait_for_epochs(root, "epoch/loss", 1)
        assert run.info.status == "RUNNING"
        assert (run.info.run_name, run.info.start_time) == ("small_seed1", STARTED)
        tags = run.data.tags
        assert (tags[KEY], tags[ATTEMPT]) == (UNTRAINED.key, "attempt-1")
        assert tags[PROCESS] == process_tag(os.getpid())
        assert tags["machine"].startswith(f"{this_machine().host}: ")
        assert tags[NOTE].startswith("Network `small_seed1`")
        assert run.data.params == {"epochs": "2", "learning_rate": "0.001", "scaling": "unit", "pretrain.epochs": "1"}
        live.epoch(HISTORY[2])
    points = client_of(root).get_metric_history(run.info.run_id, "epoch/val_accuracy")
    assert [(point.step, point.timestamp, point.value) for point in points] == [
        (row.epoch, row.timestamp, row.val_accuracy) for row in HISTORY[1:]
    ]


def test_a_training_run_with_a_record_is_finished_with_its_metrics(root: Path, tmp_path: Path) -> None:
    record = make_record(tmp_path / "small", random_predictions(1))
    with LiveRun(root) as live:
        live.start(record.header, record.runtime.attempt, STARTED)
        live.finish(record)
    (run,) = find_runs(client_of(root), KEY, record.header.key)
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.runtime.ended)
    assert record.metrics.items() <= run.data.metrics.items()
    assert run.data.metrics["training_seconds"] == record.runtime.training_seconds
    assert run.data.params["parameters"] == "10"
    assert not {PROCESS, SEEN} & run.data.tags.keys()


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")]
)
def test_the_status_of_a_training_run_after_an_error(root: Path, error: type[BaseException], status: str) -> None:
    def train() -> None:
        with LiveRun(root) as live:
            live.start(UNTRAINED, "attempt-1", STARTED)
            live.epoch(HISTORY[0])
            raise error

    with pytest.raises(error):
        train()
    (run,) = find_runs(client_of(root), KEY, UNTRAINED.key)
    assert run.info.status == status
    assert run.info.end_time > STARTED
    assert run.data.metrics["autoencoder/loss"] == HISTORY[0].loss


def test_a_training_run_that_is_killed_after_its_record_was_written_is_finished(root: Path) -> None:
    record = make_record(root / "runs" / "models" / "small" / "seed_1", random_predictions(1))

    def train() -> None:
        with LiveRun(root) as live:
            live.start(record.header, record.runtime.attempt, STARTED)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    (run,) = find_runs(client_of(root), KEY, record.header.key)
    assert run.info.status == "FINISHED"


def test_a_run_is_marked_as_alive_repeatedly(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineup.tracking.live.BEAT_SECONDS", 0.1)
    with LiveRun(root) as live:
        live.start(UNTRAINED, "attempt-1", STARTED)
        live.epoch(HISTORY[0])
        run = wait_for_epochs(root, "autoencoder/loss", 1)
        deadline = time.monotonic() + 20
        client = client_of(root)
        while client.get_run(run.info.run_id).data.tags[SEEN] == run.data.tags[SEEN]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_second_training_run_replaces_the_first_run(root: Path) -> None:
    for attempt in ("attempt-1", "attempt-2"):
        with LiveRun(root) as live:
            live.start(UNTRAINED, attempt, STARTED)
            live.epoch(HISTORY[1])
    with LiveRun(root) as other:
        other.start(dataclasses.replace(UNTRAINED, seed=2), "attempt-3", STARTED)
    client, experiment = open_store(root, "synthetic")
    runs = client.search_runs([experiment])
    assert sorted(run.data.tags[ATTEMPT] for run in runs) == ["attempt-2", "attempt-3"]
    (second,) = find_runs(client, KEY, UNTRAINED.key)
    assert len(client.get_metric_history(second.info.run_id, "epoch/loss")) == 1


def test_a_given_run_is_used(root: Path) -> None:
    """A run that ``mlflow run`` has created, with its own spelling of a parameter."""
    client, experiment = open_store(root, "synthetic")
    given = client.create_run(experiment, run_name="by mlflow run").info.run_id
    client.log_param(given, "learning_rate", "1e-3")
    with LiveRun(root, run_id=given) as live:
        live.start(UNTRAINED, "attempt-1", STARTED)
        live.epoch(HISTORY[1])
    (run,) = client.search_runs([experiment])
    assert (run.info.run_id, run.info.run_name) == (given, "by mlflow run")
    assert run.data.tags[ATTEMPT] == "attempt-1"
    assert run.data.params["learning_rate"] == "1e-3"
    assert run.data.params["epochs"] == "2"
    assert run.data.metrics["epoch/loss"] == HISTORY[1].loss


def test_a_name_that_mlflow_invented_is_replaced(root: Path) -> None:
    client, experiment = open_store(root, "synthetic")
    given = client.create_run(experiment).info
    assert given.run_name
    with LiveRun(root, given.run_id, lambda header: f"{header.name} epochs={header.parameters['epochs']}") as live:
        live.start(UNTRAINED, "attempt-1", STARTED)
    (run,) = client.search_runs([experiment])
    assert (run.info.run_id, run.info.run_name) == (given.run_id, "small epochs=2")


def test_a_deleted_run_gives_one_warning(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LiveRun(root) as live:
        live.start(UNTRAINED, "attempt-1", STARTED)
        live.epoch(HISTORY[1])
        run = wait_for_epochs(root, "epoch/loss", 1)
        client_of(root).delete_run(run.info.run_id)
        for _ in range(3):
            live.epoch(HISTORY[2])
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: no live tracking (")
    assert run.info.run_id in warning


def test_without_a_start_no_store_is_created(tmp_path: Path) -> None:
    with LiveRun(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


TRAIN = """
import sys, time
from pathlib import Path
from lineup.tracking.live import LiveRun
from tests.make_records import HEADER, HISTORY, STARTED

started = time.monotonic()
with LiveRun(Path(sys.argv[1])) as live:
    live.start(HEADER, "attempt", STARTED)
    for row in HISTORY:
        live.epoch(row)
    logged = time.monotonic()
closed = time.monotonic()
live.epoch(HISTORY[-1])
print(logged - started, closed - logged)
"""


def test_an_unreachable_server_gives_one_warning_and_no_delay(tmp_path: Path) -> None:
    """In a separate process, because MLflow and its libraries print to standard error."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env=environment | {"MLFLOW_TRACKING_URI": f"http://me:secret@127.0.0.1:{port}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("warning: no live tracking (")
    assert port in warning
    assert "secret" not in warning
    assert warning.endswith("training continues, and lineup publish logs the run later")
    logging, closing = map(float, done.stdout.split())
    # Far less than the minutes that MLflow would wait by default, far more than a busy machine needs.
    assert logging < 5
    assert closing < 30
