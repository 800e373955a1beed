"""Create a real MLflow store, log and find runs, and end the runs of dead processes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from lineup.errors import LineupError
from lineup.records.header import Device
from lineup.records.machine import this_machine
from lineup.records.runtime import now
from lineup.tracking.address import sqlite_uri
from lineup.tracking.contents import ATTEMPT, KEY, epoch_metrics, experiment_note, record_note, record_tags, start_tags
from lineup.tracking.runs import (
    BATCH_METRICS,
    BATCH_PARAMS,
    PROCESS,
    SEEN,
    end_dead_runs,
    find_runs,
    log_values,
    process_tag,
)
from lineup.tracking.store import count_runs, open_store
from lineup.training.devices import Environment
from tests.make_records import HEADER, HISTORY, MACHINE, RUNTIME, make_record, random_predictions


@pytest.fixture
def store(root: Path) -> tuple[MlflowClient, str]:
    return open_store(root, "synthetic")


def test_the_note_of_an_experiment_names_its_data(store: tuple[MlflowClient, str], root: Path) -> None:
    client, experiment = store
    assert client.get_experiment(experiment).tags["mlflow.experimentKind"] == "custom_model_development"
    for _ in range(2):
        open_store(root, "synthetic", experiment_note(HEADER.data))
    open_store(root, "synthetic")
    note = client.get_experiment(experiment).tags["mlflow.note.content"]
    assert note.startswith("Models and committees on Synthetic garments. **Generated data**: ")


def test_an_existing_experiment_gets_the_saved_views(store: tuple[MlflowClient, str], root: Path) -> None:
    client, experiment = store
    name = "mlflow.sharedViewState.leaderboard"
    client.set_experiment_tag(experiment, name, "from an earlier version")
    open_store(root, "synthetic")
    view = json.loads(client.get_experiment(experiment).tags[name])
    assert view["name"] == "Leaderboard"
    state = json.loads(view["state"])
    assert state["selectedColumns"][1] == "metrics.`test_accuracy`"
    # Only a filter that the store accepts gives any rows.
    assert client.search_runs([experiment], state["searchFilter"]) == []


def test_tags_that_are_known_before_training() -> None:
    assert start_tags(HEADER, MACHINE) == {
        "lineup.key": HEADER.key,
        "report": "A",
        "family": "dense",
        "kind": "network",
        "data": "synthetic",
        "data_generated": "true",
        "device_kind": "cpu",
        "device_name": "A processor",
        "machine": "elsewhere: A processor, 4 cores, Linux x86_64",
        "mlflow.note.content": record_note(HEADER),
    }
    real = dataclasses.replace(HEADER, data=dataclasses.replace(HEADER.data, generated=False))
    assert start_tags(real, MACHINE)["data_generated"] == "false"


def test_metrics_of_an_epoch_have_its_time_and_step() -> None:
    encoder, _, last = [epoch_metrics(row) for row in HISTORY]
    assert {metric.key: metric.value for metric in encoder} == {
        "autoencoder/loss": 0.25,
        "autoencoder/val_loss": 0.24,
        "autoencoder/learning_rate": 0.01,
        "autoencoder/seconds": 1.0,
    }
    assert {metric.key: metric.value for metric in last} == {
        "epoch/loss": 0.9,
        "epoch/accuracy": 0.6,
        "epoch/val_loss": 0.8,
        "epoch/val_accuracy": 0.65,
        "epoch/learning_rate": 0.0005,
        "epoch/seconds": 1.25,
    }
    assert {(metric.step, metric.timestamp) for metric in last} == {(2, HISTORY[2].timestamp)}


def test_any_number_of_metrics_and_params_is_logged_once(store: tuple[MlflowClient, str]) -> None:
    client, experiment = store
    run_id = client.create_run(experiment).info.run_id
    rows = [dataclasses.replace(HISTORY[2], epoch=i, timestamp=i) for i in range(1, BATCH_METRICS // 6 + 3)]
    params = {f"p{i}": i for i in range(BATCH_PARAMS + 2)}
    for _ in range(2):
        metrics = (metric for row in rows for metric in epoch_metrics(row))
        log_values(client, client.get_run(run_id), params, metrics)
    assert [point.step for point in client.get_metric_history(run_id, "epoch/loss")] == [row.epoch for row in rows]
    assert client.get_run(run_id).data.params == {name: str(value) for name, value in params.items()}


def test_an_existing_parameter_keeps_its_value(store: tuple[MlflowClient, str]) -> None:
    client, experiment = store
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "learning_rate", "1e-3")
    log_values(client, client.get_run(run_id), {"learning_rate": 0.001, "epochs": 3})
    assert client.get_run(run_id).data.params == {"learning_rate": "1e-3", "epochs": "3"}


def test_active_runs_are_found_by_tag_in_every_experiment(store: tuple[MlflowClient, str]) -> None:
    client, experiment = store
    other = client.create_experiment("single")
    made = [client.create_run(place, tags={KEY: "one"}).info.run_id for place in (experiment, experiment, other)]
    client.create_run(experiment, tags={KEY: "two"})
    client.delete_run(made[0])
    assert {run.info.run_id for run in find_runs(client, KEY, "one")} == set(made[1:])
    assert find_runs(client, KEY, "three") == []


def ended_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_dead_runs_are_ended(store: tuple[MlflowClient, str], root: Path) -> None:
    client, experiment = store
    host = this_machine().host
    mine = process_tag(os.getpid())
    zombie = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    tags = {
        "alive": mine,
        "zombie": process_tag(zombie.pid),
        "dead": f"{host}:{ended_pid()}:1760000000",
        "number used again": f"{host}:{os.getpid()}:1",
        "damaged": f"{host}:nobody",
        "of another host": f"not-{host}:{ended_pid()}:1760000000",
        "of nobody": None,
    }
    runs = {
        name: client.create_run(experiment, tags={PROCESS: tag} if tag else {}).info.run_id
        for name, tag in tags.items()
    }
    ended = client.create_run(experiment, tags={PROCESS: f"{host}:{ended_pid()}:1"}).info.run_id
    client.set_terminated(ended, "FINISHED", 1234)
    zombie.kill()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    end_dead_runs(client, experiment, root)
    zombie.wait()
    assert {name: client.get_run(run_id).info.status for name, run_id in runs.items()} == {
        "alive": "RUNNING",
        "zombie": "KILLED",
        "dead": "KILLED",
        "number used again": "KILLED",
        "damaged": "KILLED",
        "of another host": "RUNNING",
        "of nobody": "RUNNING",
    }
    info = client.get_run(ended).info
    assert (info.status, info.end_time) == ("FINISHED", 1234)


@pytest.mark.parametrize(("minutes", "status"), [(30, "RUNNING"), (61, "KILLED")])
def test_a_run_of_another_host_is_ended_after_an_hour_without_an_update(
    store: tuple[MlflowClient, str], root: Path, minutes: int, status: str
) -> None:
    client, experiment = store
    tags = {PROCESS: "another host:1:1", SEEN: str(now() - minutes * 60_000)}
    run_id = client.create_run(experiment, start_time=1, tags=tags).info.run_id
    end_dead_runs(client, experiment, root)
    assert client.get_run(run_id).info.status == status


@pytest.mark.parametrize("folder", ["runs/models/small/seed_1", "experiments/small-0a1b2c3d"])
def test_a_dead_run_with_a_record_is_finished(store: tuple[MlflowClient, str], root: Path, folder: str) -> None:
    """The first training process could not reach the store at its end, and another one has started."""
    client, experiment = store
    record = make_record(root / folder, random_predictions(1))
    (root / "runs" / "models" / "damaged" / "seed_1").mkdir(parents=True)
    (root / "runs" / "models" / "damaged" / "seed_1" / "runtime.json").write_text("{")
    dead = f"{this_machine().host}:{ended_pid()}:1760000000"
    run_id = client.create_run(experiment, tags={PROCESS: dead, ATTEMPT: record.runtime.attempt}).info.run_id
    end_dead_runs(client, experiment, root)
    assert client.get_run(run_id).info.status == "FINISHED"


# Forks, so that MLflow is imported once.
OPEN_AT_ONCE = """
import os, sys, traceback
from pathlib import Path

