"""Check common properties of all rules with random probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineup.committee.pooling import average, winners
from lineup.committee.rules import RULES, combine
from lineup.errors import LineupError
from tests.committee.strategies import members

UNFITTED = [name for name, rule in RULES.items() if rule.fit is None]
POOLS = [name for name in UNFITTED if name != "voting_proportion"]
"""Rules that return the probabilities of a single member; voting rules do not use them."""


def test_the_rules_with_parameters() -> None:
    assert UNFITTED == ["average", "geometric_mean", "maximum", "voting_average", "voting_proportion"]
    weighted = {"weighted_accuracy", "weighted_log_loss", "greedy"}
    assert set(RULES) - set(UNFITTED) == {"majority", "stacking", "cascade", *weighted}


@pytest.mark.parametrize("rule", UNFITTED)
@given(probabilities=members())
@settings(deadline=None)
def test_rows_sum_to_one(rule: str, probabilities: np.ndarray) -> None:
    combined = combine(rule, probabilities)
    assert combined.dtype == np.float32
    assert combined.shape == probabilities.shape[1:]
    assert combined.min() >= 0
    np.testing.assert_allclose(combined.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


@pytest.mark.parametrize("rule", POOLS)
@given(probabilities=members(), count=st.integers(1, 5))
@settings(deadline=None)
def test_equal_members_give_the_predictions_of_one(rule: str, probabilities: np.ndarray, count: int) -> None:
    for member in probabilities:
        combined = combine(rule, np.stack([member] * count))
        np.testing.assert_allclose(combined, member, rtol=0, atol=2e-6, strict=True)
        np.testing.assert_array_equal(combined.argmax(axis=1), member.argmax(axis=1))


@given(members(), st.integers(1, 5))
@settings(deadline=None)
def test_the_average_of_equal_members_is_exact(probabilities: np.ndarray, count: int) -> None:
    for rule in ("average", "voting_average"):
        combined = combine(rule, np.stack([probabilities[0]] * count))
        np.testing.assert_array_equal(combined, probabilities[0], strict=True)


@given(members())
@settings(deadline=None)
def test_a_single_member_has_all_votes(probabilities: np.ndarray) -> None:
    expected = np.eye(probabilities.shape[2], dtype=np.float32)[probabilities[0].argmax(axis=1)]
    np.testing.assert_array_equal(combine("voting_proportion", probabilities[:1]), expected, strict=True)


@pytest.mark.parametrize("rule", UNFITTED)
@given(probabilities=members(), random=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_members_does_not_change_a_bit(rule: str, probabilities: np.ndarray, random: Any) -> None:
    order = list(range(len(probabilities)))
    random.shuffle(order)
    assert combine(rule, probabilities[order]).tobytes() == combine(rule, probabilities).tobytes()


@pytest.mark.parametrize("rule", ["voting_average", "voting_proportion"])
@given(probabilities=members())
@settings(deadline=None)
def test_the_winner_of_the_votes_is_the_most_probable_class(rule: str, probabilities: np.ndarray) -> None:
    np.testing.assert_array_equal(combine(rule, probabilities).argmax(axis=1), winners(probabilities))


@pytest.mark.parametrize("rule", UNFITTED)
@given(probabilities=members())
@settings(deadline=None)
def test_the_arrays_of_the_members_do_not_change(rule: str, probabilities: np.ndarray) -> None:
    before = probabilities.copy()
    combine(rule, probabilities)
    np.testing.assert_array_equal(probabilities, before)


@pytest.mark.parametrize("rule", UNFITTED)
def test_no_images_give_no_predictions(rule: str) -> None:
    assert combine(rule, np.empty((2, 0, 3), dtype=np.float32)).shape == (0, 3)


def test_rounding_to_float32_keeps_the_most_probable_class() -> None:
    """The difference between the two highest probabilities is smaller than the precision of float32."""
    close = np.array([[[0.5, 0.5]], [[0.5 - 1e-12, 0.5 + 1e-12]]])
    assert average(close).astype(np.float32).argmax() == 0
    assert combine("average", close).argmax() == 1


def test_the_error_of_a_wrong_call_names_the_accepted_values() -> None:
    with pytest.raises(ValueError, match="unknown rule 'vote': expected one of average"):
        combine("vote", np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match=r"shape \(2, 2\): expected \(members, images, classes\)"):
        combine("average", np.ones((2, 2)))
    with pytest.raises(LineupError, match="the rule stacking must be fitted on held-out images first"):
        combine("stacking", np.ones((1, 2, 2)))
