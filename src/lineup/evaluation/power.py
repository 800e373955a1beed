"""Estimate how many seeds are needed to detect a difference in accuracy between two models.

Examples
--------
>>> hits = np.arange(4000).reshape(2, 2000) % 10 > 0
>>> variation = estimate_variation(hits, hits, SeedDeviation(0.002, 20), SeedDeviation(0.002, 20))
>>> [round(predict_error(variation, seeds).error, 4) for seeds in (1, 4, 16)]
[0.0028, 0.0014, 0.0007]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.evaluation.seeds import SeedDeviation, compare_recipes, degrees_of_freedom, t_quantile
from lineup.evaluation.significance import LEVEL

POWER = 0.8
"""Probability with which a difference should be detected."""
MOST_SEEDS = 1_000
"""Largest number of seeds that `seeds_needed` returns."""


@dataclass(frozen=True)
class Variation:
    """Values that determine the standard error of a difference in accuracy.

    Attributes
    ----------
    images : int
        Number of test images.
    seeds : tuple of int
        Number of training runs of both models, from which the other values are estimated.
    between_images : float
        Variance between images of the difference in expected accuracy, without the effect of the seeds.
    within_images : float
        Variance of the difference for one image between seeds, summed over both models. With n seeds, it adds
        ``within_images / n`` to the variance between images. It is 0 for a model with only one training run.
    deviations : tuple of SeedDeviation
        Standard deviation of the accuracy between seeds, for both models.
    """

    images: int
    seeds: tuple[int, int]
    between_images: float
    within_images: float
    deviations: tuple[SeedDeviation, SeedDeviation]


@dataclass(frozen=True)
class PredictedError:
    """Expected error of a measured difference in accuracy.

    Attributes
    ----------
    error : float
        Standard error of the difference.
    dof : float
        Degrees of freedom of the t-test.
    """

    error: float
    dof: float

    @property
    def half_width(self) -> float:
        """Return how far the 95 % interval extends on each side of the difference."""
        return t_quantile(self.dof) * self.error

    def power(self, difference: float) -> float:
        """Return the probability that `lineup.evaluation.seeds.compare_recipes` finds a significant difference.

        Parameters
        ----------
        difference : float
            True difference in accuracy.

        Returns
        -------
        float
            Probability that the p-value of a single comparison is at most 0.05, from 0 to 1.
        """
        from scipy.special import nctdtr, ndtr  # takes 0.3 s to import

        if not self.error:
            return float(difference != 0)
        shift, critical = abs(difference) / self.error, t_quantile(self.dof)
        if math.isinf(self.dof):
            return float(ndtr(shift - critical) + ndtr(-shift - critical))
        return float(1 - nctdtr(self.dof, shift, critical) + nctdtr(self.dof, shift, -critical))


def estimate_variation(
    first: NDArray[np.bool_], second: NDArray[np.bool_], of_first: SeedDeviation, of_second: SeedDeviation
) -> Variation:
    """Estimate two variations from the training runs of two models: between images and between seeds.

    Parameters
    ----------
    first, second : ndarray of bool, shape (k, n)
        Whether each of the k training runs of a model classifies each of the n images correctly. The numbers of
        training runs can differ.
    of_first, of_second : SeedDeviation
        Standard deviation of the accuracy between seeds.

    Raises
    ------
    LineupError
        See `lineup.evaluation.seeds.compare_recipes`.
    """
    (pair,) = compare_recipes({"first": first, "second": second}, {"first": of_first, "second": of_second})
    images = first.shape[1]
    within = [hits.var(axis=0, ddof=1).mean() if len(hits) > 1 else 0.0 for hits in (first, second)]
    of_seeds = sum(one / len(hits) for one, hits in zip(within, (first, second), strict=True))
    between = max(pair.images_error**2 * images - float(of_seeds), 0.0)
    return Variation(images, (len(first), len(second)), between, float(sum(within)), (of_first, of_second))


def predict_error(variation: Variation, seeds: float) -> PredictedError:
    """Predict the standard error of a difference in accuracy.

    Both models have the given number of seeds.

    Parameters
    ----------
    variation : Variation
    seeds : float
        Number of seeds of each model, at least 1. With infinity, only the error of the test images remains.
    """
    of_images = (variation.between_images + variation.within_images / seeds) / variation.images
    # The new training runs also make the estimates of the standard deviation better.
    new = 0.0 if math.isinf(seeds) else sum(max(seeds - k, 0) for k in variation.seeds)
    of_seeds: dict[SeedDeviation, float] = {}
    for deviation in variation.deviations:
        estimate = SeedDeviation(deviation.value, deviation.dof + int(new))
        of_seeds[estimate] = of_seeds.get(estimate, 0.0) + estimate.value**2 / seeds
    return PredictedError(math.sqrt(of_images + sum(of_seeds.values())), degrees_of_freedom(of_images, of_seeds))


def seeds_needed(variation: Variation, difference: float) -> int | None:
    """Return the smallest number of seeds per model that gives a power of at least `POWER`.

    Returns
    -------
    int or None
        None if `MOST_SEEDS` are not enough.
    """
    enough = (n for n in range(1, MOST_SEEDS + 1) if predict_error(variation, n).power(difference) >= POWER)
    return next(enough, None)


def images_needed(variation: Variation, difference: float) -> int:
    """Return how many test images are needed for the power `POWER`. The number of seeds is assumed to be unlimited."""
    from scipy.special import ndtri  # takes 0.3 s to import

    standard_errors = float(ndtri(1 - LEVEL / 2) + ndtri(POWER))
    return math.ceil(variation.between_images * (standard_errors / difference) ** 2)
