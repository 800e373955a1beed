from __future__ import annotations

import dataclasses
import math
import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import bootstrap
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from lineup.errors import LineupError
from lineup.evaluation.significance import Pair, holm, pairwise, seed_spread, shared_ranks

Hits = NDArray[np.bool_]


def hits(both: int, a_only: int, b_only: int, neither: int) -> tuple[Hits, Hits]:
    """Return boolean arrays of two models: how many images both, one or none of the models classify correctly."""
    a = [True] * both + [True] * a_only + [False] * b_only + [False] * neither
    b = [True] * both + [False] * a_only + [True] * b_only + [False] * neither
    return np.array(a), np.array(b)


def models(seed: int, m: int, n: int) -> dict[str, Hits]:
    """Return boolean arrays of correct predictions for m models with an accuracy of 80 to 95 %."""
    rng = np.random.default_rng(seed)
    return {f"m{index}": rng.uniform(size=n) < rng.uniform(0.8, 0.95) for index in range(m)}


def compared(a: Hits, b: Hits) -> Pair:
    """Return the comparison of two models."""
    (pair,) = pairwise({"a": a, "b": b})
    return pair


def bounds(a: Hits, b: Hits) -> tuple[float, float]:
    """Return the interval of the difference of two models."""
    pair = compared(a, b)
    return pair.low, pair.high


count = st.integers(0, 600)


@settings(max_examples=60, deadline=None)
@given(count, count, count, count)
def test_mcnemar_equals_statsmodels(both: int, a_only: int, b_only: int, neither: int) -> None:
    a, b = hits(both + 1, a_only, b_only, neither)
    expected = mcnemar([[both + 1, a_only], [b_only, neither]], exact=True).pvalue
    pair, turned = compared(a, b), compared(b, a)
    assert (pair.a_only, pair.b_only) == (turned.b_only, turned.a_only) == (a_only, b_only)
    assert pair.p == pytest.approx(expected, rel=1e-12)
    assert turned.p == pair.p


@pytest.mark.parametrize(
    ("a_only", "b_only", "p"), [(0, 0, 1.0), (1, 0, 1.0), (0, 6, 2 / 2**6), (1, 7, 2 * 9 / 2**8), (5, 5, 1.0)]
)
def test_mcnemar_by_hand(a_only: int, b_only: int, p: float) -> None:
    assert compared(*hits(3, a_only, b_only, 1)).p == pytest.approx(p)


def test_mcnemar_of_many_images() -> None:
    expected = mcnemar([[1, 5_050], [4_950, 1]], exact=True).pvalue
    assert compared(*hits(1, 5_050, 4_950, 1)).p == pytest.approx(expected, rel=1e-11)
    assert compared(*hits(1, 10_000, 0, 1)).p == 0.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=30))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", int)  # statsmodels calls it each time, which takes half a second
        assert adjusted == pytest.approx(multipletests(p_values, method="holm")[1])
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= p_values).all()
    assert adjusted.max() <= 1


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]).tolist() == []


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_holm_refuses_invalid_p_values(value: float) -> None:
    with pytest.raises(LineupError, match="is not between 0 and 1"):
        holm([0.5, value])


