"""After a signal, a command prints one line, exits with the usual status, and sets the MLflow run to KILLED."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from lineup.data.download import download
from lineup.data.split import write_split
from lineup.tracking.contents import KEY
from tests.tracking.published import client_of

ROOT = Path(__file__).parents[1]
MODEL = {"batch_size": 32, "learning_rate": 0.001, "validation": 0.2}
NETWORK = MODEL | {"family": "dense", "architecture": "shallow_nn", "epochs": 10_000}
PARAMS = {
    "data": {"name": "synthetic", "train_images": 200, "test_images": 50, "seed": 1},
    "split": {"seed": 1},
    "training": {"threads": 1},
    "models": {"long": NETWORK},
    "committees": {},
    "champion": {"metric": "loss"},
}


@contextmanager
def start(folder: Path, code: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a Python process, and kill it in the end if it is still running."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    process = subprocess.Popen(
        [sys.executable, *code],
        cwd=folder,
        env=kept | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # The tests ignore it under nohup, and the process would, too.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)


COMPUTES = """
import hashlib, sys, time
from pathlib import Path
from lineup import signals
from lineup.cli import app as cli

@cli.app.command()
def compute(at_once: int) -> None:
    signals.before_exit.append(lambda: Path("called").touch())
    Path("begun").touch()
    if at_once:  # for minutes
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    while True:
        time.sleep(0.01)

sys.argv = ["lineup", "compute", sys.argv[1]]
signals.REACT_SECONDS = 0.5
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_one_line_and_the_exit_status_of_shells(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, ["-c", COMPUTES, "0"]) as process:
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(number)
        assert process.communicate(timeout=20)[1] == f"stopped by {number.name}\n"
    assert process.returncode == 128 + number
    assert not (tmp_path / "called").exists()


def test_a_long_computation_does_not_delay_the_end(tmp_path: Path) -> None:
    with start(tmp_path, ["-c", COMPUTES, "1"]) as process:
        wait_for((tmp_path / "begun").exists, process)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[1] == "stopped by SIGTERM\n"
    assert process.returncode == 143
    assert time.monotonic() - began < 15
    assert (tmp_path / "called").exists()


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """As with nohup."""
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{COMPUTES}"
    with start(tmp_path, ["-c", code, "0"]) as process:
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 143


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGTERM, "{command}; true"),  # the shell of DVC stays
        (signal.SIGKILL, "exec {command}"),  # the shell is replaced, as most shells do with the last command
    ],
)
def test_a_stage_ends_with_its_dvc_process(tmp_path: Path, number: signal.Signals, line: str) -> None:
    (tmp_path / "compute.py").write_text(COMPUTES)
    command = line.format(command=f"{sys.executable} compute.py 0")
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"long": {"cmd": command, "outs": ["result"]}}}))
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    with start(tmp_path, ["-m", "dvc", "repro"]) as process:
        wait_for((tmp_path / "begun").exists, process)
        process.send_signal(number)
        errors = process.communicate(timeout=20)[1]  # returns when all processes have closed the pipe
    assert errors == "the DVC process of this stage has ended\nstopped by SIGTERM\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an empty store, whose only training takes minutes."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    download("synthetic", root / "data" / "raw", folder=None, train_images=200, test_images=50, seed=1)
    (root / "data" / "splits").mkdir()
    write_split(root / "data" / "raw", root / "data" / "splits" / "dataset.npz", 1)
    client_of(root).search_experiments()  # makes the store
    return root


@pytest.mark.slow
def test_the_run_of_a_stopped_training_run_is_killed(project: Path) -> None:
    def epochs() -> int:
        client = client_of(project)
        experiment = client.get_experiment_by_name("lineup-synthetic")
        runs = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'") if experiment else []
        return max((len(client.get_metric_history(run.info.run_id, "epoch/loss")) for run in runs), default=0)

    command = ["-m", "lineup", "train", "long", "--record", "runs/models/long"]
    with start(project, command) as process:
        wait_for(lambda: epochs() >= 1, process)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors == "stopped by SIGINT\n"
    assert time.monotonic() - began < 20
    (run,) = client_of(project).search_runs(["1"])
    assert run.info.status == "KILLED"
    assert KEY in run.data.tags
    assert not (project / "runs" / "models" / "long").exists()
