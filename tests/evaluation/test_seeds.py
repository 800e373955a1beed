"""Recipes with several seeds: chance in images and in seeds, and how often equals are told apart."""

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

Answers = NDArray[np.bool_]


def trained(random: np.random.Generator, easiness: NDArray[np.float64], seeds: int, deviation: float = 0.0) -> Answers:
    """Answers of trainings of one recipe; each seed makes all images easier or harder."""
    shift = random.normal(0, deviation, (seeds, 1)) if deviation else np.zeros((seeds, 1))
    return np.asarray(random.uniform(size=(seeds, easiness.size)) < easiness + shift)


def known(deviation: float) -> SeedDeviation:
    """A deviation that rests on more trainings than anyone has."""
    return SeedDeviation(deviation, 10**9)


def compared(a: Answers, b: Answers, deviation: SeedDeviation) -> RecipePair:
    (pair,) = compare_recipes({"a": a, "b": b}, {"a": deviation, "b": deviation})
    return pair


def two_alike(random: np.random.Generator, easiness: NDArray[np.float64], seeds: int, deviation: float) -> RecipePair:
    """One recipe, taken for two."""
    return compared(trained(random, easiness, seeds), trained(random, easiness, seeds), known(deviation))


def test_errors_and_p_are_those_of_the_formula() -> None:
    random = np.random.default_rng(1)
    a, b = trained(random, np.full(500, 0.9), 3), trained(random, np.full(500, 0.85), 2)
    (pair,) = compare_recipes({"a": a, "b": b}, {"a": SeedDeviation(0.004, 6), "b": SeedDeviation(0.003, 2)})
    difference = a.mean(axis=0) - b.mean(axis=0)
    assert pair.difference == pytest.approx(a.mean() - b.mean())
    assert pair.images_error == pytest.approx(sem(difference, ddof=0))
    assert pair.seeds_error == pytest.approx(math.sqrt(0.004**2 / 3 + 0.003**2 / 2))
    assert pair.error == pytest.approx(math.sqrt(pair.images_error**2 + pair.seeds_error**2))
    assert pair.freedom == pytest.approx(pair.error**4 / ((0.004**2 / 3) ** 2 / 6 + (0.003**2 / 2) ** 2 / 2))
    assert pair.p == pytest.approx(2 * t.sf(abs(pair.difference) / pair.error, pair.freedom))
    assert pair.p_holm == pair.p


def test_an_estimate_that_both_share_counts_once() -> None:
    """Of seeds alone, with the deviation pooled from the two, it is Student's test of their accuracies."""
    n = 1_000
    first = [np.arange(n) < right for right in (900, 904, 911)]
    second = [np.arange(n) < right for right in (880, 889, 885, 881)]
    a, b = np.stack(first), np.stack(second)
    squares = 2 * a.mean(axis=1).var(ddof=1) + 3 * b.mean(axis=1).var(ddof=1)
    pair = compared(a, b, SeedDeviation(math.sqrt(squares / 5), 5))
    student = ttest_ind(a.mean(axis=1), b.mean(axis=1))
    assert pair.difference / pair.seeds_error == pytest.approx(student.statistic)
    assert pair.freedom == pytest.approx(student.df * (pair.error / pair.seeds_error) ** 4)


def test_what_is_known_for_certain_is_held_against_the_normal_distribution() -> None:
    random = np.random.default_rng(5)
    a, b = trained(random, np.full(500, 0.9), 3), trained(random, np.full(500, 0.86), 3)
    pair = compared(a, b, known(0.004))
    assert pair.p == pytest.approx(2 * norm.sf(abs(pair.difference) / pair.error))
    without = compared(a, b, SeedDeviation(0.0, 0))
    assert without.freedom == math.inf
    assert without.p == pytest.approx(2 * norm.sf(abs(without.difference) / without.images_error))


def test_more_seeds_and_more_images_leave_less_to_chance() -> None:
    random = np.random.default_rng(2)
    few, many = (two_alike(random, np.full(400, 0.9), seeds, 0.01) for seeds in (2, 8))
    assert many.seeds_error == pytest.approx(few.seeds_error / 2)
    assert many.images_error < few.images_error
    wide = two_alike(random, np.full(40_000, 0.9), 2, 0.01)
    assert wide.images_error == pytest.approx(few.images_error / 10, rel=0.15)
    assert wide.seeds_error == few.seeds_error


def test_equal_recipes_are_seldom_told_apart_and_unequal_ones_often() -> None:
    """The promise of a p-value, where seeds differ by more than the images explain."""
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


def test_pairs_are_corrected_for_their_number() -> None:
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
def test_a_difference_without_any_chance(right: bool, p: float) -> None:
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
        (np.ones((2, 6), bool), "b: answers to 6 images, but a to 5; compare on the same"),
    ],
)
def test_answers_to_other_images_are_refused(b: Answers, message: str) -> None:
    with pytest.raises(LineupError, match=message):
        compared(np.ones((2, 5), bool), b, known(0.0))
