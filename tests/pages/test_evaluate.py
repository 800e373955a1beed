"""The pages of `lineup evaluate`: what is compared, and what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from lineup.evaluation.significance import holm
from lineup.pages.compare import Comparison, compare
from lineup.pages.evaluate import evaluate
from lineup.pages.evidence import evidence_markdown
from lineup.records.record import Record
from tests.runs import REAL, make_run, make_seeds

PAGES = ["leaderboard.md", "evidence.md"]
FIGURES = ["leaderboard.png", "pairs.png", "selective.png", "reliability.png"]
TABLES = ["leaderboard.csv", "runs.csv", "pairs.csv", "per_class.csv", "recipes.csv"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Two models of three and two seeds, and one that is much worse."""
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
    return np.asarray(predictions.test_probabilities.argmax(axis=1) == predictions.test_labels)


def test_models_are_compared_by_their_first_runs(records: list[Record], comparison: Comparison) -> None:
    by_name = {record.header.name: record for record in records}
    assert [(pair.a, pair.b) for pair in comparison.pairs] == [("cnn", "dense"), ("cnn", "forest"), ("dense", "forest")]
    p_values = []
    for pair in comparison.pairs:
        a, b = right(by_name[pair.a]), right(by_name[pair.b])
        p_values.append(binomtest(int((a & ~b).sum()), int((a != b).sum())).pvalue)
    assert [pair.p for pair in comparison.pairs] == pytest.approx(p_values)
    # The correction is for the pairs of models: repeats with other seeds do not count.
    assert [pair.p_holm for pair in comparison.pairs] == pytest.approx(holm(p_values).tolist())
    assert comparison.ranks == {"cnn": 1, "dense": 1, "forest": 3}
    assert len(comparison.run_pairs) == 6 * 5 / 2


def test_runs_have_further_metrics(records: list[Record], comparison: Comparison) -> None:
    run = comparison.model("dense").runs[1]
    assert run.header.name == "dense_seed2"
    predictions = run.predictions()
    auc = roc_auc_score(predictions.test_labels, predictions.test_probabilities, multi_class="ovr")
    assert run.metrics["test_macro_auc"] == pytest.approx(auc)
    surest = np.argsort(-predictions.test_probabilities.max(axis=1))[:720]
    assert run.metrics["test_surest_80"] == pytest.approx(right(run)[surest].mean(), abs=1 / 720)
    # What the record itself says stays.
    original = next(record for record in records if record.header.name == "dense_seed2")
    assert original.metrics.items() <= run.metrics.items()


def test_every_file_is_written_and_nothing_else(pages: Path) -> None:
    assert sorted(path.name for path in pages.iterdir()) == sorted([*PAGES, *FIGURES, *TABLES])


def test_the_same_records_give_the_same_files(records: list[Record], pages: Path, tmp_path: Path) -> None:
    evaluate(records, tmp_path)
    for name in (*PAGES, *TABLES, "pairs.png"):
        assert (tmp_path / name).read_bytes() == (pages / name).read_bytes()


def test_tables_have_every_run_every_pair_and_every_class(records: list[Record], pages: Path) -> None:
    runs, pairs, classes = (pd.read_csv(pages / name) for name in TABLES[1:4])
    assert runs["name"].tolist() == [record.header.name for record in records]
    assert runs["model"].tolist() == ["cnn"] * 3 + ["dense"] * 2 + ["forest"]
    assert runs["key"].tolist() == [record.header.key for record in records]
    assert runs["test_accuracy"].tolist() == [record.metrics["test_accuracy"] for record in records]
    assert len(pairs) == 15
    assert pairs["p_holm_models"].notna().sum() == 3
    assert (pairs["p_holm_runs"] >= pairs["p"]).all()
    first = pairs.iloc[0]
    assert (first["a"], first["b"]) == ("cnn", "cnn_seed2")
    assert first["difference"] == pytest.approx((first["a_only"] - first["b_only"]) / 900, abs=1e-6)
    assert len(classes) == 6 * 3
    assert set(classes["run"]) == set(runs["name"])


