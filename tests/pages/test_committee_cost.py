"""Committees that save time, on the evidence page and in the report."""

from __future__ import annotations

import numpy as np
import pytest

from lineup.committee.build import build_committee
from lineup.committee.cost import Times
from lineup.committee.model import read_analysis
from lineup.committee.settings import Committee
from lineup.evaluation.significance import pairwise
from lineup.pages.compare import compare
from lineup.pages.evidence import evidence_markdown
from lineup.pages.report import report_html
from lineup.pages.report_content import report_content
from lineup.paths import seed_folder
from lineup.records.record import MODEL, Record
from tests.make_records import member_of
from tests.runs import make_run


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """A fast and a slow model, and a cascade of both."""
    folder = tmp_path_factory.mktemp("runs")
    models = [make_run(folder, name, right) for name, right in (("fast", 700), ("slow", 830))]
    cascade = build_committee(
        "pair",
        Committee(["fast", "slow"], "cascade", accuracy_loss=0.01),
        [member_of(record) for record in models],
        folder,
        seed_folder(folder / "pair", 1),
        measure=lambda _: Times("a processor, 1 thread", (0.1, 0.9)),
    )
    return [*models, cascade]


def test_the_evidence_page_compares_a_cascade_with_its_full_committee(records: list[Record]) -> None:
    cost = read_analysis(records[-1].folder / MODEL).cost
    assert cost is not None
    assert 0 < cost.evaluated[1] < 1
    comparison = compare(records)
    page = evidence_markdown(comparison, comparison.models[0], most_shown=60)
    mean = np.mean([record.predictions().test.probabilities for record in records[:2]], axis=0)
    labels = records[0].predictions().test.labels
    hits = {"cascade": records[-1].predictions().test.correct(), "full": mean.argmax(axis=1) == labels}
    (pair,) = pairwise(hits)
    accuracies = [f"{hit.mean():.4f}" for hit in hits.values()]
    speeds = [f"{cost.images_per_second:,.0f}", "1,000"]
    row = ["pair_seed1", *speeds, *accuracies, f"{pair.difference:+.4f}", f"{pair.p:.2g}", f"{pair.p:.2g}"]
    assert f"| {' | '.join(row)} |" in page
    assert f"| pair_seed1 | slow_seed1 | 0.900 | {100 * cost.evaluated[1]:.1f} % |" in page
    assert "a processor, 1 thread" in page


def test_the_report_shows_accuracy_against_prediction_time(records: list[Record]) -> None:
    content = report_content(records)
    points = {point["name"]: point for point in content["costs"]["prediction"]}
    assert {name: point["cost"] for name, point in points.items()} == pytest.approx(
        {"fast": 0.1, "slow": 0.9, "pair, full committee": 1.0, "pair": points["pair"]["cost"]}
    )
    assert points["slow"]["accuracy"] == records[1].metrics["test_accuracy"]
    page = report_html(content)
    assert "Committees that save time" in page
    assert 'id="cost-prediction"' in page


def test_without_such_committees_nothing_is_shown(records: list[Record]) -> None:
    content = report_content(records[:2])
    assert content["saving"] is None
    assert "prediction" not in content["costs"]
    page = report_html(content)
    assert "save time" not in page
    assert 'id="cost-prediction"' not in page
    comparison = compare(records[:2])
    assert "save time" not in evidence_markdown(comparison, comparison.models[0], most_shown=60)