import mlflow.store.tracking.sqlalchemy_store

from lineup.tracking.store import open_store

children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        try:
            print(open_store(Path(sys.argv[1]), "synthetic")[1], flush=True)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    children.append(child)
sys.exit(max(os.waitpid(child, 0)[1] for child in children) > 0)
"""


def test_several_processes_create_one_store(tmp_path: Path) -> None:
    """Four training runs start at once without a store; MLflow alone would fail with `table already exists`."""
    (tmp_path / "mlflow.db").touch()  # as good as none
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    command = [sys.executable, "-c", OPEN_AT_ONCE, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    experiments = done.stdout.split()
    assert len(experiments) == 4
    assert len(set(experiments)) == 1
    client = MlflowClient(sqlite_uri(tmp_path / "mlflow.db"))
    assert [item.name for item in client.search_experiments()] == ["lineup-synthetic", "Default"]


# Forks, too. Each child starts with the files that the previous one has left.
KILL_AT = """
import os, signal, sys, time
from pathlib import Path

import alembic.command, mlflow.store.tracking.sqlalchemy_store

from lineup.tracking.store import open_store

root = Path(sys.argv[1])
for moment in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        open_store(root, "synthetic")
        os._exit(0)
    while not (root / ".mlflow.db.partial").exists():
        time.sleep(0.001)
    time.sleep(float(moment))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print((root / "mlflow.db").exists(), flush=True)
