"""Compare our results with the published ones: which are reproduced, and which are better or worse."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd

from lineup.errors import LineupError
from lineup.evaluation.metrics import accuracy_interval
from lineup.evaluation.seeds import RecipePair, SeedDeviation, compare_recipes
from lineup.files import replacing_file
from lineup.pages.markdown import write_text
from lineup.pages.reproduction import reproduction_markdown
from lineup.published.claims import Claim, load_claims
from lineup.records.model_runs import ModelRuns, group_runs, seed_deviations
from lineup.records.record import Record

PAGE, CSV = "reproduction.md", "reproduction.csv"

MEASUREMENTS = Path("benchmarks", "results", "reproduction")
"""Folder in the project with results of ``validating_on_test.py`` and ``classical.py``, which the page shows."""

CONFIDENCE = 0.95

_ROUNDED = 0.01
"""Largest difference between accuracy and recall that rounding to two decimals can cause."""


@dataclass(frozen=True)
class Verdict:
    """Our result for one model, compared with the published one.

    Parameters
    ----------
    claim : Claim
        The published result.
    model : ModelRuns
        Our runs.
    difference : float
        Our mean accuracy minus the published one; minus the nearest end of a published range, 0 inside the range.
    spread : float
        Standard deviation between seeds, see `seed_deviations`.
    band : float
        The largest difference that chance explains, see `judge`.
    """

    claim: Claim
    model: ModelRuns
    difference: float
    spread: float
    band: float

    @property
    def word(self) -> str:
        """``reproduced``, ``better`` or ``worse``."""
        if abs(self.difference) <= self.band:
            return "reproduced"
        return "better" if self.difference > 0 else "worse"

    @property
    def by_recall(self) -> Verdict | None:
        """The verdict that takes the published macro recall as accuracy; None unless the report contradicts itself.

        On a test set with classes of equal size, accuracy and macro recall are equal.
        """
        claim = self.claim
        if claim.recall is None or abs(claim.recall - claim.accuracy) < _ROUNDED:
            return None
        digits = 2 if round(claim.recall, 2) == claim.recall else 4
        return judge(dataclasses.replace(claim, accuracy=claim.recall, digits=digits), self.model, self.spread)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of our mean accuracy, from the number of test images."""
        images = self.model.first.header.data.test_images
        return accuracy_interval(round(self.model.mean("test_accuracy") * images), images)


def judge(claim: Claim, model: ModelRuns, spread: float) -> Verdict:
    """Compare a model with its claim.

    Parameters
    ----------
    claim : Claim
        The published result.
    model : ModelRuns
        Our runs.
    spread : float
        Standard deviation of the test accuracy between seeds, for models of this kind: see `seed_deviations`.

    Notes
    -----
    The band is h + z sqrt(e(p)^2 + e(m)^2 + s^2 (1 + 1/k)). Here h is half a unit of the last published digit, z = 1.96
    for 95 %, p the published accuracy, m our mean over k seeds, e(x) = sqrt(x (1 - x) / n) the standard error of an
    accuracy on n images, and s the standard deviation between seeds, which also applies to the one published training.
    Both accuracies come from the same images, which e ignores; this makes the band conservative.
    """
    images, mean = model.first.header.data.test_images, model.mean("test_accuracy")
    published = claim.nearest(mean)
    of_images = (published * (1 - published) + mean * (1 - mean)) / images
    of_seeds = spread**2 * (1 + 1 / len(model.runs))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    band = 0.5 * 10**-claim.digits + z * math.sqrt(of_images + of_seeds)
    return Verdict(claim, model, mean - published, spread, band)


def reproduce(records: Sequence[Record], measurements: Path, folder: Path) -> None:
    """Write ``reproduction.md`` and ``reproduction.csv``.

    Parameters
    ----------
    records : sequence of Record
        At least one, all of the same data. For data that the reports did not use, the page lists our results only.
    measurements : Path
        Folder with result files of benchmarks, which the page shows. It may be missing.
    folder : Path
        Created if it is missing; other files in it are kept.

    Raises
    ------
    LineupError
        If there are no records, one is incomplete, two were made from different data, or a result file is invalid.
    """
    models = {model.name: model for model in group_runs(records)}
    dataset = records[0].header.data.name
    claims = {name: claim for name, claim in load_claims(dataset).items() if name in models}
    deviations = seed_deviations(models.values())
    kinds = {name: model.first.header.kind for name, model in models.items()}
    verdicts = [judge(claim, models[name], deviations[kinds[name]].value) for name, claim in claims.items()]
    results = {path.stem: _measurement(path) for path in sorted(measurements.glob("*.json"))}
    variants = _compare_variants(models, claims, deviations)
    write_text(folder / PAGE, reproduction_markdown(models, verdicts, variants, results))
    with replacing_file(folder / CSV) as partial:
        _frame(verdicts).to_csv(partial, index=False, lineterminator="\n")


def _compare_variants(
    models: Mapping[str, ModelRuns], claims: Mapping[str, Claim], of_kind: Mapping[str, SeedDeviation]
) -> list[RecipePair]:
    """Compare each experiment and variant, ``a``, with the model that it changes, ``b``."""
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
    """Read a result file of a benchmark."""
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
_COLUMNS += ["difference", "band", "verdict", "contradiction"]


def _frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return a row for each verdict."""
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
            verdict.band,
            verdict.word,
            verdict.claim.contradiction,
        ]
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
