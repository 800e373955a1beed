"""The page of the reproduction: verdicts by a stated rule, and what is said beside them."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lineup.records.record import Record
from lineup.report.claims import Claim, load_claims
from lineup.report.entries import Entry, entries_of
from lineup.report.reproduce import MEASUREMENTS, Verdict, judge, reproduce
from lineup.report.reproduction import reproduction_markdown

from .runs import GENERATED, REAL, make_run, make_seeds

BENCHMARKS = Path(__file__).parents[2] / MEASUREMENTS


def error(accuracy: float) -> float:
    """Standard error of an accuracy on the 900 images of these tests."""
    return math.sqrt(accuracy * (1 - accuracy) / 900)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A model of three seeds: 0.90, 0.91 and 0.92."""
    (entry,) = entries_of(make_seeds(tmp_path_factory.mktemp("runs"), "basic_cnn", [810, 819, 828], data=REAL))
    return entry


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A model of one seed: 0.90."""
    (entry,) = entries_of([make_run(tmp_path_factory.mktemp("runs"), "svm", 810, kind="classical", data=REAL)])
    return entry


def test_the_band_is_that_of_the_formula(three: Entry, one: Entry) -> None:
    verdict = judge(Claim("A", 0.9156), three)
    of_seeds = 0.01**2 * (1 + 1 / 3)
    half = 1.959964 * math.sqrt(error(0.9156) ** 2 + error(0.91) ** 2 + of_seeds)
    assert verdict.band == pytest.approx(half + 0.00005)
    assert verdict.difference == pytest.approx(0.91 - 0.9156)
    # Of one seed the spread is not known; two digits leave more room.
    verdict = judge(Claim("E", 0.91, digits=2), one)
    assert verdict.band == pytest.approx(1.959964 * math.hypot(error(0.91), error(0.9)) + 0.005)


def test_the_edge_of_the_band(three: Entry) -> None:
    verdict = judge(Claim("A", 0.9), three)
    assert dataclasses.replace(verdict, difference=verdict.band).word == "reproduced"
    assert dataclasses.replace(verdict, difference=-verdict.band).word == "reproduced"
    assert dataclasses.replace(verdict, difference=math.nextafter(verdict.band, 1)).word == "better"
    assert dataclasses.replace(verdict, difference=math.nextafter(-verdict.band, -1)).word == "worse"


@pytest.mark.parametrize(
    ("accuracy", "word"), [(0.91, "reproduced"), (0.9, "reproduced"), (0.8, "better"), (0.96, "worse")]
)
def test_verdicts(three: Entry, accuracy: float, word: str) -> None:
    assert judge(Claim("A", accuracy), three).word == word


def test_a_range_is_reproduced_inside_and_judged_from_its_nearest_end(one: Entry) -> None:
    inside = judge(Claim("E", 0.89, accuracy_to=0.92, digits=2), one)
    assert (inside.difference, inside.word) == (0, "reproduced")
    below = judge(Claim("E", 0.95, accuracy_to=0.97, digits=2), one)
    assert below.difference == pytest.approx(-0.05)
    assert below.word == "worse"
    assert judge(Claim("E", 0.83, accuracy_to=0.84, digits=2), one).word == "better"


def test_a_recall_that_is_no_accuracy_gets_a_verdict_of_its_own(three: Entry) -> None:
    verdict = judge(Claim("C", 0.6832, recall=0.9040, contradiction="two accuracies"), three)
    assert verdict.word == "better"
    other = verdict.by_recall
    assert other is not None
    assert other.word == "reproduced"
    assert other.difference == pytest.approx(0.91 - 0.904)
    assert judge(Claim("C", 0.9040, recall=0.9040), three).by_recall is None
    assert judge(Claim("A", 0.9156, recall=0.92), three).by_recall is None  # by rounding
    assert judge(Claim("A", 0.9156), three).by_recall is None


def page_of(*verdicts: Verdict, measurements: dict[str, Any] | None = None) -> str:
    return reproduction_markdown(
        {verdict.entry.name: verdict.entry for verdict in verdicts}, verdicts, measurements or {}
    )


def test_a_difference_is_explained_and_a_reproduction_is_not(three: Entry) -> None:
    claim = Claim("A", 0.8, why="it was stopped early", remark="validated on the test set")
    assert "- **basic_cnn** comes out better by 0.1100. It was stopped early. The report validated" in page_of(
        judge(claim, three)
    )
    page = page_of(judge(dataclasses.replace(claim, accuracy=0.91), three))
    assert "stopped early" not in page
    assert "Where they differ" not in page
    assert "Not explained yet." in page_of(judge(Claim("A", 0.8), three))


def test_a_reproduced_figure_can_contradict_itself(three: Entry) -> None:
    page = page_of(judge(Claim("A", 0.9, recall=0.8, contradiction="recall and accuracy differ"), three))
    assert "| reproduced; contradicts itself |" in page
    assert (
        "- **basic_cnn**, report A: recall and accuracy differ. Were the recall the accuracy, ours would be: better."
        in page
    )
    assert "Of 1 published accuracies 1 are reproduced" in page
    assert "Beside 1 of them the report contradicts itself" in page


def test_single_seeds_of_long_trainings_are_named(tmp_path: Path) -> None:
    long = make_run(tmp_path, "resnet", 810, seconds=900, data=REAL)
    short = make_run(tmp_path, "knn", 810, seconds=30, data=REAL)
    verdicts = [judge(Claim("E", 0.9), entry) for entry in entries_of([long, short])]
    assert "One seed, since a training takes more than 10 minutes: resnet (15 min)." in page_of(*verdicts)


def test_other_figures_stand_beside_ours(three: Entry) -> None:
    scores = [0.8] * 10
    claim = Claim("A", 0.91, loss=0.3489, precision=0.92, f1=0.904, seconds=57.74)
    page = page_of(judge(claim, three))
    loss, f1 = three.mean("test_loss"), three.mean("test_macro_f1")
    assert f"| basic_cnn | 0.3489 / {loss:.4f} | 0.92 / " in page
    assert f" |  | 0.9040 / {f1:.4f} |  | 58 / 4 |" in page
    assert "F1 by class" not in page
    classes = [*REAL.classes, *(f"class {number}" for number in range(7))]
    assert "Other published figures" not in page_of(judge(Claim("A", 0.91), three))
    runs = tuple(
        dataclasses.replace(
            run,
            header=dataclasses.replace(run.header, data=dataclasses.replace(REAL, classes=classes)),
            metrics=run.metrics | {f"test_f1/class_{number}": 0.5 for number in range(7)},
        )
        for run in three.runs
    )
    page = page_of(judge(Claim("B", 0.91, f1_by_class=scores), Entry("wide_deep", runs)))
    assert "| wide_deep | 0.80 / 0.9" in page
    assert page.count("0.80 / 0.50") == 7


def test_experiments_stand_beside_what_they_explain(three: Entry, one: Entry) -> None:
    claim = Claim("A", 0.8, experiments={"svm": "no network at all", "thawed": "there is none"})
    page = reproduction_markdown({"basic_cnn": three, "svm": one}, [judge(claim, three)], {})
    assert "| basic_cnn | 0.8000 | 0.9100 ± 0.0100 | svm | no network at all | 0.9000 |" in page
    assert "thawed" not in page


MEASURED = {
    "machine": {"cpu_model": "A processor"},
    "data": {"fingerprint": REAL.fingerprint},
    "settings": {"network": "conv2d_5", "seeds": 5, "epochs": 10, "threads": 1},
    "rows": [
        {"training": "with", "epoch": "the last", "test accuracy": 0.9, "gain": None},
        {"training": "without", "epoch": "the best", "test accuracy": 0.91, "gain": 0.01},
    ],
}


def test_what_was_measured_is_shown_for_the_same_data_alone(three: Entry) -> None:
    verdict = judge(Claim("A", 0.9), three)
    page = page_of(verdict, measurements={"test_validation-conv2d_5": MEASURED})
    assert "`conv2d_5`, 5 seeds, 10 epochs, A processor, 1 thread:" in page
    assert "| without | the best | 0.9100 | 0.0100 |" in page
    assert "| with | the last | 0.9000 | \N{EN DASH} |" in page
    elsewhere = MEASURED | {"data": {"fingerprint": "0" * 64}}
    assert "What does validating" not in page_of(verdict, measurements={"test_validation-conv2d_5": elsewhere})


PAPER = {
    "data": {"fingerprint": REAL.fingerprint},
    "rows": [
        {"row": "svc", "published": 0.897, "accuracy": 0.8995, "accuracies": [0.8995], "difference": 0.0025}
        | {"tolerance": 0.003, "within": True, "note": ""},
        {"row": "mlp", "published": 0.871, "accuracy": 0.8800, "accuracies": [0.879, 0.881], "difference": 0.009}
        | {"tolerance": 0.005, "within": False, "note": "an older optimiser."},
    ],
}


def test_the_paper_of_the_data_set_has_a_table(three: Entry) -> None:
    page = page_of(judge(Claim("A", 0.9), three), measurements={"classical": PAPER})
    assert "| svc | 0.897 | 0.8995 | 1 | +0.0025 | 0.003 | within |" in page
    assert "| mlp | 0.871 | 0.8800 | 2 | +0.0090 | 0.005 | outside |" in page
    assert "- **mlp**: an older optimiser." in page
    assert "**svc**" not in page


@pytest.fixture
def real(tmp_path: Path) -> list[Record]:
    return [*make_seeds(tmp_path / "runs", "basic_cnn", [810, 819, 828], data=REAL)]


def test_page_and_table_are_written_from_the_claims(real: list[Record], tmp_path: Path) -> None:
    (tmp_path / "test_validation-conv2d_5.json").write_text(json.dumps(MEASURED))
    reproduce(real, tmp_path, tmp_path / "pages")
    page = (tmp_path / "pages" / "reproduction.md").read_text()
    assert "| basic_cnn | A | 0.9156 | 0.9100 ± 0.0100 | 3 |" in page
    assert "`conv2d_5`, 5 seeds" in page
    absent = sorted(set(load_claims()) - {"basic_cnn"})
    assert f"Not in this line-up: {', '.join(absent)}." in page
    table = pd.read_csv(tmp_path / "pages" / "reproduction.csv")
    assert table["name"].tolist() == ["basic_cnn"]
    assert table["verdict"].tolist() == ["reproduced"]
    assert table["difference"][0] == pytest.approx(0.91 - 0.9156)


def test_generated_data_are_held_against_nothing(tmp_path: Path) -> None:
    reproduce(make_seeds(tmp_path, "basic_cnn", [810, 819], data=GENERATED), BENCHMARKS, tmp_path / "pages")
    page = (tmp_path / "pages" / "reproduction.md").read_text()
    assert "This is generated data: these figures say nothing about Fashion-MNIST." in page
    assert "Published figures cannot be compared with these." in page
    assert "| basic_cnn | A | 0.9050 ± 0.0071 | 2 |" in page
    assert "0.9156" not in page
    assert pd.read_csv(tmp_path / "pages" / "reproduction.csv").empty
