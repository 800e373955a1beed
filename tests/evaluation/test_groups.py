"""Groups of training runs: which training runs are compared, the seed noise, and how often the test is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lineup.evaluation.groups import GroupDifference, adjusted, compare_groups, paired_noise, seed_noise
from lineup.evaluation.seeds import SeedDeviation
from lineup.evaluation.significance import pairwise

IMAGES = 1_000
NOISE = SeedDeviation(0.004, 60)
NONE = SeedDeviation(0.0, 0)


def hits(right: int, shift: int = 0) -> NDArray[np.bool_]:
    """Return which images a model classifies correctly; the shift decides which ones."""
    return np.roll(np.arange(IMAGES) < right, shift)


def test_seed_noise_is_pooled_within_models_and_groups() -> None:
    noise = seed_noise([[0.90, 0.92], [0.50, 0.50, 0.56], [0.7]])
    assert noise.dof == 3
    assert noise.value == pytest.approx(math.sqrt((2 * 0.01**2 + 2 * 0.02**2 + 0.04**2) / 3))
    assert seed_noise([[0.9], []]) == NONE


def test_both_estimates_agree_for_independent_training_runs() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(0.9, 0.01, (2, 200, 3))
    assert seed_noise(one.tolist()).value == pytest.approx(0.01, rel=0.1)
    assert paired_noise((one - other).tolist()).value == pytest.approx(0.01, rel=0.1)


def test_only_training_runs_with_the_same_seed_are_compared() -> None:
    reference = {1: hits(900), 2: hits(910), 3: hits(500)}
    found = compare_groups(reference, {2: hits(920), 1: hits(905)}, NOISE, NONE)
    assert found.seeds == (1, 2)
    assert found.difference == pytest.approx((0.005 + 0.010) / 2)
    assert found.low < found.difference < found.high
    assert compare_groups(reference, {2: hits(910)}, NOISE, NONE).p == 1


def test_all_training_runs_are_compared_without_common_seeds() -> None:
    found = compare_groups({1: hits(900), 2: hits(910)}, {3: hits(880)}, NOISE, SeedDeviation(0.001, 9))
    assert found.seeds == ()
    assert found.difference == pytest.approx(-0.025)
    assert found.noise == NOISE


def test_paired_noise_needs_enough_pairs() -> None:
    few, enough = SeedDeviation(0.001, 4), SeedDeviation(0.001, 5)
    assert compare_groups({1: hits(900)}, {1: hits(880)}, NOISE, few).noise == NOISE
    assert compare_groups({1: hits(900)}, {1: hits(880)}, NOISE, enough).noise == enough


def test_a_difference_that_is_seed_noise_is_not_significant() -> None:
    """McNemar's test finds a difference between these two training runs; other seeds differ as much."""
    reference, other = hits(900), hits(890)
    (pair,) = pairwise({"other": other, "reference": reference})
    assert pair.significant
    noisy = compare_groups({1: reference}, {1: other}, SeedDeviation(0.01, 60), NONE)
    exact = compare_groups({1: reference}, {1: other}, SeedDeviation(0.001, 60), NONE)
    unknown = compare_groups({1: reference}, {1: other}, NONE, NONE)
    assert noisy.verdict == "not significant"
    assert exact.verdict == "lower"
    assert compare_groups({1: other}, {1: reference}, SeedDeviation(0.001, 60), NONE).verdict == "higher"
    assert unknown.verdict == "more than sampling error, but seed noise is unknown"
    assert noisy.low < 0 < noisy.high
    assert exact.high < 0


def test_p_values_are_adjusted_for_their_number() -> None:
    differences = [GroupDifference(0.1, 0.0, 0.2, (1,), NOISE, p, p) for p in (0.03, 0.01, 0.4)]
    assert [one.p_holm for one in adjusted(differences)] == pytest.approx([0.06, 0.03, 0.4])
    assert [one.verdict for one in adjusted(differences)] == ["not significant", "higher", "not significant"]


def test_equal_machines_differ_in_at_most_five_percent_of_the_cases() -> None:
    """Two machines train the same seeds: a seed changes the accuracy, and each training run has its own errors."""
    random = np.random.default_rng(1)
    deviation, repetitions = 0.02, 300
    difficulty = random.uniform(0.7, 1.0, IMAGES)
    wrong = 0
    for _ in range(repetitions):
        reference, other = [
            {seed: random.random(IMAGES) < difficulty + random.normal(0, deviation) for seed in (1, 2, 3)}
            for _ in range(2)
        ]
        wrong += compare_groups(reference, other, SeedDeviation(deviation, 60), NONE).p <= 0.05
    assert wrong <= 0.08 * repetitions  # 0.05 and two standard errors
