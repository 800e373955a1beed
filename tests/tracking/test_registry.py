"""The champion's model is registered once, under an alias that moves when the champion changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from lineup.committee.champion import Champion
from lineup.errors import LineupError
from lineup.records.record import METRICS, MODEL, Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.contents import KEY
from lineup.tracking.publish import publish
from lineup.tracking.runs import find_runs
from tests.make_records import CLASSES, DATA, RUNTIME, make_record, random_predictions
from tests.networks import random_images, save_network

from .conftest import store_in

NAME = "lineup-synthetic"
ODD_FOLDER = """C# what? 100% !"$&'()*+,-.:;<=>@[\\]^_`{|}~ Проект 项目 🎉"""


def model_record(folder: Path, name: str, seed: int, **header: Any) -> Record:
    save_network(folder / name / MODEL, seed)
    runtime = dataclasses.replace(RUNTIME, attempt=f"attempt-{name}")
    return make_record(folder / name, random_predictions(seed), runtime=runtime, name=name, seed=seed, **header)


def champion_of(record: Record) -> Champion:
    return Champion(record.header.label, record.header.key, "loss", 2, 6, {record.header.label: 0.5}, 0.9, 0.85, 0.05)


def aliases(client: MlflowClient) -> dict[str, str]:
    """Return which run has which alias."""
    found = {}
    for alias in ("champion", "previous"):
        if alias in client.get_registered_model(NAME).aliases:
            version = client.get_model_version_by_alias(NAME, alias)
            found[alias] = client.get_run(str(version.run_id)).info.run_name
    return found


def test_the_alias_moves_with_the_champion(tmp_path: Path, empty_store: Path) -> None:
    """In a folder whose name contains every printable ASCII character that is allowed, and others."""
    import keras

    with store_in(tmp_path / ODD_FOLDER / "project", empty_store) as root:
        records = [model_record(root / "runs", name, seed) for seed, name in enumerate(("one", "two"), start=1)]
        client = MlflowClient(sqlite_uri(root / "mlflow.db"))
        lines: list[str] = []

        def publish_with(record: Record) -> None:
            publish(root, records, champion=champion_of(record), log=lines.append)

        publish_with(records[0])
        assert aliases(client) == {"champion": "one_seed1"}
        publish_with(records[1])
        assert aliases(client) == {"champion": "two_seed2", "previous": "one_seed1"}
        publish_with(records[1])
        assert aliases(client) == {"champion": "two_seed2", "previous": "one_seed1"}
        publish_with(records[0])
        assert aliases(client) == {"champion": "one_seed1", "previous": "two_seed2"}
        assert len(client.search_model_versions(f"name = '{NAME}'")) == 2
        assert sum(line.startswith("champion: ") for line in lines) == 3
        # The model that is loaded by its alias predicts the same as the network of the champion.
        images = random_images(3)
        mlflow.set_tracking_uri(sqlite_uri(root / "mlflow.db"))
        loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
        expected = keras.saving.load_model(records[0].folder / MODEL / "network.keras")(images)
        np.testing.assert_allclose(loaded.predict(images)[CLASSES], np.asarray(expected), rtol=0, atol=1e-6)
        # All artifacts are in the project folder.
        (run,) = find_runs(client, KEY, records[0].header.key)
        fetched = Path(client.download_artifacts(run.info.run_id, f"record/{METRICS}", str(tmp_path)))
        assert fetched.read_bytes() == (records[0].folder / METRICS).read_bytes()
        assert Path(url2pathname(urlsplit(run.info.artifact_uri).path)).is_relative_to(root / "mlartifacts")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ODD_FOLDER, METRICS])


def test_the_champion_is_registered_for_its_own_dataset(tmp_path: Path, empty_store: Path) -> None:
    """``lineup publish`` logs single experiments last, and their data may be generated."""
    real = dataclasses.replace(DATA, name="fashion_mnist", title="Fashion-MNIST", generated=False)
    with store_in(tmp_path / "project", empty_store) as root:
        best = model_record(root / "runs", "one", 1, data=real)
        single = model_record(root / "experiments", "two", 2, experiment="0a1b2c3d")
        lines: list[str] = []
        publish(root, [best, single], champion=champion_of(best), log=lines.append)
        client = MlflowClient(sqlite_uri(root / "mlflow.db"))
        assert [model.name for model in client.search_registered_models()] == ["lineup-fashion_mnist"]
        assert "champion: one_seed1, version 1 of the registered model lineup-fashion_mnist" in lines


def test_without_a_champion_nothing_is_registered(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        publish(root, [model_record(root / "runs", "one", 1)], log=lambda line: None)
        assert not MlflowClient(sqlite_uri(root / "mlflow.db")).search_registered_models()


def test_a_champion_without_a_run_gives_one_line(tmp_path: Path, empty_store: Path) -> None:
    with store_in(tmp_path / "project", empty_store) as root:
        record = model_record(root / "runs", "one", 1)
        stranger = dataclasses.replace(champion_of(record), name="lost", key="0" * 16)
        with pytest.raises(LineupError, match="champion lost: no run with a model in MLflow"):
            publish(root, [record], champion=stranger, log=lambda line: None)
