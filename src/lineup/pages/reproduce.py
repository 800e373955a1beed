"""Hold our results against the published ones."""

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
"""Where a project has the measurements that the page shows, of ``validating_on_test.py`` and ``classical.py``."""

CONFIDENCE = 0.95

_ROUNDED = 0.01
"""So far apart accuracy and recall may be by rounding to two decimals alone."""


@dataclass(frozen=True)
class Verdict:
    """A result beside the published one.

    Parameters
    ----------
    claim : Claim
        What the report says.
    model : ModelRuns
        What came out here.
    difference : float
        Our mean accuracy less the published one; less the nearest end of a published range, 0 inside of it.
    spread : float
        Standard deviation between seeds that was reckoned with, see `seed_deviations`.
    band : float
        How large a difference chance explains, see `judge`.
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
        """The verdict if the published macro recall were the accuracy; None unless the report contradicts itself there.

        On a test set of equally large classes the two are the same number.
        """
        claim = self.claim
        if claim.recall is None or abs(claim.recall - claim.accuracy) < _ROUNDED:
            return None
        digits = 2 if round(claim.recall, 2) == claim.recall else 4
        return judge(dataclasses.replace(claim, accuracy=claim.recall, digits=digits), self.model, self.spread)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval that the number of test images allows around our mean accuracy."""
        images = self.model.first.header.data.test_images
        return accuracy_interval(round(self.model.mean("test_accuracy") * images), images)


def judge(claim: Claim, model: ModelRuns, spread: float) -> Verdict:
    """Compare a model with its claim.

    Parameters
    ----------
    claim : Claim
        What the report says.
    model : ModelRuns
        What came out here.
    spread : float
        Standard deviation of the test accuracy between seeds, of models of this kind: see `seed_deviations`.

    Notes
    -----
    The band is h + z sqrt(e(p)^2 + e(m)^2 + s^2 (1 + 1/k)): h half a unit of the last published digit; z = 1.96 for
    95 %; e(x) = sqrt(x (1 - x) / n) the standard error of an accuracy on n images, of the published p and of our mean
    m over k seeds; s the standard deviation between seeds, by which the published one training is off, too. Both sides
    were measured on the same images, which e does not allow for: in that the band is rather too wide than too narrow.
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
        At least one, all of the same data. Of generated data, which no published figure was measured on, the page
        lists the results alone.
    measurements : Path
        Folder of the benchmarks' result files that the page shows, as far as there are any.
    folder : Path
        Made if it is missing; other files in it are left alone.

    Raises
    ------
    LineupError
        If there are no records, one is incomplete, two were made from different data, or a result file is none.
    """
    models = {model.name: model for model in group_runs(records)}
    generated = records[0].header.data.generated
    claims = {} if generated else {name: claim for name, claim in load_claims().items() if name in models}
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
    """Compare each model that is another one with other settings, ``a``, with that one, ``b``."""
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
    """Return a benchmark's result file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found["data"]["fingerprint"], str) and isinstance(found["rows"], list):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise LineupError(f"{path}: expected a benchmark's result file, JSON with data and rows; remove it or measure anew")


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
