"""A small project whose pipeline has run once: real DVC, real git, real MLflow, real training runs."""

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

from lineup.execution.init import create_project
from lineup.paths import seed_folder
from lineup.records.record import Record, read_record
from lineup.tracking.address import sqlite_uri
from tests.fork_server import python_folder

ROOT = Path(__file__).parents[2]
EXPERIMENT = "lineup-synthetic"
LOG = "first_run.log"

SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 32, "learning_rate": 0.001, "validation": 0.2}
PARAMS: dict[str, Any] = {
    "data": {"name": "synthetic", "train_images": 400, "test_images": 100, "seed": 1},
    "split": {"seed": 2025},
    "training": {"threads": 1},
    "models": {
        "shallow_nn": SHORT | {"family": "dense", "architecture": "shallow_nn", "epochs": 3, "seeds": 2},
        "small_cnn": SHORT | {"family": "project", "architecture": "small_cnn", "validation": 0.1, "seeds": 2},
        "frozen_encoder": SHORT
        | {
            "family": "autoencoder",
            "architecture": "frozen_encoder",
            "pretrain": {"epochs": 2, "batch_size": 32, "learning_rate": 0.001},
        },
    },
    "committees": {"pair": {"members": ["shallow_nn", "small_cnn"], "rule": "average", "seeds": 2}},
    "champion": {"metric": "loss", "among": "all"},
}
MODELS = ("shallow_nn", "small_cnn", "frozen_encoder")
LABELS = ["frozen_encoder_seed1"]
LABELS += [f"{name}_seed{seed}" for name in ("pair", "shallow_nn", "small_cnn") for seed in (1, 2)]
"""Names of all runs of the pipeline, sorted."""
PARENTS = ("pair, 2 seeds", "shallow_nn, 2 seeds", "small_cnn, 2 seeds")


@dataclass(frozen=True)
class Folder:
    """A project and its MLflow store."""

    root: Path

    @property
    def store(self) -> str:
        return sqlite_uri(self.root / "mlflow.db")

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path} | changes

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` with these arguments in the project and return what it printed.

        The stages run in processes of the `tests.fork_server`.
        """
        given = self.environment(**environment)
        return subprocess.run(
            [str(python_folder() / "python"), "-m", *command],
            cwd=self.root,
            env=given | {"PATH": os.pathsep.join([str(python_folder()), given["PATH"]])},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def change(self, **entries: dict[str, Any]) -> None:
        """Change settings of models and committees in params.yaml."""
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for name, settings in entries.items():
            params["models" if name in MODELS else "committees"][name].update(settings)
        path.write_text(yaml.safe_dump(params))

    def remove(self, *models: str) -> None:
        """Remove models from params.yaml."""
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for name in models:
            del params["models"][name]
        path.write_text(yaml.safe_dump(params))

    def client(self, uri: str | None = None) -> MlflowClient:
        return MlflowClient(uri or self.store)

    def runs(self, uri: str | None = None) -> list[Any]:
        """Return the active runs of records in the project's experiment, without the parents of several seeds."""
        return [run for run in self._all_runs(uri) if "lineup.children" not in run.data.tags]

    def parents(self) -> list[str]:
        """Return the names of the runs that have the runs of several seeds below them."""
        return sorted(run.info.run_name for run in self._all_runs() if "lineup.children" in run.data.tags)

    def _all_runs(self, uri: str | None = None) -> list[Any]:
        client = self.client(uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return list(client.search_runs([experiment.experiment_id])) if experiment else []

    def record(self, name: str, seed: int = 1) -> Record:
        """Return a record of a model or committee."""
        return read_record(
            seed_folder(self.root / "runs" / ("models" if name in MODELS else "committees") / name, seed)
        )


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until a condition holds; fail after a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def ran(output: str) -> list[str]:
    """Return the stages that DVC ran, in order."""
    return [line.split("'")[1] for line in output.splitlines() if "Running stage '" in line]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Folder:
    """A project in git after one ``lineup repro``, shared by all test processes. Only read it; change a `copy`."""
    if worker_id == "master":
        return _first_run(tmp_path_factory.mktemp("finished") / "project")
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    with FileLock(f"{shared}.lock"):
        if (shared / LOG).exists():
            return Folder(shared)
        return _first_run(shared)


def _first_run(root: Path) -> Folder:
    """Create a project with this repository's pipeline in a git repository, and run it, two stages at a time."""
    root.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    create_project(root)
    for name in ("dvc.yaml", "MLproject", "conda.yaml"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "benchmarks" / "results" / "reproduction", root / "benchmarks" / "results" / "reproduction")
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    folder = Folder(root)
    done = folder.run("lineup", "repro", "-j", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    (root / LOG).write_text(done.stdout)
    return folder


@pytest.fixture
def copy(finished: Folder, tmp_path: Path) -> Folder:
    """A copy of the finished project and its MLflow store."""
    return copy_of(finished, tmp_path / "project")


def copy_of(folder: Folder, target: Path) -> Folder:
    """Copy a project and its MLflow store to a new folder."""
    shutil.copytree(folder.root, target, ignore=shutil.ignore_patterns("__pycache__", LOG), symlinks=True)
    return Folder(target)
