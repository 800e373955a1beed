"""No results are lost or incomplete if a pipeline is killed or cannot reach the MLflow server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from .conftest import Folder, copy_of, ran, wait_for

pytestmark = pytest.mark.slow

# Training takes longer than importing MLflow on every machine, so it still runs when it is killed.
LONG = 100
SLOW = {"epochs": LONG, "batch_size": 1, "seeds": 1}


def epochs_logged(folder: Folder) -> int:
    """Return how many epochs of the live run of shallow_nn are in MLflow."""
    running = [run for run in folder.runs() if run.info.status == "RUNNING"]
    client = folder.client()
    return max((len(client.get_metric_history(run.info.run_id, "epoch/loss")) for run in running), default=0)


def start_training(folder: Folder) -> subprocess.Popen[str]:
    """Start ``dvc repro`` in its own process group, and wait until it trains."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=folder.root,
        env=folder.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: epochs_logged(folder) >= 2, "two epochs in MLflow")
    return process


@pytest.fixture(scope="module")
def killed(finished: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A project whose training was killed twice: first DVC alone, then DVC and the training.

    Only read it; change a `copy_of`.
    """
    folder = copy_of(finished, tmp_path_factory.mktemp("killed") / "project")
    folder.change(shallow_nn=SLOW, pair={"seeds": 1})
    process = start_training(folder)
    process.terminate()
    errors = process.communicate(timeout=60)[1]  # returns when all processes have closed the pipe
    assert errors == "the DVC process of this stage has ended\nstopped by SIGTERM\n"
    assert [run.info.status for run in folder.runs()].count("KILLED") == 1
    process = start_training(folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return folder


def test_a_killed_training_run_resumes(killed: Folder, tmp_path: Path) -> None:
    copy = copy_of(killed, tmp_path / "project")
    assert not list((copy.root / "runs" / "models" / "shallow_nn").glob("*/record.json"))
    assert [run.info.status for run in copy.runs()].count("RUNNING") == 1

    done = copy.run("dvc", "repro", "train@shallow_nn")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done.stdout) == ["code", "train@shallow_nn"]
    done = copy.run("lineup", "publish")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = copy.runs()
    assert {run.info.status for run in runs} == {"FINISHED"}
    keys = [run.data.tags["lineup.key"] for run in runs]
    assert len(set(keys)) == len(keys)
    trained = next(run for run in runs if run.data.params.get("epochs") == str(LONG))
    points = copy.client().get_metric_history(trained.info.run_id, "epoch/loss")
    assert sorted(point.step for point in points) == list(range(1, LONG + 1))
    assert not list(copy.root.rglob("*.partial"))


def test_the_run_of_a_killed_training_run_ends_when_its_model_changes(killed: Folder, tmp_path: Path) -> None:
    copy = copy_of(killed, tmp_path / "project")
    copy.change(shallow_nn={"epochs": 1})
    done = copy.run("dvc", "repro", "--single-item", "train@shallow_nn")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [run for run in copy.runs() if run.info.run_name == "shallow_nn_seed1"]
    assert {run.data.params["epochs"]: run.info.status for run in runs} == {
        "1": "FINISHED",
        "3": "FINISHED",  # of the first run of the pipeline
        str(LONG): "KILLED",
    }


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path, copy: Folder) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a real MLflow server, and a function that starts it."""
    port = free_port()
    folder = tmp_path / "server"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    environment = copy.environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    started: list[subprocess.Popen[bytes]] = []

    def responds() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False

    def start() -> None:
        quiet = subprocess.DEVNULL
        started.append(
            subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
        )
        wait_for(responds, "the MLflow server")

    yield f"http://127.0.0.1:{port}", start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_an_unreachable_server_loses_nothing(copy: Folder, server: tuple[str, Callable[[], None]]) -> None:
    address, start = server
    copy.remove("small_cnn", "frozen_encoder")  # fewer runs to publish
    copy.change(shallow_nn={"seeds": [1, 5]}, pair={"members": ["shallow_nn"]})
    done = copy.run("dvc", "repro", "committee@pair", MLFLOW_TRACKING_URI=address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done.stdout) == ["code", "train@shallow_nn", "select", "committee@pair"]
    assert done.stderr.count("warning: no live tracking") == 1
    # Only publish fails, with one line that the store cannot be reached.
    done = copy.run("dvc", "repro", "--single-item", "publish", MLFLOW_TRACKING_URI=address)
    assert done.returncode != 0
    assert ran(done.stdout) == ["publish"]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert address in errors[0]
    assert "Traceback" not in done.stderr

    start()
    done = copy.run("dvc", "repro", "--single-item", "publish", MLFLOW_TRACKING_URI=address)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = copy.runs(address)
    assert sorted(run.info.run_name for run in runs) == [
        "pair_seed1",
        "pair_seed2",
        "shallow_nn_seed1",
        "shallow_nn_seed5",
    ]
    assert {run.info.status for run in runs} == {"FINISHED"}
    files = copy.client(address).list_artifacts(runs[0].info.run_id, "figures")
    assert "figures/confusion_matrix.png" in [item.path for item in files]