print(open_store(root, "synthetic")[1])
"""


@pytest.mark.slow
def test_a_killed_process_leaves_a_complete_store_or_none(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    moments = ["0", "0.01", "0.1", "0.3", "0.6", "1"]
    command = [sys.executable, "-c", KILL_AT, str(tmp_path), *moments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *there, experiment = done.stdout.split()
    assert there[0] == "False"
    client = MlflowClient(sqlite_uri(tmp_path / "mlflow.db"))
    assert client.get_experiment(experiment).name == "lineup-synthetic"
    assert {path.name for path in tmp_path.iterdir()} <= {"mlflow.db", ".mlflow.lock"}


def test_a_deleted_experiment_is_restored(root: Path, store: tuple[MlflowClient, str]) -> None:
    client, experiment = store
    client.create_run(experiment)
    client.delete_experiment(experiment)
    assert open_store(root, "synthetic")[1] == experiment
    assert client.get_experiment(experiment).lifecycle_stage == "active"


def test_each_dataset_has_an_experiment_with_artifacts_beside_the_store(root: Path) -> None:
    client, real = open_store(root, "fashion_mnist")
    _, drawn = open_store(root, "synthetic")
    assert real != drawn
    assert client.get_experiment(real).name == "lineup-fashion_mnist"
    assert client.get_experiment(drawn).artifact_location == (root / "mlartifacts" / "lineup-synthetic").as_uri()
    client.create_run(drawn)
    assert count_runs(root) == "1 run in lineup-synthetic, 0 runs in lineup-fashion_mnist"


def test_an_unreadable_store_gives_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri(tmp_path / "mlflow.db"))
    with pytest.raises(LineupError, match=r"mlflow\.db: ") as caught:
        count_runs(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_run_on_a_gpu_says_why_a_second_run_can_differ(tmp_path: Path) -> None:
    tags = {}
    for device in (Device("cpu", "A processor"), Device("gpu", "NVIDIA H100")):
        reason = Environment(device, onednn=True, bfloat16=True).nondeterminism
        runtime = dataclasses.replace(RUNTIME, nondeterminism=reason)
        tags[device.kind] = record_tags(make_record(tmp_path / device.kind, random_predictions(1), runtime=runtime))
    assert "nondeterminism" not in tags["cpu"]
    assert "can use different algorithms" in tags["gpu"]["nondeterminism"]
