"""Groups of records: their labels, and which training runs have the same recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lineup.errors import LineupError
from lineup.models.settings import Augmentation, NetworkRecipe
from lineup.records.groups import DEFAULTS, group_labels, match_records
from lineup.records.header import Device, flatten
from lineup.records.machine import Machine
from lineup.records.record import Record
from tests.make_records import DATA, MACHINE, RUNTIME, make_record, random_predictions

CPU = dataclasses.replace(MACHINE, host="vm", cores=2)
GPU = dataclasses.replace(MACHINE, host="vm", cores=16, memory_bytes=2**37)
H100 = Device("gpu", "NVIDIA H100")


class Folder:
    """Writes records to numbered folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0

    def make(
        self, machine: Machine = CPU, commit: str = "a" * 40, runtime: dict[str, Any] | None = None, **header: Any
    ) -> Record:
        self.number += 1
        ran = dataclasses.replace(RUNTIME, machine=machine, git_commit=commit, **(runtime or {}))
        return make_record(
            self.root / str(self.number), random_predictions(1), runtime=ran, **({"name": "small"} | header)
        )

    def gpu(self, **header: Any) -> Record:
        return self.make(GPU, device=H100, **header)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_labels(folder: Folder) -> None:
    records = [
        folder.make(commit="0123456789abcdef0123456789abcdef01234567-dirty"),
        folder.gpu(commit="unknown", parameters={"batch_size": 64}, libraries={"keras": "3.15.1"}),
        folder.make(dataclasses.replace(MACHINE, host="other")),
    ]
    assert group_labels(records, "device") == ["A processor", "NVIDIA H100", "A processor"]
    assert group_labels(records, "commit") == ["0123456789ab-dirty", "unknown", "a" * 12]
    assert group_labels(records, "keras") == ["keras 3.12.0", "keras 3.15.1", "keras 3.12.0"]
    assert group_labels(records, "python") == ["python 3.11.9", "no python", "python 3.11.9"]
    assert group_labels(records, "libraries")[0] == "keras 3.12.0, python 3.11.9"
    assert group_labels(records, "batch_size") == ["no batch_size", "batch_size 64", "no batch_size"]


def test_hosts_with_the_same_name_have_their_hardware_in_the_label(folder: Folder) -> None:
    records = [folder.make(), folder.gpu(), folder.make(dataclasses.replace(MACHINE, host="other"))]
    assert group_labels(records, "host") == [
        "vm (A processor, 2 cores, 16 GiB)",
        "vm (NVIDIA H100, 16 cores, 128 GiB)",
        "other",
    ]
    assert group_labels(records[1:], "host") == ["vm", "other"]


def test_only_the_same_settings_are_compared(folder: Folder) -> None:
    records = [
        folder.make(seed=1),
        folder.make(seed=2),
        folder.gpu(seed=2),
        folder.gpu(seed=3, name="alone"),
        folder.gpu(seed=1, parameters={"learning_rate": 0.1}),
        folder.gpu(seed=1, data=dataclasses.replace(DATA, fingerprint="1" * 64)),
        folder.gpu(seed=1, kind="committee", history=[]),
        folder.gpu(seed=2, experiment="0a1b2c3d"),
    ]
    matched = match_records(records, "device")
    assert matched.groups == ["A processor", "NVIDIA H100"]
    (model,) = matched.models
    assert (model.name, model.reference) == ("small", "A processor")
    assert {group: list(runs) for group, runs in model.runs.items()} == {"A processor": [1, 2], "NVIDIA H100": [2]}
    assert model.runs["NVIDIA H100"][2].folder == records[2].folder  # not the repeated experiment
    assert sorted(matched.left_out.values()) == [1, 1, 1, 2]
    assert matched.left_out["no training run with the same settings in another group"] == 2
    assert [len(runs) for runs in matched.repeated] == [2, 1, 1, 1]


def test_the_compared_setting_may_differ(folder: Folder) -> None:
    records = [
        folder.make(parameters={"batch_size": size, "dropout": 0.5, "seed": seed}, seed=seed)
        for size, seed in ((32, 1), (64, 1), (64, 2))
    ]
    matched = match_records(records, "batch_size")
    assert matched.groups == ["batch_size 64", "batch_size 32"]
    (model,) = matched.models
    assert [len(runs) for runs in model.runs.values()] == [2, 1]


def test_recipes_of_the_same_model_have_different_names(folder: Folder) -> None:
    records = [make(parameters={"epochs": 2, "dropout": d}) for make in (folder.make, folder.gpu) for d in (0.1, 0.2)]
    assert [model.name for model in match_records(records, "device").models] == [
        "small (dropout=0.1)",
        "small (dropout=0.2)",
    ]


def test_a_setting_without_a_value_is_no_difference(folder: Folder) -> None:
    records = [folder.make(parameters={"epochs": 2, "patience": None}), folder.gpu(parameters={"epochs": 2})]
    assert [model.name for model in match_records(records, "device").models] == ["small"]


def test_records_of_older_versions_are_compared(folder: Folder) -> None:
    """An older record has no newer settings, and ``augment`` is true or false."""
    plain, augmented = {"epochs": 2}, {"epochs": 2, "pretrain.batch_size": 8}
    older = [plain | {"augment": False, "l2": 0.0}, augmented | {"augment": True, "pretrain.augment": False}]
    shift = {"augment.shift": 2, "augment.mirror": True, "augment.cutout": 0}
    newer = [plain | {"label_smoothing": 0.0, "precision": "float32"}, augmented | shift | {"pretrain.l2": 0.0}]
    records = [make(parameters=one) for make, all in ((folder.make, older), (folder.gpu, newer)) for one in all]
    assert len(match_records(records, "device").models) == 2
    assert group_labels(records, "precision") == ["precision float32"] * 4


def test_the_defaults_are_those_of_the_recipes() -> None:
    recipe = NetworkRecipe(
        family="cnn", architecture="basic_cnn", validation=0.2, epochs=1, batch_size=1, learning_rate=0.1
    )
    settings = flatten(dataclasses.asdict(recipe) | {"augment": dataclasses.asdict(Augmentation())})
    given = {"family", "architecture", "validation", "epochs", "batch_size", "learning_rate", "seeds"}
    assert {name: value for name, value in settings.items() if value is not None and name not in given} == DEFAULTS


def test_names_select_models(folder: Folder) -> None:
    records = [make(name=name) for make in (folder.make, folder.gpu) for name in ("one", "two")]
    assert [model.name for model in match_records(records, "device", ["two"]).models] == ["two"]
    with pytest.raises(LineupError, match="no training run of 'tow'; did you mean 'two'"):
        match_records(records, "device", ["tow"])
    with pytest.raises(LineupError, match="unknown key 'hots'; did you mean 'host'"):
        match_records(records, "hots")
    with pytest.raises(LineupError, match="unknown key 'seed'"):
        match_records(records, "seed")
