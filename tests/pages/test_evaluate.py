"""The pages of `lineup evaluate`: comparison, text and tables."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from lineup.evaluation.seeds import RecipePair, mean_interval
from lineup.evaluation.significance import holm
from lineup.pages import compare as compare_module
from lineup.pages.compare import Comparison, compare, rank_models
from lineup.pages.evaluate import evaluate
from lineup.pages.evidence import evidence_markdown
from lineup.pages.report_content import report_content
from lineup.records.record import Record, read_confusion
from tests.runs import REAL, make_run, make_seeds

PAGES = ["leaderboard.md", "evidence.md"]
FIGURES = ["leaderboard.png", "pairs.png", "selective.png", "reliability.png"]
TABLES = ["leaderboard.csv", "runs.csv", "run_pairs.csv", "per_class.csv", "pairs.csv", "confusion_matrix.csv"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """A model with three seeds, a model with two seeds, and a model with a much lower accuracy."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        *make_seeds(folder, "cnn", [820, 835, 829]),
        *make_seeds(folder, "dense", [815, 833]),
        make_run(folder, "forest", 700, kind="classical", weights=None),
    ]


@pytest.fixture(scope="module")
def comparison(records: list[Record]) -> Comparison:
    return compare(records)


@pytest.fixture(scope="module")
def pages(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages."""
    folder = tmp_path_factory.mktemp("pages")
    evaluate(records, folder)
    return folder


def right(record: Record) -> np.ndarray:
    predictions = record.predictions()
    return np.asarray(predictions.test.probabilities.argmax(axis=1) == predictions.test.labels)


def test_models_are_compared_by_their_means(comparison: Comparison) -> None:
    assert [(pair.a, pair.b) for pair in comparison.pairs] == [("cnn", "dense"), ("cnn", "forest"), ("dense", "forest")]
    pair, other, _ = comparison.pairs
    assert pair.difference == pytest.approx(np.mean([820, 835, 829]) / 900 - np.mean([815, 833]) / 900)
    spread = np.sqrt((2 * np.var([820, 835, 829], ddof=1) + np.var([815, 833], ddof=1)) / 3) / 900
    assert pair.seeds_error == pytest.approx(spread * np.sqrt(1 / 3 + 1 / 2))
    # The forest has one seed and is compared as it was trained.
    assert other.seeds_error == pytest.approx(spread * np.sqrt(1 / 3))
    adjusted = holm([pair.p for pair in comparison.pairs]).tolist()
    assert [pair.p_holm for pair in comparison.pairs] == pytest.approx(adjusted)
    assert comparison.ranks == {"cnn": 1, "dense": 1, "forest": 3}


def test_runs_are_compared_by_mcnemars_test(records: list[Record], comparison: Comparison) -> None:
    assert len(comparison.run_pairs) == 6 * 5 / 2
    by_label = {record.header.label: record for record in records}
    for pair in comparison.run_pairs:
        a, b = right(by_label[pair.a]), right(by_label[pair.b])
        assert pair.p == pytest.approx(binomtest(int((a & ~b).sum()), int((a != b).sum())).pvalue)


def test_many_runs_are_compared_with_the_best_model_only(
    records: list[Record], comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_module, "MOST_PAIRED", 5)
    limited = compare(records)
    best = next(iter(limited.ranks)) + "_seed1"
    assert limited.reference == best
    assert [{pair.a, pair.b} for pair in limited.run_pairs] == [
        {best, record.header.label} for record in records if record.header.label != best
    ]
    every = {(pair.a, pair.b): pair for pair in comparison.run_pairs}
    for pair in limited.run_pairs:
        assert dataclasses.replace(every[pair.a, pair.b], p_holm=pair.p_holm) == pair
    assert limited.ranks == comparison.ranks
    pairs = report_content(records)["pairs"]
    assert pairs["reference"] == [record.header.label for record in records].index(best)
    assert pairs["p"] == [float(f"{pair.p:.3g}") for pair in limited.run_pairs]
    page = " ".join(evidence_markdown(limited, limited.models[0], most_shown=60).split())
    assert f"test of each pair of runs with `{best}`, because there are more than" in page


def pair_of(a: str, b: str, p: float) -> RecipePair:
    return RecipePair(a, b, 0.1, 0.01, 0.0, math.inf, p, p)


def test_no_model_ranks_behind_one_with_a_lower_mean() -> None:
    accuracies = {"a": 0.93, "b": 0.92, "c": 0.91, "d": 0.80}
    # The standard error of c is large: a is significantly better than b, but not than c.
    pairs = [pair_of("a", "b", 0.01), pair_of("a", "c", 0.2), pair_of("b", "c", 0.5)]
    pairs += [pair_of(name, "d", 0.001) for name in "abc"]
    assert rank_models(accuracies, pairs) == {"a": 1, "b": 1, "c": 1, "d": 4}


def test_runs_get_further_metrics(records: list[Record], comparison: Comparison) -> None:
    run = comparison.model("dense").runs[1]
    assert run.header.label == "dense_seed2"
    predictions = run.predictions()
    auc = roc_auc_score(predictions.test.labels, predictions.test.probabilities, multi_class="ovr")
    assert run.metrics["test_macro_auc"] == pytest.approx(auc)
    surest = np.argsort(-predictions.test.probabilities.max(axis=1))[:720]
    assert run.metrics["test_accuracy_at_80_coverage"] == pytest.approx(right(run)[surest].mean(), abs=1 / 720)
    # The metrics of the record itself stay.
    original = next(record for record in records if record.header.label == "dense_seed2")
    assert original.metrics.items() <= run.metrics.items()


def test_these_files_are_written_and_no_others(pages: Path) -> None:
    assert sorted(path.name for path in pages.iterdir()) == sorted([*PAGES, *FIGURES, *TABLES])


def test_the_same_records_give_the_same_files(records: list[Record], pages: Path, tmp_path: Path) -> None:
    evaluate(records, tmp_path)
    for name in (*PAGES, *TABLES, "pairs.png"):
        assert (tmp_path / name).read_bytes() == (pages / name).read_bytes()


def test_tables_have_every_run_every_pair_and_every_class(records: list[Record], pages: Path) -> None:
    runs, pairs, classes = (pd.read_csv(pages / name) for name in TABLES[1:4])
    assert runs["name"].tolist() == [record.header.label for record in records]
    assert runs["model"].tolist() == ["cnn"] * 3 + ["dense"] * 2 + ["forest"]
    assert runs["key"].tolist() == [record.header.key for record in records]
    assert runs["test_accuracy"].tolist() == [record.metrics["test_accuracy"] for record in records]
    assert len(pairs) == 15
    assert (pairs["p_holm"] >= pairs["p"]).all()
    first = pairs.iloc[0]
    assert (first["a"], first["b"]) == ("cnn_seed1", "cnn_seed2")
    assert first["difference"] == pytest.approx((first["a_only"] - first["b_only"]) / 900, abs=1e-6)
    assert len(classes) == 6 * 3
    assert set(classes["run"]) == set(runs["name"])


def test_the_confusion_matrix_is_that_of_the_best_model(records: list[Record], pages: Path) -> None:
    table = pd.read_csv(pages / "confusion_matrix.csv")
    assert list(table) == ["actual", "predicted", "count"]
    counts = table["count"].to_numpy().reshape(3, 3)
    assert (counts == read_confusion(records[0])).all()


def test_the_page_gives_the_results(comparison: Comparison, pages: Path) -> None:
    page = " ".join((pages / "evidence.md").read_text().split())
    assert "from 6 records of 3 models, including committees." in page
    assert "The data are generated, so the results do not apply to real images." in page
    assert "2 of the 3 pairs of models differ significantly" in page
    pair = comparison.pairs[0]
    numbers = f"{-pair.difference:.4f} | {pair.images_error:.4f} | {pair.seeds_error:.4f} | {pair.error:.4f} | "
    assert f"| 1 | dense | 2 | 0.9156 | {numbers}" in page
    low, high = mean_interval([820 / 900, 835 / 900, 829 / 900])
    assert f"| cnn | 3 | 0.9200 | {low:.4f}\N{EN DASH}{high:.4f} | 0.0084 | 0.9111 | 0.9278 | 0.0090 |" in page
    for name in (*FIGURES[1:], *TABLES):
        assert name in page
    assert (
        "The best of these models is `cnn`. Each model is validated on 900 images that it was not trained on." in page
    )
    assert "the members were selected on the same images" in page
    # By validation the means are .9200 and .9156, so the first run of cnn is shown.
    assert comparison.by_validation()[0].name == "cnn"
    assert "The table shows the one-vs-rest scores of `cnn_seed1` for each class." in page
    (row, *_) = pd.read_csv(pages / "pairs.csv").to_dict("records")
    assert row["p_holm"] == pytest.approx(pair.p_holm, rel=1e-3)


def test_the_example_names_the_better_run_first(tmp_path: Path) -> None:
    comparison = compare([make_run(tmp_path, "worse", 800, data=REAL), make_run(tmp_path, "better", 830, data=REAL)])
    page = " ".join(evidence_markdown(comparison, comparison.models[1], most_shown=60).split())
    (pair,) = comparison.run_pairs
    assert pair.a == "worse_seed1"
    assert pair.difference == pytest.approx(-30 / 900)
    assert (
        f"Of all test images, {pair.b_only} are classified correctly only by `better_seed1`, and {pair.a_only} are"
        " classified correctly only by `worse_seed1`." in page
    )
    assert f"+0.0333, with a 95 % bootstrap interval of {-pair.high:+.4f} to {-pair.low:+.4f}" in page
    assert "generated" not in page
    assert "## Seeds" not in page


def test_figures_show_the_most_accurate_of_many_models(records: list[Record], pages: Path, tmp_path: Path) -> None:
    evaluate(records, tmp_path, most_shown=2)
    page = (tmp_path / "evidence.md").read_text()
    shown = "This figure and `leaderboard.png` show only the 2 most accurate of 3 models."
    assert f"{shown} The tables contain all models." in page
    assert "show only the" not in (pages / "evidence.md").read_text()
    assert imread(tmp_path / "leaderboard.png").shape[0] < imread(pages / "leaderboard.png").shape[0]
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (pages / name).read_bytes()


def test_pages_of_a_single_record(tmp_path: Path) -> None:
    evaluate([make_run(tmp_path / "runs", "cnn", 800)], tmp_path / "pages")
    page = (tmp_path / "pages" / "evidence.md").read_text()
    assert "## Classes" in page
    assert "McNemar" not in page.partition("## Where")[0]
    assert pd.read_csv(tmp_path / "pages" / "pairs.csv").empty
