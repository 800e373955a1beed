"""Runs of several seeds have a parent run with mean, standard deviation and interval of each metric."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from scipy.stats import t

from lineup.paths import seed_folder
from lineup.records.record import MODEL, Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.contents import KEY
from lineup.tracking.groups import GROUP, PARENT
from lineup.tracking.publish import publish
from tests.make_records import HEADER, RUNTIME, make_record, random_predictions
from tests.networks import save_network

from .conftest import store_in


def record_of(folder: Path, name: str, seed: int, **changes: object) -> Record:
    """Write the record of one seed of a model. The loss differs between seeds."""
    folder = seed_folder(folder / name, seed)
    save_network(folder / MODEL, seed)
    parameters = dict(HEADER.parameters) | {"seed": seed} | changes
    runtime = dataclasses.replace(RUNTIME, attempt=f"attempt-{name}-{seed}-{sorted(changes)}")
    return make_record(folder, random_predictions(seed), runtime=runtime, seed=seed, parameters=parameters)


def runs_by_name(root: Path) -> dict[str, list[Run]]:
    client = MlflowClient(sqlite_uri(root / "mlflow.db"))
    experiments = [item.experiment_id for item in client.search_experiments()]
    found: dict[str, list[Run]] = {}
    for run in client.search_runs(experiments):
        found.setdefault(str(run.info.run_name), []).append(run)
    return found


def test_seeds_have_a_parent_with_their_statistics(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        records = [record_of(root / "runs", name, seed) for name, seed in (("one", 1), ("one", 2), ("two", 1))]
        publish(root, records, log=lambda line: None)
        runs = runs_by_name(root)
        (parent,) = runs["one, 2 seeds"]
        parents = {name: run.data.tags.get(PARENT) for name, (run,) in runs.items()}
        assert parents == {
            "one_seed1": parent.info.run_id,
            "one_seed2": parent.info.run_id,
            "two_seed1": None,
            "one, 2 seeds": None,
        }
        values = [record.metrics["test_loss"] for record in records[:2]]
        assert parent.data.metrics["test_loss"] == pytest.approx(statistics.fmean(values))
        assert parent.data.metrics["test_loss_sd"] == pytest.approx(statistics.stdev(values))
        low, high = t.interval(0.95, 1, statistics.fmean(values), statistics.stdev(values) / 2**0.5)
        assert parent.data.metrics["test_loss_low"] == pytest.approx(low)
        assert parent.data.metrics["test_loss_high"] == pytest.approx(high)
        assert parent.data.params["seeds"] == "1, 2"
        assert parent.data.params["learning_rate"] == "0.001"
        assert parent.data.params["parameters"] == "10"  # of the network
        assert "seed" not in parent.data.params
        assert parent.data.metrics["training_seconds"] == RUNTIME.training_seconds
        assert not [name for name in parent.data.metrics if "/" in name]
        assert parent.info.status == "FINISHED"


def test_another_seed_replaces_the_parent(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        records = [record_of(root / "runs", "one", seed) for seed in (1, 2, 3)]
        publish(root, records[:2], log=lambda line: None)
        publish(root, records, log=lambda line: None)
        publish(root, records, log=lambda line: None)
        runs = runs_by_name(root)
        assert sorted(runs) == ["one, 3 seeds", "one_seed1", "one_seed2", "one_seed3"]
        assert all(len(found) == 1 for found in runs.values())
        parent = runs["one, 3 seeds"][0].info.run_id
        assert {run.data.tags[PARENT] for name in runs for run in runs[name] if name != "one, 3 seeds"} == {parent}


def test_with_other_settings_the_former_runs_keep_their_parent(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        former = [record_of(root / "former", "one", seed) for seed in (1, 2)]
        publish(root, former, log=lambda line: None)
        later = [record_of(root / "later", "one", seed, learning_rate=0.7) for seed in (1, 2)]
        publish(root, later, log=lambda line: None)
        parents = runs_by_name(root)["one, 2 seeds"]
        assert sorted(run.data.params["learning_rate"] for run in parents) == ["0.001", "0.7"]
        assert all(run.data.tags[GROUP] == "one" for run in parents)
        below = {run.data.tags[KEY]: run.data.tags[PARENT] for run in runs_by_name(root)["one_seed1"]}
        assert len(set(below.values())) == 2
