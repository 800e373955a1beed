"""Compare our results with the published results, and write the reproduction page.

Examples
--------
>>> reproduce([], MEASUREMENTS, Path("reports"))
Traceback (most recent call last):
lineup.errors.LineupError: evaluation: there are no results to compare; train a model first
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lineup.errors import LineupError
from lineup.evaluation.seeds import RecipePair, SeedDeviation, compare_recipes
from lineup.files import replacing_file
from lineup.pages.markdown import write_text
from lineup.pages.reproduction import reproduction_markdown
from lineup.pages.verdict import Verdict, compare_with_reports
from lineup.published.claims import Claim, load_claims
from lineup.records.model_runs import ModelRuns, group_runs, seed_deviations
from lineup.records.record import Record

PAGE, CSV = "reproduction.md", "reproduction.csv"

MEASUREMENTS = Path("benchmarks", "results", "reproduction")
"""Folder in the project with the results of ``validating_on_test.py`` and ``classical.py``, shown on the page."""


def reproduce(records: Sequence[Record], measurements: Path, folder: Path) -> None:
    """Write ``reproduction.md`` and ``reproduction.csv``.

    Parameters
    ----------
    records : sequence of Record
        At least one record. All records must be from the same data. If the reports did not use these data, the page
        lists our results only.
    measurements : Path
        Folder with benchmark results to show on the page. It may be missing.
    folder : Path
        Output folder. It is created if it is missing, and other files in it are kept.

    Raises
    ------
    LineupError
        If there are no records, if a record is incomplete, if two records were made from different data, or if a result
        file is invalid.
    """
    models = {model.name: model for model in group_runs(records)}
    dataset = records[0].header.data.name
    claims = {name: claim for name, claim in load_claims(dataset).items() if name in models}
    deviations = seed_deviations(models.values())
    verdicts = compare_with_reports(list(models.values()))
    results = {path.stem: _measurement(path) for path in sorted(measurements.glob("*.json"))}
    variants = _compare_variants(models, claims, deviations)
    write_text(folder / PAGE, reproduction_markdown(models, verdicts, variants, results))
    with replacing_file(folder / CSV) as partial:
        _frame(verdicts).to_csv(partial, index=False, lineterminator="\n")


def _compare_variants(
    models: Mapping[str, ModelRuns], claims: Mapping[str, Claim], of_kind: Mapping[str, SeedDeviation]
) -> list[RecipePair]:
    """Compare each model with its variants and its experiments."""
    pairs = [
        (variant, name)
        for name, claim in claims.items()
        for variant in (*claim.experiments, *claim.variants)
        if variant in models
    ]
    named = [models[name] for name in dict.fromkeys(name for pair in pairs for name in pair)]
    deviations = {model.name: of_kind[model.first.header.kind] for model in named}
    return compare_recipes({model.name: model.correct() for model in named}, deviations, pairs)


def _measurement(path: Path) -> dict[str, Any]:
    """Read the results of a benchmark from a JSON file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found["data"]["fingerprint"], str) and isinstance(found["rows"], list):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise LineupError(
        f"{path}: expected a benchmark result, JSON with data and rows; delete it or run the benchmark again"
    )


_COLUMNS = ["name", "report", "published", "published_to", "test_accuracy", "test_accuracy_sd", "seeds", "low", "high"]
_COLUMNS += ["difference", "tolerance", "verdict", "contradiction"]


def _frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return a table with one row for each comparison with a published result."""
    rows = [
        [
            verdict.model.name,
            verdict.claim.report,
            verdict.claim.accuracy,
            verdict.claim.accuracy_to,
            verdict.model.mean("test_accuracy"),
            verdict.model.deviation("test_accuracy"),
            len(verdict.model.runs),
            *verdict.interval,
            verdict.difference,
            verdict.tolerance,
            verdict.word,
            verdict.claim.contradiction,
        ]
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