def test_the_bootstrap_equals_scipy() -> None:
    a, b = hits(700, 120, 80, 100)
    found = bounds(a, b)
    difference = a.astype(float) - b
    expected = bootstrap(
        (difference,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    # Differences are multiples of 0.001. scipy uses random resamples, so that one step of difference is possible.
    assert found == pytest.approx((expected.low, expected.high), abs=0.0011)
    # The normal interval is similar: 1.96 standard errors on both sides of the mean difference.
    half = 1.96 * difference.std() / math.sqrt(difference.size)
    assert found == pytest.approx((0.04 - half, 0.04 + half), abs=0.0011)


few = st.integers(0, 25)


@settings(max_examples=60, deadline=None)
@given(few, few, few, few)
def test_the_bootstrap_uses_all_resamples(both: int, a_only: int, b_only: int, neither: int) -> None:
    a, b = hits(both + 1, a_only, b_only, neither)
    n, probability = a.size, np.ones(1)
    for _ in range(n):
        probability = np.convolve(probability, np.array([b_only, n - a_only - b_only, a_only]) / n)
    low, high = (round(bound * n) + n for bound in bounds(a, b))
    # Each bound is a quantile: the probability up to the bound is at least the share, and below the bound it is less.
    for bound, share in ((low, 0.025), (high, 0.975)):
        assert probability[:bound].sum() < share + 1e-9
        assert probability[: bound + 1].sum() > share - 1e-9


def test_the_bootstrap_has_the_stated_coverage() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        kinds = rng.choice(4, size=2_000, p=[0.85, 0.06, 0.04, 0.05])
        low, high = bounds(np.isin(kinds, [0, 1]), np.isin(kinds, [0, 2]))
        covered += low <= 0.02 <= high
    # The expected number is 285, with a standard deviation of 3.8.
    assert 272 <= covered <= 297


@settings(max_examples=40, deadline=None)
@given(count, count, count, count)
def test_the_bootstrap_of_swapped_models_is_negative(both: int, a_only: int, b_only: int, neither: int) -> None:
    a, b = hits(both + 1, a_only, b_only, neither)
    low, high = bounds(a, b)
    # A bound that is exactly a quantile differs by one step.
    assert bounds(b, a) == pytest.approx((-high, -low), abs=1.01 / a.size)
    assert -1 <= low <= high <= 1
    if a_only == b_only == 0:
        assert (low, high) == (0, 0)


def test_other_models_change_only_the_adjusted_p_value() -> None:
    correct = models(seed=4, m=5, n=800)
    rows = pairwise(correct)
    assert [(row.a, row.b) for row in rows] == list(combinations(correct, 2))
    adjusted = holm([row.p for row in rows])
    for row, p_holm in zip(rows, adjusted, strict=True):
        a, b = correct[row.a], correct[row.b]
        alone = compared(a, b)
        assert alone.p_holm == alone.p
        assert row == dataclasses.replace(alone, a=row.a, b=row.b, p_holm=p_holm)
        assert row.difference == pytest.approx(a.mean() - b.mean())
        assert row.low <= row.difference <= row.high
        assert row.significant == (p_holm <= 0.05)
        assert {type(value) for value in vars(row).values()} == {str, int, float}


@pytest.mark.parametrize("m", [0, 1])
def test_one_model_has_no_pairs(m: int) -> None:
    assert pairwise(models(0, m, 10)) == []


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.ones(3, dtype=bool), "forest: predictions for 3 images, but 4 for cnn; expected the same images"),
        (np.ones(4), r"forest: expected booleans of shape \(n,\), found float64 \(4,\)"),
        (np.ones((4, 1), dtype=bool), r"found bool \(4, 1\)"),
        (np.ones(0, dtype=bool), r"found bool \(0,\)"),
    ],
)
def test_predictions_must_be_for_the_same_images(other: Hits, message: str) -> None:
    cnn = np.ones(4, dtype=bool)
    with pytest.raises(LineupError, match=message):
        pairwise({"cnn": cnn, "forest": other})


def test_models_without_a_significant_difference_share_a_rank() -> None:
    accuracies = {"c": 0.90, "a": 0.93, "b": 0.925, "d": 0.80}
    apart = [("a", "c"), ("d", "a"), ("b", "d"), ("d", "c")]
    ranks = shared_ranks(accuracies, apart)
    assert list(ranks.items()) == [("a", 1), ("b", 1), ("c", 2), ("d", 4)]
    assert set(shared_ranks(accuracies, []).values()) == {1}
    assert list(shared_ranks(accuracies, combinations(accuracies, 2)).values()) == [1, 2, 3, 4]


def test_ranks_need_an_accuracy_of_each_model() -> None:
    with pytest.raises(LineupError, match="ranks: no accuracy for d; expected one of a, b"):
        shared_ranks({"a": 0.9, "b": 0.8}, [("a", "d")])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_models_or_images(seed: int, m: int, shuffler: random.Random) -> None:
    def ranks(correct: dict[str, Hits]) -> dict[str, int]:
        apart = [(row.a, row.b) for row in pairwise(correct) if row.significant]
        return shared_ranks({name: float(right.mean()) for name, right in correct.items()}, apart)

    correct = models(seed, m, n=150)
    names, order = list(correct), list(range(150))
    shuffler.shuffle(names)
    shuffler.shuffle(order)
    found = ranks(correct)
    assert found == ranks({name: correct[name][order] for name in names})
    best = max(correct, key=lambda name: correct[name].mean())
    assert found[best] == 1
    assert all(1 <= rank <= m for rank in found.values())


def test_seed_spread_and_sampling_error() -> None:
    spread = seed_spread([0.91, 0.92, 0.90], images=10_000)
    assert spread.seeds == 3
    assert spread.mean == pytest.approx(0.91)
    assert spread.deviation == pytest.approx(0.01)
    assert spread.sampling_error == pytest.approx(math.sqrt(0.91 * 0.09 / 10_000))


def test_one_seed_has_no_spread() -> None:
    spread = seed_spread([0.5], images=100)
    assert math.isnan(spread.deviation)
    assert spread.sampling_error == pytest.approx(0.05)


@pytest.mark.parametrize(("accuracies", "images"), [([], 10), ([0.9], 0), ([91.0], 10), ([math.nan], 10)])
def test_seed_spread_refuses_invalid_values(accuracies: list[float], images: int) -> None:
    with pytest.raises(LineupError, match="seeds: expected accuracies"):
        seed_spread(accuracies, images)


def test_pairs_are_frozen() -> None:
    row = Pair("a", "b", 0.1, 0.0, 0.2, 10, 0, 0.002, 0.01)
    with pytest.raises(AttributeError):
        row.p = 1.0  # type: ignore[misc]
