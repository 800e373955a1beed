"""``lineup compare``: settings, metrics and the paired test of two records."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lineup.cli.compare import compare
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.pages.two_models import paired_test, two_models
from lineup.records.record import Predictions, Record
from tests.make_records import make_record, random_predictions

ROOT = Path(__file__).parents[2]


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
    compare("basic_cnn", "deeper_cnn")
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
            compare("basic_cnn", second)
