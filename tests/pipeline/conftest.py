"""A checkout in a temporary folder whose demo pipeline has run once: real DVC, real MLflow, real small trainings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from mlflow import MlflowClient

from lineup.records.record import Record, read_record
from lineup.tracking.address import sqlite_uri

ROOT = Path(__file__).parents[2]
FILES = ("dvc.yaml", ".dvcignore", "MLproject", "conda.yaml", "params.yaml")
EXPERIMENT = "lineup-synthetic"
LOG = "demo.log"

SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 32, "learning_rate": 0.001, "validation": 0.2, "seed": 1}
PARAMS: dict[str, Any] = {
    "data": {"name": "synthetic", "train_images": 400, "test_images": 100, "seed": 1},
    "split": {"seed": 2025},
    "training": {"threads": 1},
    "models": {
        "shallow_nn": SHORT | {"family": "dense", "architecture": "shallow_nn", "epochs": 3},
        "basic_cnn": SHORT | {"family": "cnn", "architecture": "basic_cnn", "validation": 0.1},
        "frozen_encoder": SHORT
        | {
            "family": "autoencoder",
            "architecture": "frozen_encoder",
            "pretrain": {"epochs": 2, "batch_size": 32, "learning_rate": 0.001},
        },
    },
    "committees": {"pair": {"members": ["shallow_nn", "basic_cnn"], "rule": "average", "report": "A"}},
    "champion": {"metric": "loss"},
}
MODELS: tuple[str, ...] = tuple(PARAMS["models"])
NAMES = (*MODELS, "pair")


@dataclass(frozen=True)
class Checkout:
    """A checkout, the demo's workspace in it, and the store that both share."""

    root: Path

    @property
    def demo(self) -> Path:
        return self.root / ".demo"

    @property
    def store(self) -> str:
        return sqlite_uri(self.root / "mlflow.db")

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        quick = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": self.store, "PATH": path}
        return kept | quick | changes

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` something in the workspace and return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=cwd or self.demo,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def change(self, **models: dict[str, Any]) -> None:
        """Change settings of models in the workspace's params.yaml."""
        path = self.demo / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for name, settings in models.items():
            params["models"][name].update(settings)
        path.write_text(yaml.safe_dump(params))

    def client(self, uri: str | None = None) -> MlflowClient:
        return MlflowClient(uri or self.store)

    def runs(self, uri: str | None = None) -> list[Any]:
        """Return the active runs of the demo's experiment."""
        client = self.client(uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return list(client.search_runs([experiment.experiment_id])) if experiment else []

    def record(self, name: str) -> Record:
        """Return a record of the workspace."""
        return read_record(self.demo / "runs" / ("models" if name in MODELS else "committees") / name)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until something holds, or fail by its name."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def ran(output: str) -> list[str]:
    """Return the stages that DVC ran, in order."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage ")]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkout:
    """A checkout after one ``lineup demo``, shared by all test processes. Only read it; change a `copy`."""
    if worker_id == "master":
        return _run_demo(tmp_path_factory.mktemp("checkout"))
    shared = tmp_path_factory.getbasetemp().parent / "checkout"
    with FileLock(f"{shared}.lock"):
        if (shared / LOG).exists():
            return Checkout(shared)
        shared.mkdir()
        return _run_demo(shared)


def _run_demo(root: Path) -> Checkout:
    """Make a checkout in an empty folder and run its demo."""
    checkout = Checkout(root)
    for name in FILES:
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in (".dvc/plots", "benchmarks/results/reproduction"):
        shutil.copytree(ROOT / name, root / name)
    (root / "params.demo.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    done = checkout.run("lineup", "demo", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    (root / LOG).write_text(done.stdout)
    return checkout


@pytest.fixture
def copy(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout and its MLflow store, with what ``mlflow run`` needs in the workspace."""
    target = Checkout(tmp_path / "checkout")
    shutil.copytree(finished.root, target.root, ignore=shutil.ignore_patterns("__pycache__", LOG), symlinks=True)
    for name in ("MLproject", "conda.yaml"):
        shutil.copy(ROOT / name, target.demo / name)
    return target
