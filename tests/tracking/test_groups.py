"""Several seeds of a model stand below one parent run with their mean and standard deviation."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from lineup.records.record import MODEL, Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.groups import GROUP, PARENT
from lineup.tracking.publish import publish
from lineup.tracking.runs import KEY
from tests.make_records import HEADER, RUNTIME, make_record, random_predictions
from tests.networks import save_network

from .conftest import store_in


def record_of(folder: Path, name: str, seed: int, **changes: object) -> Record:
    """Write a record of a model with a seed; accuracy differs from seed to seed."""
    save_network(folder / name / MODEL, seed)
    parameters = dict(HEADER.parameters) | {"seed": seed} | changes
    runtime = dataclasses.replace(RUNTIME, attempt=f"attempt-{name}-{sorted(changes)}")
    return make_record(
        folder / name, random_predictions(seed), runtime=runtime, name=name, seed=seed, parameters=parameters
    )


def runs_by_name(root: Path) -> dict[str, list[Run]]:
    client = MlflowClient(sqlite_uri(root / "mlflow.db"))
    experiments = [item.experiment_id for item in client.search_experiments()]
    found: dict[str, list[Run]] = {}
    for run in client.search_runs(experiments):
        found.setdefault(str(run.info.run_name), []).append(run)
    return found


def test_seeds_stand_below_their_mean(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        records = [record_of(root / "runs", name, seed) for name, seed in (("one", 1), ("one_seed2", 2), ("two", 1))]
        publish(root, records, tell=lambda line: None)
        runs = runs_by_name(root)
        (parent,) = runs["one, 2 seeds"]
        parents = {name: run.data.tags.get(PARENT) for name, (run,) in runs.items()}
        assert parents == {
            "one": parent.info.run_id,
            "one_seed2": parent.info.run_id,
            "two": None,
            "one, 2 seeds": None,
        }
        values = [record.metrics["test_accuracy"] for record in records[:2]]
        assert parent.data.metrics["test_accuracy"] == pytest.approx(statistics.fmean(values))
        assert parent.data.metrics["test_accuracy_sd"] == pytest.approx(statistics.stdev(values))
        assert parent.data.params["seeds"] == "1, 2"
        assert parent.data.params["learning_rate"] == "0.001"
        assert "seed" not in parent.data.params
        assert parent.info.status == "FINISHED"


def test_a_seed_more_makes_one_parent_of_all(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        records = [record_of(root / "runs", f"one_seed{seed}" if seed > 1 else "one", seed) for seed in (1, 2, 3)]
        publish(root, records[:2], tell=lambda line: None)
        publish(root, records, tell=lambda line: None)
        publish(root, records, tell=lambda line: None)
        runs = runs_by_name(root)
        assert sorted(runs) == ["one", "one, 3 seeds", "one_seed2", "one_seed3"]
        assert all(len(found) == 1 for found in runs.values())
        parent = runs["one, 3 seeds"][0].info.run_id
        assert {run.data.tags[PARENT] for name in ("one", "one_seed2", "one_seed3") for run in runs[name]} == {parent}


def test_other_settings_leave_the_former_runs_their_parent(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        former = [record_of(root / "former", name, seed) for name, seed in (("one", 1), ("one_seed2", 2))]
        publish(root, former, tell=lambda line: None)
        later = [
            record_of(root / "later", name, seed, learning_rate=0.7) for name, seed in (("one", 1), ("one_seed2", 2))
        ]
        publish(root, later, tell=lambda line: None)
        parents = runs_by_name(root)["one, 2 seeds"]
        assert sorted(run.data.params["learning_rate"] for run in parents) == ["0.001", "0.7"]
        assert all(run.data.tags[GROUP] == "one" for run in parents)
        below = {run.data.tags[KEY]: run.data.tags[PARENT] for run in runs_by_name(root)["one"]}
        assert len(set(below.values())) == 2
