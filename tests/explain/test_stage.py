"""The stage ``explain`` creates figures of each model and committee, and each figure belongs to one record."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.data.dataset import Dataset
from lineup.errors import LineupError
from lineup.explain.files import EXPLAINED, explained_figures, figures_sha256
from lineup.explain.stage import write_explanations
from lineup.records.header import Weights
from lineup.records.record import HEADER, MODEL, Record
from lineup.schema import write_json
from lineup.training.devices import quiet_stderr
from tests.make_records import CLASSES, DATA, TEST, make_record, member_of, random_predictions
from tests.networks import random_images, save_network

WEIGHTS = Weights(parameters=10, trainable=7, frozen=3, sha256="1" * 64)
ENCODER = ["errors.png", "filters.png", "gradcam.png", "latent.png", "maps.png"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    labels = (np.arange(TEST) % 3).astype(np.uint8)
    images, order = random_images(TEST), np.arange(TEST, dtype=np.int32)
    return Dataset("synthetic", True, tuple(CLASSES), images, labels, images, labels, order, DATA.fingerprint)


def encoder_record(folder: Path, **header: Any) -> Record:
    """Write the record of a network with an encoder that has a convolution."""
    with quiet_stderr():
        import keras
    layers = keras.layers
    inner = [keras.Input((28, 28, 1)), layers.Conv2D(4, 3, strides=4), layers.Flatten(), layers.Dense(5)]
    encoder = keras.Sequential(inner, name="encoder")
    start = [keras.Input((28, 28), dtype="uint8"), layers.Rescaling(1 / 255), layers.Reshape((28, 28, 1))]
    network = keras.Sequential([*start, encoder, layers.Dense(3, activation="softmax")])
    (folder / MODEL).mkdir(parents=True)
    network.save(folder / MODEL / "network.keras")
    return make_record(folder, random_predictions(1), weights=WEIGHTS, **header)


def test_each_network_gets_the_figures_that_exist_for_it(tmp_path: Path, dataset: Dataset) -> None:
    models = tmp_path / "runs" / "models"
    encoder = encoder_record(models / "encoder" / "seed_1")
    save_network(models / "flat" / "seed_1" / MODEL, seed=1)
    flat = make_record(models / "flat" / "seed_1", random_predictions(1))
    forest = make_record(models / "forest" / "seed_1", random_predictions(1), kind="classical", weights=None)
    (tmp_path / EXPLAINED / "former").mkdir(parents=True)
    assert write_explanations([encoder, flat, forest], dataset, models, tmp_path / EXPLAINED) == 3
    assert {path.name for path in (tmp_path / EXPLAINED).iterdir()} == {"encoder", "flat", "forest"}
    assert [path.name for path in explained_figures(tmp_path, forest)] == ["errors.png"]
    found = explained_figures(tmp_path, encoder)
    assert [path.name for path in found] == ENCODER
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)
    before = figures_sha256(found)
    write_explanations([encoder], dataset, models, tmp_path / EXPLAINED)
    assert figures_sha256(explained_figures(tmp_path, encoder)) == before
    found[0].write_bytes(b"changed")
    assert figures_sha256(found) != before


def test_a_committee_has_the_images_on_which_it_differs_from_its_best_member(tmp_path: Path, dataset: Dataset) -> None:
    models = tmp_path / "runs" / "models"
    members = [
        make_record(models / name / "seed_1", random_predictions(seed), name=name, kind="classical", weights=None)
        for seed, name in ((1, "forest"), (2, "knn"))
    ]
    fields: dict[str, Any] = {"kind": "committee", "family": "committee", "weights": None, "threads": None}
    committee = make_record(
        tmp_path / "runs" / "committees" / "both" / "seed_1",
        random_predictions(3),
        name="both",
        parameters={},
        members=[member_of(record) for record in members],
        **fields,
    )
    write_explanations([committee], dataset, models, tmp_path / EXPLAINED)
    assert [path.name for path in explained_figures(tmp_path, committee)] == ["differences.png", "errors.png"]


def test_a_model_without_errors_has_no_figure(tmp_path: Path, dataset: Dataset) -> None:
    scores = random_predictions(1)
    right = dataclasses.replace(scores.test, probabilities=np.eye(3, dtype=np.float32)[scores.test.labels])
    predictions = dataclasses.replace(scores, test=right)
    record = make_record(tmp_path / "knn" / "seed_1", predictions, kind="classical", weights=None)
    assert write_explanations([record], dataset, tmp_path, tmp_path / EXPLAINED) == 0


def test_figures_of_another_record_are_ignored(tmp_path: Path, dataset: Dataset) -> None:
    record = encoder_record(tmp_path / "runs" / "models" / "encoder" / "seed_1")
    assert explained_figures(tmp_path, record) == []
    write_explanations([record], dataset, tmp_path, tmp_path / EXPLAINED)
    assert len(explained_figures(tmp_path, record)) == 5
    others: list[dict[str, Any]] = [
        {"seed": 2},
        {"weights": dataclasses.replace(WEIGHTS, sha256="2" * 64)},
        {"weights": None},
        {"experiment": "0a1b2c3d"},
        {"name": "other"},
    ]
    for number, changes in enumerate(others):
        header = dataclasses.replace(record.header, **changes)
        folder = tmp_path / str(number)
        folder.mkdir()
        write_json(folder / HEADER, dataclasses.asdict(header))
        assert explained_figures(tmp_path, dataclasses.replace(record, header=header, folder=folder)) == []
    (tmp_path / EXPLAINED / "encoder" / "source.json").write_text("[]")
    assert explained_figures(tmp_path, record) == []


def test_a_record_of_other_images_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    record = encoder_record(tmp_path / "encoder" / "seed_1")
    with pytest.raises(LineupError, match="encoder_seed1 was made from other images or another split; run dvc repro"):
        write_explanations([record], dataclasses.replace(dataset, fingerprint="0"), tmp_path, tmp_path / "explained")
    assert not (tmp_path / "explained").exists()
