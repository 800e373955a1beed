"""``lineup compare``: settings, metrics and the paired test of two records, and groups of training runs."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lineup.cli.compare import compare
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.pages.two_models import paired_test, two_models
from lineup.paths import Project
from lineup.records.archive import write_archive
from lineup.records.header import Device
from lineup.records.importing import import_archive
from lineup.records.predictions import Predictions
from lineup.records.record import HEADER, Record, read_record
from lineup.records.record import RUNTIME as RUNTIME_FILE
from tests.make_records import RUNTIME, change_json, make_record, random_predictions

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("LINEUP_GPU_RECORD", ""))
"""Folder of the record of ``basic_cnn`` that was trained on an NVIDIA H100."""


def predictions(wrong: int) -> Predictions:
    """Return predictions for nine test images, of which the first are wrong."""
    random = random_predictions(1)
    labels = random.test.labels
    predicted = np.where(np.arange(9) < wrong, (labels + 1) % 3, labels)
    probabilities = np.where(np.arange(3) == predicted[:, None], 0.8, 0.1).astype(np.float32)
    return Predictions(random.val, Scores(random.test.indices, labels, probabilities))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with records of two models."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(project: Path, name: str, wrong: int, **parameters: object) -> Record:
    folder = project / "runs" / "models" / name / "seed_1"
    return make_record(folder, predictions(wrong), name=name, parameters={"epochs": 2} | parameters)


def test_the_terminal_shows_what_differs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(project, "basic_cnn", wrong=2, batch_size=32)
    add(project, "deeper_cnn", wrong=5, batch_size=64)
    compare(["basic_cnn", "deeper_cnn"])
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert "The data are generated" in printed
    assert ["batch_size", "32", "64"] in lines
    assert ["test_accuracy", "0.7778", "0.4444"] in lines
    assert not [line for line in lines if line and line[0] in ("epochs", "seed", "family")]
    assert "basic_cnn_seed1 is more accurate by 0.3333" in printed
    assert "only basic_cnn_seed1 is right on 3 images, only deeper_cnn_seed1 on 0; McNemar p = 0.25" in printed
    assert printed.endswith("lineup plot confusion basic_cnn deeper_cnn\n")


def test_the_order_of_the_two_changes_only_the_columns(project: Path) -> None:
    one, other = add(project, "basic_cnn", wrong=2), add(project, "deeper_cnn", wrong=5)
    forward, back = paired_test(one, other, ("one", "other")), paired_test(other, one, ("other", "one"))
    assert forward.partition(";")[0] == back.partition(";")[0]
    tables, swapped = two_models(one, other), two_models(other, one)
    for title, rows in tables.items():
        assert [(name, second, first) for name, first, second in rows] == swapped[title]


def test_two_models_with_the_same_predictions(project: Path) -> None:
    one, other = add(project, "basic_cnn", wrong=2), add(project, "deeper_cnn", wrong=2)
    assert paired_test(one, other, ("a", "b")).startswith("Both have the same accuracy")
    assert two_models(one, other)["Errors that differ most"] == []
    assert two_models(one, other)["Settings that differ"] == []


def test_mistakes_of_the_user_are_one_line(project: Path) -> None:
    add(project, "basic_cnn", wrong=2)
    for second, message in (
        ("basic_cnn", "basic_cnn_seed1: named twice; expected two different models"),
        ("basic_cnn_seed1", "basic_cnn_seed1: named twice"),
        ("deeper_cnm", "unknown model 'deeper_cnm'; did you mean 'deeper_cnn'"),
        ("deeper_cnn", "no record yet for deeper_cnn"),
    ):
        with pytest.raises(LineupError, match=message):
            compare(["basic_cnn", second])


def import_record(project: Path, record: Record) -> None:
    write_archive([record], project / "x.zip", models=False)
    import_archive(project / "x.zip", Project(project))


def test_own_and_imported_records_are_compared_by_device(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    add(project, "basic_cnn", wrong=2)
    add(project, "deeper_cnn", wrong=2)
    runtime = dataclasses.replace(RUNTIME, attempt="other", images_per_second=192.0)
    device = Device("gpu", "NVIDIA H100")
    parameters = {"epochs": 2}
    other = make_record(
        project / "other", predictions(3), name="basic_cnn", parameters=parameters, device=device, runtime=runtime
    )
    import_record(project, other)
    compare(by="device")
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert "The data are generated" in printed
    assert lines[1:3] == [
        ["A:", "A", "processor,", "1", "training", "run"],
        ["B:", "NVIDIA", "H100,", "1", "training", "run"],
    ]
    assert ["basic_cnn", "B", "1", "0.6667", "0.3542\N{EN DASH}0.8794"] in lines
    assert [line[:5] for line in lines if line[2:3] == ["\N{MINUS SIGN}"]] == [
        ["basic_cnn", "B", "\N{MINUS SIGN}", "A", "-0.1111"]
    ]
    assert "deeper_cnn" not in printed
    names = sorted(path.name for path in (project / "experiments" / "compare-device").iterdir())
    assert names == ["comparison.csv", "comparison.md", "comparison.png", "seed_pairs.csv"]


@pytest.mark.skipif(not (REAL / HEADER).is_file(), reason="LINEUP_GPU_RECORD is not the folder of a record")
def test_a_real_record_of_a_gpu(project: Path) -> None:
    """The record is compared with a copy that names a slower processor."""
    record = read_record(REAL)
    import_record(project, record)
    own = project / "runs" / "models" / "basic_cnn" / "seed_1"
    shutil.copytree(REAL, own, ignore=shutil.ignore_patterns("model"))
    change_json(own / HEADER, device={"kind": "cpu", "name": "A processor"}, experiment=None)
    change_json(own / RUNTIME_FILE, attempt="own", training_seconds=10 * record.runtime.training_seconds)
    compare(["basic_cnn"], by="host", output=project / "page")
    page = (project / "page" / "comparison.md").read_text(encoding="utf-8")
    assert "vm (NVIDIA H100 80GB HBM3, 16 cores, 126 GiB)" in page
    assert "vm (A processor, 16 cores, 126 GiB)" in page
    frame = pd.read_csv(project / "page" / "comparison.csv").set_index("device")
    assert frame["test_accuracy"].tolist() == [0.9134, 0.9134]
    assert frame.loc["NVIDIA H100 80GB HBM3", "speed_up"] == pytest.approx(10)
    assert frame.loc["NVIDIA H100 80GB HBM3", "seconds_per_epoch"] == pytest.approx(3.5, abs=0.01)
    assert frame.loc["NVIDIA H100 80GB HBM3", "result"] == "not significant"


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([], {}, "compare: expected two names, or --by"),
        (["basic_cnn"], {}, "compare: expected two names, or --by"),
        (["basic_cnn", "deeper_cnn"], {"output": Path("x")}, "compare: --output needs --by"),
        ([], {"by": "device"}, "compare --by device: all training runs have device 'A processor'"),
        (["resnet"], {"by": "device"}, "no training run of 'resnet'; expected basic_cnn"),
        ([], {"by": "hots"}, "unknown key 'hots'; did you mean 'host'"),
    ],
)
def test_mistakes_with_groups(project: Path, names: list[str], options: dict[str, Any], message: str) -> None:
    add(project, "basic_cnn", wrong=2)
    with pytest.raises(LineupError, match=message):
        compare(names, **options)
    assert not (project / "experiments").exists()


def test_groups_need_records(project: Path) -> None:
    with pytest.raises(LineupError, match="compare: no records of trained models"):
        compare(by="device")
