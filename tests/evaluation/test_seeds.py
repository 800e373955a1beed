"""Compare recipes with several seeds, and check the rate of false positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm, sem, t, ttest_ind

from lineup.errors import LineupError
from lineup.evaluation.seeds import RecipePair, SeedDeviation, compare_recipes
from lineup.evaluation.significance import holm

Hits = NDArray[np.bool_]


def trained(random: np.random.Generator, easiness: NDArray[np.float64], seeds: int, deviation: float = 0.0) -> Hits:
    """Return correct predictions of one recipe, where each seed makes all images easier or harder."""
    shift = random.normal(0, deviation, (seeds, 1)) if deviation else np.zeros((seeds, 1))
    return np.asarray(random.uniform(size=(seeds, easiness.size)) < easiness + shift)


def known(deviation: float) -> SeedDeviation:
    """Return a deviation with so many degrees of freedom that it is known exactly."""
    return SeedDeviation(deviation, 10**9)


def compared(a: Hits, b: Hits, deviation: SeedDeviation) -> RecipePair:
    (pair,) = compare_recipes({"a": a, "b": b}, {"a": deviation, "b": deviation})
    return pair


def two_alike(random: np.random.Generator, easiness: NDArray[np.float64], seeds: int, deviation: float) -> RecipePair:
    """Compare two recipes that are equally accurate."""
    return compared(trained(random, easiness, seeds), trained(random, easiness, seeds), known(deviation))


def test_errors_and_p_equal_the_formula() -> None:
    random = np.random.default_rng(1)
    a, b = trained(random, np.full(500, 0.9), 3), trained(random, np.full(500, 0.85), 2)
    (pair,) = compare_recipes({"a": a, "b": b}, {"a": SeedDeviation(0.004, 6), "b": SeedDeviation(0.003, 2)})
    difference = a.mean(axis=0) - b.mean(axis=0)
    assert pair.difference == pytest.approx(a.mean() - b.mean())
    assert pair.images_error == pytest.approx(sem(difference, ddof=0))
    assert pair.seeds_error == pytest.approx(math.sqrt(0.004**2 / 3 + 0.003**2 / 2))
    assert pair.error == pytest.approx(math.sqrt(pair.images_error**2 + pair.seeds_error**2))
    assert pair.dof == pytest.approx(pair.error**4 / ((0.004**2 / 3) ** 2 / 6 + (0.003**2 / 2) ** 2 / 2))
    assert pair.p == pytest.approx(2 * t.sf(abs(pair.difference) / pair.error, pair.dof))
    assert pair.p_holm == pair.p


def test_a_shared_estimate_counts_once() -> None:
    """With a pooled deviation and without the error of the images, the test is Student's t-test."""
    n = 1_000
    first = [np.arange(n) < right for right in (900, 904, 911)]
    second = [np.arange(n) < right for right in (880, 889, 885, 881)]
    a, b = np.stack(first), np.stack(second)
    squares = 2 * a.mean(axis=1).var(ddof=1) + 3 * b.mean(axis=1).var(ddof=1)
    pair = compared(a, b, SeedDeviation(math.sqrt(squares / 5), 5))
    student = ttest_ind(a.mean(axis=1), b.mean(axis=1))
    assert pair.difference / pair.seeds_error == pytest.approx(student.statistic)
    assert pair.dof == pytest.approx(student.df * (pair.error / pair.seeds_error) ** 4)


def test_without_uncertainty_of_the_estimate_the_distribution_is_normal() -> None:
    random = np.random.default_rng(5)
    a, b = trained(random, np.full(500, 0.9), 3), trained(random, np.full(500, 0.86), 3)
    pair = compared(a, b, known(0.004))
    assert pair.p == pytest.approx(2 * norm.sf(abs(pair.difference) / pair.error))
    without = compared(a, b, SeedDeviation(0.0, 0))
    assert without.dof == math.inf
    assert without.p == pytest.approx(2 * norm.sf(abs(without.difference) / without.images_error))


def test_more_seeds_and_more_images_reduce_the_errors() -> None:
    random = np.random.default_rng(2)
    few, many = (two_alike(random, np.full(400, 0.9), seeds, 0.01) for seeds in (2, 8))
    assert many.seeds_error == pytest.approx(few.seeds_error / 2)
    assert many.images_error < few.images_error
    wide = two_alike(random, np.full(40_000, 0.9), 2, 0.01)
    assert wide.images_error == pytest.approx(few.images_error / 10, rel=0.15)
    assert wide.seeds_error == few.seeds_error


def test_significance_is_rare_for_equal_recipes_and_frequent_for_unequal_ones() -> None:
    """Check the rate of false positives if the variation between seeds is larger than the sampling error."""
    random = np.random.default_rng(3)
    deviation, n, rounds = 0.02, 2_000, 300
    rejected = images_alone = found = 0
    for _ in range(rounds):
        easiness = random.uniform(0.6, 0.9, n)
        a, b = (trained(random, easiness, 3, deviation) for _ in "ab")
        pair = compared(a, b, known(deviation))
        rejected += pair.p <= 0.05
        images_alone += abs(pair.difference) > 1.96 * pair.images_error
        found += compared(a, trained(random, easiness - 0.08, 3, deviation), known(deviation)).p <= 0.05
    assert rejected / rounds <= 0.08
    assert images_alone / rounds >= 0.2
    assert found / rounds >= 0.95


def test_p_values_are_adjusted_for_the_number_of_pairs() -> None:
    random = np.random.default_rng(4)
    correct = {name: trained(random, np.full(300, share), 2) for name, share in (("a", 0.9), ("b", 0.8), ("c", 0.7))}
    deviations = dict.fromkeys(correct, known(0.005))
    every = compare_recipes(correct, deviations)
    assert [(pair.a, pair.b) for pair in every] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.p_holm for pair in every] == holm([pair.p for pair in every]).tolist()
    (chosen,) = compare_recipes(correct, deviations, [("c", "a")])
    assert chosen.difference == -every[1].difference
    assert chosen.p_holm == chosen.p == every[1].p
    assert compare_recipes({}, {}) == compare_recipes(correct, deviations, []) == []


@pytest.mark.parametrize(("right", "p"), [(True, 1.0), (False, 0.0)])
def test_a_difference_without_an_error(right: bool, p: float) -> None:
    assert compared(np.ones((1, 5), bool), np.full((1, 5), right), SeedDeviation(0.0, 0)).p == p


@settings(max_examples=50)
@given(st.integers(0, 1_000), st.integers(1, 4), st.integers(1, 4), st.floats(0, 0.1))
def test_the_order_of_two_recipes_does_not_matter(seed: int, k: int, other: int, deviation: float) -> None:
    random = np.random.default_rng(seed)
    a, b = trained(random, np.full(50, 0.8), k), trained(random, np.full(50, 0.7), other)
    pair, turned = compared(a, b, known(deviation)), compared(b, a, known(deviation))
    assert 0 <= pair.p <= 1
    assert (turned.difference, turned.p) == pytest.approx((-pair.difference, pair.p))


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (np.ones(5, bool), r"b: expected booleans of shape \(k, n\), found bool \(5,\)"),
        (np.ones((0, 5), bool), "b: expected booleans"),
        (np.ones((2, 5)), "b: expected booleans of shape .* found float64"),
        (np.array(True), "b: expected booleans"),
        (np.ones((2, 6), bool), "b: predictions for 6 images, but 5 for a; expected the same images"),
    ],
)
def test_predictions_for_other_images_are_refused(b: Hits, message: str) -> None:
    with pytest.raises(LineupError, match=message):
        compared(np.ones((2, 5), bool), b, known(0.0))