def test_pairs_of_models_are_found_in_any_order_of_the_runs(tmp_path: Path) -> None:
    """A repeat may stand before its model, so that models come in another order than their first runs."""
    evaluate([make_run(tmp_path / "runs", name, 800) for name in ("a_seed2", "b", "a")], tmp_path / "pages")
    pairs = pd.read_csv(tmp_path / "pages" / "pairs.csv")
    assert list(zip(pairs["a"], pairs["b"], strict=True)) == [("a_seed2", "b"), ("a_seed2", "a"), ("b", "a")]
    assert pairs["p_holm_models"].notna().tolist() == [False, False, True]
    assert pairs["p_holm_models"][2] == pairs["p"][2]  # the only pair of models


def test_the_page_says_what_was_found(comparison: Comparison, pages: Path) -> None:
    page = (pages / "evidence.md").read_text()
    assert "This is generated data: these figures say nothing about Fashion-MNIST." in page
    assert "2 of the 3 pairs of models can be told apart" in page
    (row,) = (line for line in page.splitlines() if line.startswith("| 1 | dense | "))
    assert row.endswith(" 4 of 6 |")  # of 820, 835, 829 over 815, 833 there are four positive ones
    assert "| cnn | 3 | 0.9200 | 0.0084 | 0.9111 | 0.9278 | 0.0090 |" in page
    for name in (*FIGURES[1:], *TABLES):
        assert name in page
    assert "first of all `cnn`. Each has its own, the 900 images that it held out itself" in page
    assert "its members were chosen by the same images" in page
    # By validation the means are .9200 and .9156, so that the first run of cnn is shown.
    assert comparison.by_validation()[0].name == "cnn"
    assert "Each class against the rest, by `cnn`" in page


def test_models_with_several_seeds_are_compared_as_recipes(comparison: Comparison, pages: Path) -> None:
    (pair,) = comparison.recipes
    assert (pair.a, pair.b) == ("cnn", "dense")  # the forest has one seed
    assert pair.difference == pytest.approx(np.mean([820, 835, 829]) / 900 - np.mean([815, 833]) / 900)
    spread = np.sqrt((2 * np.var([820, 835, 829], ddof=1) + np.var([815, 833], ddof=1)) / 3) / 900
    assert pair.seeds_error == pytest.approx(spread * np.sqrt(1 / 3 + 1 / 2))
    page = (pages / "evidence.md").read_text()
    assert f"| dense | cnn | {pair.difference:.4f} | {pair.images_error:.4f} | {pair.seeds_error:.4f} | " in page
    assert "pairs of models with several seeds, of which 0 of 1 can be told apart" in " ".join(page.split())
    (row,) = pd.read_csv(pages / "recipes.csv").to_dict("records")
    assert row["p_holm"] == pytest.approx(pair.p_holm, rel=1e-3)


def test_the_page_turns_a_pair_towards_the_better_model(tmp_path: Path) -> None:
    comparison = compare([make_run(tmp_path, "worse", 800, data=REAL), make_run(tmp_path, "better", 830, data=REAL)])
    page = evidence_markdown(comparison, comparison.models[1], most_drawn=60)
    (pair,) = comparison.pairs
    assert pair.a == "worse"
    assert pair.difference == pytest.approx(-30 / 900)
    assert f"only `better` has {pair.b_only} images right, only `worse` {pair.a_only}" in page
    assert f"+0.0333, with a 95 % interval of {-pair.high:+.4f} to {-pair.low:+.4f}" in page
    assert "generated" not in page
    assert "Another seed" not in page


def test_figures_show_the_most_accurate_of_many_models(records: list[Record], pages: Path, tmp_path: Path) -> None:
    evaluate(records, tmp_path, most_drawn=2)
    page = (tmp_path / "evidence.md").read_text()
    assert (
        "This figure and `leaderboard.png` show the 2 most accurate of 3 models; the tables have all of them." in page
    )
    assert "most accurate of" not in (pages / "evidence.md").read_text()
    assert imread(tmp_path / "leaderboard.png").shape[0] < imread(pages / "leaderboard.png").shape[0]
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (pages / name).read_bytes()


def test_a_single_record_has_pages_too(tmp_path: Path) -> None:
    evaluate([make_run(tmp_path / "runs", "cnn", 800)], tmp_path / "pages")
    page = (tmp_path / "pages" / "evidence.md").read_text()
    assert "Wilson" in page
    assert "McNemar" not in page
    assert pd.read_csv(tmp_path / "pages" / "pairs.csv").empty
