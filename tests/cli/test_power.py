"""``lineup power``: how many seeds are needed to detect a difference."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lineup.cli.power import power
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.records.predictions import Predictions
from tests.make_records import make_record, random_predictions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three training runs of basic_cnn, which differ in one image, and one of deeper_cnn."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for name, seeds in (("basic_cnn", 3), ("deeper_cnn", 1)):
        for seed in range(1, seeds + 1):
            random = random_predictions(1)
            labels = random.test.labels
            predicted = np.where(np.arange(9) < seed, (labels + 1) % 3, labels)
            probabilities = np.where(np.arange(3) == predicted[:, None], 0.8, 0.1).astype(np.float32)
            given = Predictions(random.val, Scores(random.test.indices, labels, probabilities))
            make_record(tmp_path / "runs" / "models" / name / f"seed_{seed}", given, name=name, seed=seed)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_table_and_the_conclusion(capsys: pytest.CaptureFixture[str]) -> None:
    power("basic_cnn", "deeper_cnn", difference=0.5)
    printed = capsys.readouterr().out
    assert "The data are generated" in printed
    assert "basic_cnn: mean accuracy 0.7778, 3 seeds, standard deviation between seeds 0.1111\n" in printed
    assert "power for 0.5" in printed
    assert "To detect a difference of 0.5 with a probability of 80%, each model needs" in printed
    power("basic_cnn", "deeper_cnn", difference=0.002)
    printed = capsys.readouterr().out
    assert "1,000 seeds per model are not enough" in printed
    assert "because there are only 9 test images" in printed


@pytest.mark.parametrize(
    ("names", "difference", "said"),
    [
        (("basic_cnn", "basic_cnn"), 0.1, "basic_cnn: named twice; expected two different models"),
        (("basic_cnn", "deeper_cnn"), 1.5, "--difference 1.5: expected more than 0 and at most 1"),
        (("basic_cnn", "resnet"), 0.1, "no record yet for resnet; run dvc repro"),
    ],
    ids=["same", "difference", "no record"],
)
@pytest.mark.usefixtures("project")
def test_a_mistake_gives_one_line(names: tuple[str, str], difference: float, said: str) -> None:
    with pytest.raises(LineupError, match=said):
        power(*names, difference=difference)
