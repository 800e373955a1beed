"""A project of four published records, and helpers to read its MLflow store."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Run

from lineup.committee.build import build_committee
from lineup.committee.candidates import Candidate
from lineup.committee.select import select
from lineup.committee.settings import Committee
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.contents import KEY, MEMBERS
from lineup.tracking.publish import publish
from tests.make_records import RUNTIME, TEST, VALIDATION, make_record, random_predictions
from tests.networks import random_images, save_network

IMAGES = random_images(TEST)
EXPERIMENT = "lineup-synthetic"
CANDIDATES = {name: Candidate("network", "dense", "A") for name in ("one", "two", "three")}
"""The models that committees of these tests may have as members."""


def network_record(folder: Path, seed: int, run_seed: int = 1, **header: Any) -> Record:
    """Write the record of a tiny network, with its predictions for `IMAGES`.

    The weights depend on ``seed``. The seed of the run, which is in its name, is ``run_seed``.
    """
    network = save_network(folder / MODEL, seed)
    val, test = vars(random_predictions(seed)).values()
    predictions = Predictions(
        dataclasses.replace(val, probabilities=np.asarray(network(random_images(VALIDATION, seed=1)))),
        dataclasses.replace(test, probabilities=np.asarray(network(IMAGES))),
    )
    runtime = dataclasses.replace(RUNTIME, attempt=f"attempt-{folder.name}-{seed}")
    return make_record(folder, predictions, runtime=runtime, seed=run_seed, **header)


@dataclass(frozen=True)
class Published:
    """A project folder whose records are all published."""

    root: Path
    records: dict[str, Record]
    lines: list[str]

    @property
    def store(self) -> Path:
        return self.root / "mlflow.db"


def publish_lineup(root: Path) -> Published:
    """Publish two networks, a single experiment with the name of one of them, and a committee."""
    lines: list[str] = []
    models = root / "runs" / "models"
    records = {
        "one": network_record(models / "one" / "seed_1", seed=1),
        "two": network_record(models / "two" / "seed_1", seed=2),
        "single": network_record(root / "experiments" / "one", seed=3, experiment="0a1b2c3d"),
    }
    pair = Committee(members=["one", "two"], rule="average", report="A")
    chosen = select("pair", pair, CANDIDATES, models)
    records["pair"] = build_committee("pair", pair, chosen, models, root / "runs" / "pair")
    publish(root, records.values(), log=lines.append)
    return Published(root, records, lines)


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(sqlite_uri(folder / "mlflow.db"))


def runs_of(folder: Path, record: Record) -> list[Run]:
    """Return the active runs of a record, wherever they are."""
    client = client_of(folder)
    experiments = [item.experiment_id for item in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`{KEY}` = '{record.header.key}'"))


def run_of(folder: Path, record: Record) -> Run:
    (run,) = runs_of(folder, record)
    return run


def points(client: MlflowClient, run: Run) -> dict[str, list[tuple[int, int, float]]]:
    """Return every metric's points: step, time, value."""
    return {
        name: [(point.step, point.timestamp, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def files_of(client: MlflowClient, run_id: str, path: str | None = None) -> list[str]:
    """Return the paths of all artifacts of a run."""
    found: list[str] = []
    for item in client.list_artifacts(run_id, path):
        found += files_of(client, run_id, item.path) if item.is_dir else [item.path]
    return sorted(found)


def models_of(run: Run) -> list[str]:
    """Return the ids of the models that a run has logged."""
    return [item.model_id for item in run.outputs.model_outputs] if run.outputs else []


def data_of(run: Run) -> list[DatasetInput]:
    """Return the datasets of a run."""
    return run.inputs.dataset_inputs if run.inputs else []


def snapshot(folder: Path, *, ids: bool = False) -> dict[str, dict[str, Any]]:
    """Return the contents of every run of the experiment, by key; without ids of runs and models unless ``ids``."""
    client = client_of(folder)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found: dict[str, dict[str, Any]] = {}
    for run in client.search_runs([experiment.experiment_id]):
        tags = {name: value for name, value in run.data.tags.items() if name != MEMBERS}
        found[run.data.tags[KEY]] = {
            "status": (run.info.status, run.info.run_name),
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "points": points(client, run),
            "tags": run.data.tags if ids else tags,
            "files": files_of(client, run.info.run_id),
            "inputs": [item.to_dictionary() for item in data_of(run)],
            "models": models_of(run) if ids else len(models_of(run)),
            "id": run.info.run_id if ids else None,
        }
    return found
