"""Describe how many seeds are needed to detect a difference between two models.

Examples
--------
>>> duration(5400)
'1.5 h'
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lineup.evaluation.power import (
    MOST_SEEDS,
    POWER,
    Variation,
    estimate_variation,
    images_needed,
    predict_error,
    seeds_needed,
)
from lineup.pages.markdown import DASH
from lineup.records.model_runs import ModelRuns, seed_deviations

STEPS = (1, 2, 3, 5, 10, 20, 50, 100)
"""Numbers of seeds in the table."""
HEADINGS = ("seeds per model", "95 % interval", "power", "training time")


@dataclass(frozen=True)
class PowerAnalysis:
    """Difference in accuracy that a test should detect, and the variation of this difference.

    Parameters
    ----------
    models : tuple of ModelRuns
    difference : float
        Difference in accuracy to detect, above 0.
    variation : Variation
    """

    models: tuple[ModelRuns, ModelRuns]
    difference: float
    variation: Variation

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the table with the headings `HEADINGS`."""
        rows: list[tuple[str, ...]] = []
        for seeds in sorted({*STEPS, *self.variation.seeds}):
            predicted = predict_error(self.variation, seeds)
            time = self._missing_seconds(seeds)
            rows.append(
                (
                    f"{seeds:,}",
                    f"± {predicted.half_width:.4f}",
                    f"{predicted.power(self.difference):.0%}",
                    duration(time) if time else DASH,
                )
            )
        return rows

    def conclusion(self) -> str:
        """Return how many seeds are needed, or why no number of seeds is enough."""
        seeds = seeds_needed(self.variation, self.difference)
        goal = f"a difference of {self.difference:g} with a probability of {POWER:.0%}"
        if seeds is not None:
            time = self._missing_seconds(seeds)
            cost = "" if not time else f" The missing training runs take {duration(time)}."
            return f"To detect {goal}, each model needs {seeds:,} {'seed' if seeds == 1 else 'seeds'}.{cost}"
        rest, images = predict_error(self.variation, math.inf), self.variation.images
        return (
            f"{MOST_SEEDS:,} seeds per model are not enough to detect {goal}. With any number of seeds, the 95 %"
            f" interval is at least ± {rest.half_width:.4f}, because there are only {images:,} test images."
            f" With many seeds, about {images_needed(self.variation, self.difference):,} test images would be enough."
        )

    def _missing_seconds(self, seeds: int) -> float | None:
        """Return the time that the missing training runs would take. Return None if one of the two records is from a
        committee.
        """
        total = 0.0
        for model, done in zip(self.models, self.variation.seeds, strict=True):
            if model.training_seconds is None:
                return None
            total += max(seeds - done, 0) * model.training_seconds
        return total


def analyse(first: ModelRuns, second: ModelRuns, others: list[ModelRuns], difference: float) -> PowerAnalysis:
    """Estimate how much the accuracies of two models differ, and how much this difference varies.

    The difference varies between images and between seeds.

    Parameters
    ----------
    first, second : ModelRuns
    others : list of ModelRuns
        All models of the project. The standard deviation between seeds is pooled over them; see
        `lineup.records.model_runs.seed_deviations`.
    difference : float
        Difference in accuracy to detect.

    Raises
    ------
    LineupError
        If the predictions of a run cannot be read.
    """
    deviations = seed_deviations([*others, first, second])
    variation = estimate_variation(
        first.correct(), second.correct(), *(deviations[model.first.header.kind] for model in (first, second))
    )
    return PowerAnalysis((first, second), difference, variation)


def duration(seconds: float) -> str:
    """Format a duration in hours or minutes."""
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{math.ceil(seconds / 60)} min"
