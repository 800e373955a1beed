"""The predicted error of a difference in accuracy, and how often the test then detects the difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lineup.evaluation.power import (
    POWER,
    PredictedError,
    Variation,
    estimate_variation,
    images_needed,
    predict_error,
    seeds_needed,
)
from lineup.evaluation.seeds import SeedDeviation, compare_recipes

IMAGES, DEVIATION = 4_000, 0.004
KNOWN = SeedDeviation(DEVIATION, 10**9)


def trained(random: np.random.Generator, seeds: int, accuracy: float) -> NDArray[np.bool_]:
    """Return correct predictions of a model. Half of its errors are on the same images for each seed."""
    easy = random.uniform(size=IMAGES) < 1 - (1 - accuracy) / 2
    chance = 1 - (1 - accuracy) / (1 + accuracy) + random.normal(0, DEVIATION, (seeds, 1))
    return np.asarray(easy & (random.uniform(size=(seeds, IMAGES)) < chance))


def pair(random: np.random.Generator, seeds: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return trained(random, seeds, 0.9), trained(random, seeds, 0.9)


def test_the_error_at_the_given_number_of_seeds_is_that_of_the_test() -> None:
    first, second = pair(np.random.default_rng(1), 3)
    deviation = SeedDeviation(0.004, 20)
    (found,) = compare_recipes({"a": first, "b": second}, {"a": deviation, "b": deviation})
    predicted = predict_error(estimate_variation(first, second, deviation, deviation), 3)
    assert predicted.error == pytest.approx(found.error)
    assert predicted.dof == pytest.approx(found.dof)


def test_the_predicted_error_is_the_later_error() -> None:
    """From two seeds, predict the error of 20 seeds, for many pairs of models."""
    random = np.random.default_rng(2)
    ratios = []
    for _ in range(60):
        first, second = pair(random, 20)
        (later,) = compare_recipes({"a": first, "b": second}, {"a": KNOWN, "b": KNOWN})
        variation = estimate_variation(first[:2], second[:2], KNOWN, KNOWN)
        ratios.append(predict_error(variation, 20).error / later.error)
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)
    assert np.std(ratios) < 0.03


@pytest.mark.parametrize("dof", [4.0, math.inf])
def test_the_power_is_the_share_of_significant_tests(dof: float) -> None:
    from scipy.stats import t

    random, difference = np.random.default_rng(3), 0.01
    predicted = PredictedError(error=0.004, dof=dof)
    means = random.normal(difference, predicted.error, 20_000)
    scale = 1 if math.isinf(dof) else np.sqrt(random.chisquare(dof, 20_000) / dof)
    p_values = 2 * t.sf(np.abs(means) / (predicted.error * scale), dof)
    assert predicted.power(difference) == pytest.approx((p_values <= 0.05).mean(), abs=0.012)
    assert predicted.power(0.0) == pytest.approx(0.05)
    assert predicted.power(-difference) == predicted.power(difference)


def test_the_needed_seeds_are_the_fewest_with_enough_power() -> None:
    variation = Variation(10_000, (3, 3), 0.02, 0.1, (SeedDeviation(0.003, 40), SeedDeviation(0.003, 40)))
    seeds = seeds_needed(variation, 0.006)
    assert seeds is not None
    assert predict_error(variation, seeds).power(0.006) >= POWER > predict_error(variation, seeds - 1).power(0.006)


def test_with_too_few_images_no_number_of_seeds_is_enough() -> None:
    variation = Variation(1_000, (3, 3), 0.02, 0.1, (SeedDeviation(0.003, 40), SeedDeviation(0.003, 40)))
    assert seeds_needed(variation, 0.002) is None
    images = images_needed(variation, 0.002)
    enough = Variation(images, (3, 3), 0.02, 0.1, variation.deviations)
    assert predict_error(enough, math.inf).power(0.002) == pytest.approx(POWER, abs=0.001)


def test_without_any_error_every_difference_is_detected() -> None:
    same = PredictedError(0.0, math.inf)
    assert (same.power(0.1), same.power(0.0)) == (1.0, 0.0)
