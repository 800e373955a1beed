"""The reproduction page: the verdicts and the text."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lineup.errors import LineupError
from lineup.evaluation.seeds import compare_recipes
from lineup.pages.markdown import p_value
from lineup.pages.reproduce import MEASUREMENTS, reproduce
from lineup.pages.reproduction import reproduction_markdown
from lineup.pages.verdict import Verdict, compare_with_claim
from lineup.published.claims import Claim, load_claims
from lineup.records.model_runs import ModelRuns, group_runs, seed_deviations
from lineup.records.record import Record
from tests.runs import GENERATED, REAL, make_run, make_seeds

BENCHMARKS = Path(__file__).parents[2] / MEASUREMENTS


def error(accuracy: float) -> float:
    """Standard error of an accuracy on the 900 images of these tests."""
    return math.sqrt(accuracy * (1 - accuracy) / 900)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> ModelRuns:
    """A model with three seeds and the accuracies 0.90, 0.91 and 0.92."""
    (model,) = group_runs(make_seeds(tmp_path_factory.mktemp("runs"), "basic_cnn", [810, 819, 828], data=REAL))
    return model


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> ModelRuns:
    """A model with one seed and the accuracy 0.90."""
    (model,) = group_runs([make_run(tmp_path_factory.mktemp("runs"), "svm", 810, kind="classical", data=REAL)])
    return model


def test_the_band_follows_the_formula(three: ModelRuns, one: ModelRuns) -> None:
    verdict = compare_with_claim(Claim("A", 0.9156), three, 0.01)
    of_seeds = 0.01**2 * (1 + 1 / 3)
    half = 1.959964 * math.sqrt(error(0.9156) ** 2 + error(0.91) ** 2 + of_seeds)
    assert verdict.tolerance == pytest.approx(half + 0.00005)
    assert verdict.difference == pytest.approx(0.91 - 0.9156)
    # One seed is off by as much again as the published one; two digits leave more room.
    verdict = compare_with_claim(Claim("E", 0.91, digits=2), one, 0.002)
    half = 1.959964 * math.sqrt(error(0.91) ** 2 + error(0.9) ** 2 + 0.002**2 * 2)
    assert verdict.tolerance == pytest.approx(half + 0.005)


def test_a_difference_at_the_edge_of_the_band(three: ModelRuns) -> None:
    verdict = compare_with_claim(Claim("A", 0.9), three, 0.01)
    assert dataclasses.replace(verdict, difference=verdict.tolerance).word == "reproduced"
    assert dataclasses.replace(verdict, difference=-verdict.tolerance).word == "reproduced"
    assert dataclasses.replace(verdict, difference=math.nextafter(verdict.tolerance, 1)).word == "better"
    assert dataclasses.replace(verdict, difference=math.nextafter(-verdict.tolerance, -1)).word == "worse"


@pytest.mark.parametrize(
    ("accuracy", "word"), [(0.91, "reproduced"), (0.9, "reproduced"), (0.8, "better"), (0.96, "worse")]
)
def test_verdicts(three: ModelRuns, accuracy: float, word: str) -> None:
    assert compare_with_claim(Claim("A", accuracy), three, 0.01).word == word


def test_a_range_is_reproduced_inside_and_judged_from_its_nearest_end(one: ModelRuns) -> None:
    inside = compare_with_claim(Claim("E", 0.89, accuracy_to=0.92, digits=2), one, 0.0)
    assert (inside.difference, inside.word) == (0, "reproduced")
    below = compare_with_claim(Claim("E", 0.95, accuracy_to=0.97, digits=2), one, 0.0)
    assert below.difference == pytest.approx(-0.05)
    assert below.word == "worse"
    assert compare_with_claim(Claim("E", 0.83, accuracy_to=0.84, digits=2), one, 0.0).word == "better"


def test_a_recall_that_differs_from_the_accuracy_gets_its_own_verdict(three: ModelRuns) -> None:
    verdict = compare_with_claim(Claim("C", 0.6832, recall=0.9040, contradiction="two accuracies"), three, 0.01)
    assert verdict.word == "better"
    other = verdict.by_recall
    assert other is not None
    assert other.word == "reproduced"
    assert other.difference == pytest.approx(0.91 - 0.904)
    assert compare_with_claim(Claim("C", 0.9040, recall=0.9040), three, 0.01).by_recall is None
    assert compare_with_claim(Claim("A", 0.9156, recall=0.92), three, 0.01).by_recall is None  # by rounding
    assert compare_with_claim(Claim("A", 0.9156), three, 0.01).by_recall is None


def page_of(*verdicts: Verdict, measurements: dict[str, Any] | None = None) -> str:
    return reproduction_markdown(
        {verdict.model.name: verdict.model for verdict in verdicts}, verdicts, [], measurements or {}
    )


def test_only_a_difference_is_explained(three: ModelRuns) -> None:
    claim = Claim("A", 0.8, why="it was stopped early", remark="validated on the test set")
    page = page_of(compare_with_claim(claim, three, 0.01))
    assert "- **basic_cnn**: our accuracy is 0.1100 higher than the published accuracy. It was stopped early." in page
    assert "It was stopped early. The report validated on the test set." in page
    page = page_of(compare_with_claim(dataclasses.replace(claim, accuracy=0.91), three, 0.01))
    assert "stopped early" not in page
    assert "## Differences" not in page
    assert "This difference is not explained yet." in page_of(compare_with_claim(Claim("A", 0.8), three, 0.01))


def test_a_reproduced_figure_can_contradict_itself(three: ModelRuns) -> None:
    page = page_of(
        compare_with_claim(Claim("A", 0.9, recall=0.8, contradiction="recall and accuracy differ"), three, 0.01)
    )
    assert "| reproduced; contradicts itself |" in page
    assert (
        "- **basic_cnn**, report A: recall and accuracy differ. Our accuracy is higher than the published recall."
        in page
    )
    assert "We reproduce 1 of 1 published result. Our accuracy is better in 0 cases and worse in 0 cases." in page
    assert "In 1 case, a report contradicts itself." in page


def test_models_with_one_seed_are_explained(tmp_path: Path) -> None:
    long = make_run(tmp_path, "resnet", 810, seconds=900, data=REAL)
    short = make_run(tmp_path, "knn", 810, seconds=30, kind="classical", data=REAL)
    verdicts = [compare_with_claim(Claim("E", 0.9), model, 0.0) for model in group_runs([long, short])]
    page = page_of(*verdicts)
    assert "have only one seed, because their training takes more than 10 minutes: resnet (15 min)." in page
    assert "The following models have only one seed, because the seed hardly affects their results: knn." in page


def test_other_published_results_are_compared_with_ours(three: ModelRuns) -> None:
    claim = Claim("A", 0.91, loss=0.3489, precision=0.92, f1=0.904, seconds=57.74)
    page = page_of(compare_with_claim(claim, three, 0.01))
    loss, f1 = three.mean("test_loss"), three.mean("test_macro_f1")
    assert f"| basic_cnn | 0.3489 / {loss:.4f} | 0.92 / " in page
    assert f" |  | 0.9040 / {f1:.4f} | 58 / 4 |" in page
    assert "F1 by class" not in page
    assert "Other published results" not in page_of(compare_with_claim(Claim("A", 0.91), three, 0.01))


def of_ten_classes(model: ModelRuns, metric: str) -> ModelRuns:
    """Return a model with seven additional classes, for which a metric is 0.5."""
    classes = [*REAL.classes, *(f"class {number}" for number in range(7))]
    runs = tuple(
        dataclasses.replace(
            run,
            header=dataclasses.replace(run.header, data=dataclasses.replace(REAL, classes=classes)),
            metrics=run.metrics | {f"test_{metric}/class_{number}": 0.5 for number in range(7)},
        )
        for run in model.runs
    )
    return ModelRuns("wide_deep", runs)


def test_scores_by_class_are_compared_with_ours(three: ModelRuns) -> None:
    page = page_of(compare_with_claim(Claim("B", 0.91, f1_by_class=[0.8] * 10), of_ten_classes(three, "f1"), 0.01))
    assert "| wide_deep | 0.80 / 0.9" in page
    assert page.count("0.80 / 0.50") == 7


def test_accuracies_by_epoch_are_compared_with_ours(three: ModelRuns) -> None:
    claim = Claim("D", 0.91, train_accuracy=0.95, val_accuracy=0.9267, best_val_accuracy=0.93)
    page = page_of(compare_with_claim(claim, three, 0.01))
    # Of the classifier's two epochs the last; the autoencoder's accuracies are none.
    assert f"| basic_cnn | 0.95 / 0.6000 | 0.9267 / {three.mean('val_accuracy'):.4f} | 0.93 / 0.6500 |" in page
    early = page_of(compare_with_claim(dataclasses.replace(claim, train_epoch=1), three, 0.01))
    assert "| basic_cnn | 0.95 / 0.3000 (epoch 1) | " in early
    late = page_of(compare_with_claim(dataclasses.replace(claim, train_epoch=18), three, 0.01))
    assert "| basic_cnn | 0.95 / 0.6000 (epoch 2) | " in late
    assert "by epoch" not in page_of(compare_with_claim(Claim("D", 0.91), three, 0.01))


def test_a_class_without_a_published_score_is_empty(three: ModelRuns) -> None:
    claim = Claim("E", 0.91, recall_by_class=[*[None] * 9, 0.713])
    page = page_of(compare_with_claim(claim, of_ten_classes(three, "recall"), 0.01))
    assert f"| wide_deep | {' | ' * 8} | 0.713 / 0.500 |" in page


def test_variants_are_compared_with_the_model_that_they_change(tmp_path: Path) -> None:
    """Check the variants of basic_cnn and the experiments with frozen_encoder that are in the project."""
    records = [
        *make_seeds(tmp_path / "runs", "basic_cnn", [810, 819, 828], data=REAL),
        *make_seeds(tmp_path / "runs", "basic_cnn_l2", [780, 771, 762], data=REAL),
        make_run(tmp_path / "runs", "frozen_encoder", 810, data=REAL),
        make_run(tmp_path / "runs", "random_encoder", 720, data=REAL),
    ]
    reproduce(records, tmp_path / "none", tmp_path / "pages")
    page = (tmp_path / "pages" / "reproduction.md").read_text()
    experiments, future = page.split("## Other settings")[1].split(
        "The next table shows variants that the reports suggest as future work:"
    )
    (row,) = (line for line in future.splitlines() if "basic_cnn_l2" in line)
    assert row.startswith("| basic_cnn | 0.9156 | 0.9100 ± 0.0100 | basic_cnn_l2 | an L2 penalty of 0.0001")
    models = {model.name: model for model in group_runs(records)}
    deviation = dict.fromkeys(models, seed_deviations(models.values())["network"])
    correct = {name: model.correct() for name, model in models.items()}
    pairs = [("basic_cnn_l2", "basic_cnn"), ("random_encoder", "frozen_encoder")]
    pair, other = compare_recipes(correct, deviation, pairs)
    assert f"| 0.8567 ± 0.0100 | 3 | -0.0533 | {pair.error:.4f} | {p_value(pair.p)} | {p_value(pair.p_holm)} |" in row
    assert f"| 0.8000 | 1 | -0.1000 | {other.error:.4f} | " in experiments
    assert "thawed_encoder" not in page
    assert "basic_cnn_augmented" not in page


MEASURED = {
    "machine": {"cpu_model": "A processor"},
    "data": {"fingerprint": REAL.fingerprint},
    "settings": {"network": "conv2d_5", "seeds": 5, "epochs": 10, "threads": 1, "parameters": 241546},
    "rows": [
        {"training": "with", "epoch": "the last", "test accuracy": 0.9, "gain": None},
        {"training": "without", "epoch": "the best", "test accuracy": 0.91, "gain": 0.01},
    ],
}


def test_benchmark_results_are_shown_for_the_same_data_only(three: ModelRuns) -> None:
    verdict = compare_with_claim(Claim("A", 0.9), three, 0.01)
    page = page_of(verdict, measurements={"validating_on_test-conv2d_5": MEASURED})
    assert "`conv2d_5` (241,546 parameters), 5 seeds, 10 epochs, A processor, 1 thread:" in page
    assert "| without | the best | 0.9100 | 0.0100 |" in page
    assert "| with | the last | 0.9000 | \N{EN DASH} |" in page
    elsewhere = MEASURED | {"data": {"fingerprint": "0" * 64}}
    assert "How much does validating" not in page_of(verdict, measurements={"validating_on_test-conv2d_5": elsewhere})


PAPER = {
    "data": {"fingerprint": REAL.fingerprint},
    "rows": [
        {"row": "svc", "published": 0.897, "accuracy": 0.8995, "accuracies": [0.8995], "difference": 0.0025}
        | {"tolerance": 0.003, "within": True, "note": ""},
        {"row": "mlp", "published": 0.871, "accuracy": 0.8800, "accuracies": [0.879, 0.881], "difference": 0.009}
        | {"tolerance": 0.005, "within": False, "note": "an older optimiser."},
    ],
    "missing": {"boosting": 0.88},
}


def test_the_paper_of_the_dataset_has_a_table(three: ModelRuns) -> None:
    page = page_of(compare_with_claim(Claim("A", 0.9), three, 0.01), measurements={"classical": PAPER})
    assert "| svc | 0.897 | 0.8995 | 1 | +0.0025 | 0.003 | within |" in page
    assert "| mlp | 0.871 | 0.8800 | 2 | +0.0090 | 0.005 | outside |" in page
    assert "- **mlp**: an older optimiser." in page
    assert "**svc**" not in page
    assert "The benchmark has not yet fitted the following published models: boosting (0.880)." in page


@pytest.fixture
def real(tmp_path: Path) -> list[Record]:
    return [*make_seeds(tmp_path / "runs", "basic_cnn", [810, 819, 828], data=REAL)]


def test_page_and_table_are_written_from_the_claims(real: list[Record], tmp_path: Path) -> None:
    (tmp_path / "validating_on_test-conv2d_5.json").write_text(json.dumps(MEASURED))
    reproduce(real, tmp_path, tmp_path / "pages")
    page = (tmp_path / "pages" / "reproduction.md").read_text()
    assert "| basic_cnn | A | 0.9156 | 0.9100 ± 0.0100 | 3 |" in page
    assert "`conv2d_5` (241,546 parameters), 5 seeds" in page
    absent = sorted(set(load_claims(REAL.name)) - {"basic_cnn"})
    assert f"The following published models are not in `params.yaml`: {', '.join(absent)}." in page
    table = pd.read_csv(tmp_path / "pages" / "reproduction.csv")
    assert table["name"].tolist() == ["basic_cnn"]
    assert table["verdict"].tolist() == ["reproduced"]
    assert table["difference"][0] == pytest.approx(0.91 - 0.9156)


@pytest.mark.parametrize("text", ["{", "[]", '{"data": {}, "rows": []}', '{"data": {"fingerprint": "0"}}'])
def test_an_invalid_result_file_is_named(real: list[Record], tmp_path: Path, text: str) -> None:
    (tmp_path / "classical.json").write_text(text)
    with pytest.raises(LineupError, match=r"classical\.json: expected a benchmark result"):
        reproduce(real, tmp_path, tmp_path / "pages")


def test_generated_data_are_compared_with_nothing(tmp_path: Path) -> None:
    reproduce(make_seeds(tmp_path, "basic_cnn", [810, 819], data=GENERATED), BENCHMARKS, tmp_path / "pages")
    page = (tmp_path / "pages" / "reproduction.md").read_text()
    assert "The data are generated, so the results do not apply to real images." in page
    assert "The published reports did not use these data, so this page shows only our results." in page
    assert "| basic_cnn | A | 0.9050 ± 0.0071 | 2 |" in page
    assert "0.9156" not in page
    assert pd.read_csv(tmp_path / "pages" / "reproduction.csv").empty
