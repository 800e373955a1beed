"""Decide whether a published result is reproduced, or whether our result is better or worse.

Examples
--------
>>> claim = Claim(report="A", accuracy=0.9156)
>>> ours = ModelRuns("basic_cnn", runs=())
>>> Verdict(claim, ours, difference=-0.0049, spread=0.0035, tolerance=0.0112).word
'reproduced'
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from lineup.evaluation.metrics import accuracy_interval
from lineup.published.claims import Claim, load_claims
from lineup.records.model_runs import ModelRuns, seed_deviations

CONFIDENCE = 0.95

_ROUNDED = 0.01
"""Largest difference between accuracy and recall that can result from rounding to two decimals."""


@dataclass(frozen=True)
class Verdict:
    """Our result for a model, compared with the published result.

    Parameters
    ----------
    claim : Claim
        The published result.
    model : ModelRuns
        Our runs.
    difference : float
        Our mean accuracy minus the published accuracy, or minus the nearest end of a published range; 0 inside the
        range.
    spread : float
        Standard deviation between seeds; see `seed_deviations`.
    tolerance : float
        Largest absolute difference that still counts as reproduced; see `compare_with_claim`.
    """

    claim: Claim
    model: ModelRuns
    difference: float
    spread: float
    tolerance: float

    @property
    def word(self) -> str:
        """``reproduced``, ``better`` or ``worse``."""
        if abs(self.difference) <= self.tolerance:
            return "reproduced"
        return "better" if self.difference > 0 else "worse"

    @property
    def by_recall(self) -> Verdict | None:
        """Compare our accuracy with the published macro recall instead of the published accuracy.

        Accuracy and macro recall are equal if all classes have the same number of test images. Return None if the
        report states no recall, or the same value for recall and accuracy.
        """
        claim = self.claim
        if claim.recall is None or abs(claim.recall - claim.accuracy) < _ROUNDED:
            return None
        digits = 2 if round(claim.recall, 2) == claim.recall else 4
        recall = dataclasses.replace(claim, accuracy=claim.recall, digits=digits)
        return compare_with_claim(recall, self.model, self.spread)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of our mean accuracy, computed from the number of test images."""
        images = self.model.first.header.data.test_images
        return accuracy_interval(round(self.model.mean("test_accuracy") * images), images)


def compare_with_claim(claim: Claim, model: ModelRuns, spread: float) -> Verdict:
    """Compare the accuracy of a model with the published accuracy.

    Parameters
    ----------
    claim : Claim
        The published result.
    model : ModelRuns
        Our runs.
    spread : float
        Standard deviation of the test accuracy between seeds, for models of this kind; see `seed_deviations`.

    Notes
    -----
    The tolerance is h + z sqrt(e(p)^2 + e(m)^2 + s^2 (1 + 1/k)). Here h is half a unit of the last published digit,
    z = 1.96 for 95 %, p is the published accuracy, and m is our mean over k seeds. The standard error of an accuracy x
    on n images is e(x) = sqrt(x (1 - x) / n). The standard deviation between seeds is s, which also applies to the
    single published run. The tolerance is conservative, because both accuracies come from the same images.
    """
    images, mean = model.first.header.data.test_images, model.mean("test_accuracy")
    published = claim.nearest(mean)
    of_images = (published * (1 - published) + mean * (1 - mean)) / images
    of_seeds = spread**2 * (1 + 1 / len(model.runs))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    tolerance = 0.5 * 10**-claim.digits + z * math.sqrt(of_images + of_seeds)
    return Verdict(claim, model, mean - published, spread, tolerance)


def compare_with_reports(models: Sequence[ModelRuns]) -> list[Verdict]:
    """If a model has a published result, compare our result with the published result.

    Parameters
    ----------
    models : sequence of ModelRuns
        At least one. All must have the same data.

    Returns
    -------
    list of Verdict
        In the order of the published results. It is empty if the reports did not use these data.
    """
    by_name = {model.name: model for model in models}
    deviations = seed_deviations(models)
    return [
        compare_with_claim(claim, by_name[name], deviations[by_name[name].first.header.kind].value)
        for name, claim in load_claims(models[0].first.header.data.name).items()
        if name in by_name
    ]
