"""Rules of committees, as properties of any members' probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lineup.committee.rules import RULES, average, combine

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(2, 10))


@st.composite
def members(draw: st.DrawFn) -> np.ndarray:
    """Probabilities as networks give them: float32 (members, images, classes), some of them exactly 0 or 1."""
    weights = draw(
        hnp.arrays(np.float64, draw(SHAPES), elements=st.sampled_from([0.0, 1e-9, 1.0]) | st.floats(0, 1, width=32))
    )
    weights[..., 0] += weights.sum(axis=-1) == 0
    rows: np.ndarray = weights / weights.sum(axis=-1, keepdims=True)
    return rows.astype(np.float32)


@given(members())
@settings(deadline=None)
def test_average_is_the_mean(probabilities: np.ndarray) -> None:
    np.testing.assert_allclose(
        average(probabilities), np.mean(probabilities, axis=0, dtype=np.float64), rtol=0, atol=1e-12
    )


@given(members())
@settings(deadline=None)
def test_rows_of_the_average_sum_to_one(probabilities: np.ndarray) -> None:
    combined = combine("average", probabilities)
    assert combined.dtype == np.float32
    assert combined.shape == probabilities.shape[1:]
    assert combined.min() >= 0
    np.testing.assert_allclose(combined.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


@given(members())
@settings(deadline=None)
def test_committee_of_one_is_its_member(probabilities: np.ndarray) -> None:
    for member in probabilities:
        np.testing.assert_array_equal(combine("average", member[None]), member, strict=True)


@given(members(), st.integers(1, 5))
@settings(deadline=None)
def test_committee_of_equals_is_its_member(probabilities: np.ndarray, count: int) -> None:
    np.testing.assert_array_equal(
        combine("average", np.stack([probabilities[0]] * count)), probabilities[0], strict=True
    )


@given(members(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_of_members_changes_no_bit(probabilities: np.ndarray, random: Any) -> None:
    order = list(range(len(probabilities)))
    random.shuffle(order)
    assert average(probabilities[order]).tobytes() == average(probabilities).tobytes()


@given(members())
@settings(deadline=None)
def test_arrays_of_members_are_left_alone(probabilities: np.ndarray) -> None:
    before = probabilities.copy()
    for rule in RULES:
        combine(rule, probabilities)
    np.testing.assert_array_equal(probabilities, before)


def test_wrong_calls_say_what_is_right() -> None:
    with pytest.raises(ValueError, match="unknown rule 'vote': expected one of average"):
        combine("vote", np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match=r"shape \(2, 2\): expected \(members, images, classes\)"):
        combine("average", np.ones((2, 2)))
