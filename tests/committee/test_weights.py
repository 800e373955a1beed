"""Weights of members, fitted on held-out images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from lineup.committee import weights
from lineup.committee.pooling import average, weighted_average
from tests.committee.strategies import log_loss, skilled_members


def of_actual(*likelihoods: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions for two classes with these probabilities of the actual class, and the labels."""
    right = np.array(likelihoods)
    return np.stack([right, 1 - right], axis=2), np.zeros(right.shape[1], dtype=np.uint8)


def loss_of(found: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> float:
    return log_loss(weighted_average(probabilities, found), labels)


def lowest_by_scipy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the lowest log loss of a weighted mean, by sequential quadratic programming."""
    start = np.full(len(probabilities), 1 / len(probabilities))
    result = minimize(
        lambda at: loss_of(np.clip(at, 0, 1), probabilities, labels),
        start,
        method="SLSQP",
        bounds=[(0, 1)] * len(start),
        constraints={"type": "eq", "fun": lambda at: at.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return float(result.fun)


def test_the_weights_are_proportional_to_the_accuracies() -> None:
    probabilities, labels = of_actual([0.9, 0.6, 0.6, 0.1], [0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(weights.weights_from_accuracy(probabilities, labels), [0.75, 0.25, 0])


def test_members_that_are_never_right_have_equal_weights() -> None:
    probabilities, labels = of_actual([0.1, 0.1], [0.2, 0.2])
    np.testing.assert_array_equal(weights.weights_from_accuracy(probabilities, labels), [0.5, 0.5])


def test_the_lowest_log_loss_of_two_members() -> None:
    """If two members are certain and right on a and on b images, the best weights are in the ratio a to b."""
    probabilities, labels = of_actual([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0])
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    np.testing.assert_allclose(found, [0.75, 0.25], atol=1e-5)
    assert gap <= weights.GAP


@pytest.mark.parametrize("seed", range(4))
def test_the_lowest_log_loss_is_that_of_scipy(seed: int) -> None:
    skills = tuple(np.random.default_rng(seed).uniform(-1, 4, seed + 2))
    probabilities, labels = skilled_members(seed, skills)
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    assert gap <= weights.GAP
    assert loss_of(found, probabilities, labels) == pytest.approx(lowest_by_scipy(probabilities, labels), abs=1e-7)


@given(st.integers(0, 10_000), st.lists(st.floats(-2, 12), min_size=1, max_size=7), st.integers(1, 60))
@settings(deadline=None, max_examples=60)
def test_no_other_weights_have_a_lower_loss(seed: int, skills: list[float], images: int) -> None:
    probabilities, labels = skilled_members(seed, tuple(skills), images)
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert gap <= weights.GAP
    lowest = min(log_loss(average(probabilities), labels), *(log_loss(member, labels) for member in probabilities))
    assert loss_of(found, probabilities, labels) <= lowest + 1e-6


def test_members_that_are_all_certain_and_wrong() -> None:
    probabilities, labels = of_actual([0.0, 0.0], [0.0, 0.0], [0.0, 1.0])
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    assert gap <= weights.GAP
    assert found[2] == pytest.approx(1, abs=1e-6)


def test_equal_members_share_their_weight() -> None:
    probabilities, labels = skilled_members(1)
    found, _ = weights.weights_from_log_loss(probabilities[[0, 1, 2, 2]], labels)
    once, _ = weights.weights_from_log_loss(probabilities, labels)
    assert found[2] == pytest.approx(found[3])
    assert found[2] + found[3] == pytest.approx(once[2], abs=1e-4)


def test_greedy_selects_only_the_best_member_if_no_other_helps() -> None:
    probabilities, labels = of_actual([0.5, 0.6], [0.9, 0.8], [0.4, 0.8])
    np.testing.assert_array_equal(weights.weights_from_greedy_selection(probabilities, labels, 0), [0, 1, 0])


def test_greedy_selects_the_member_that_helps_most() -> None:
    """The tie goes to the first member. Then the other one helps most, and no later round has a lower loss."""
    probabilities, labels = of_actual([0.9, 0.2], [0.2, 0.9])
    np.testing.assert_array_equal(weights.weights_from_greedy_selection(probabilities, labels, 0), [0.5, 0.5])


def test_greedy_finds_a_small_weight() -> None:
    """A weight of 1/5 is best and 1/2 is worse than 0, so that the selection must go on after a round without gain."""
    confident = [0.95] * 38 + [0.01, 0.01]
    helper = [0.05] * 38 + [0.95, 0.95]
    probabilities, labels = of_actual(confident, helper)
    found = weights.weights_from_greedy_selection(probabilities, labels, 0)
    assert loss_of(np.array([0.5, 0.5]), probabilities, labels) > log_loss(probabilities[0], labels)
    assert 0.02 < found[1] < 0.2


def test_greedy_ties_go_to_a_selected_member_then_to_the_first() -> None:
    probabilities, labels = skilled_members(3)
    twins = probabilities[[1, 2, 2, 0]]
    found = weights.weights_from_greedy_selection(twins, labels, 0)
    assert found[1] > 0
    assert found[2] == 0


@given(st.integers(0, 10_000), st.lists(st.floats(-2, 6), min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_the_loss_of_greedy_is_between_the_best_member_and_the_best_weights(seed: int, skills: list[float]) -> None:
    probabilities, labels = skilled_members(seed, tuple(skills), images=40)
    found = weights.weights_from_greedy_selection(probabilities, labels, 0)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    optimum, _ = weights.weights_from_log_loss(probabilities, labels)
    loss = loss_of(found, probabilities, labels)
    assert loss <= min(log_loss(member, labels) for member in probabilities) + 1e-6
    assert loss >= loss_of(optimum, probabilities, labels) - 1e-6


def test_the_loss_of_greedy_is_close_to_the_lowest_one() -> None:
    probabilities, labels = skilled_members(0, (1.0, 1.2, 1.4, 1.6))
    found = weights.weights_from_greedy_selection(probabilities, labels, 0)
    assert loss_of(found, probabilities, labels) == pytest.approx(lowest_by_scipy(probabilities, labels), abs=1e-3)


def test_greedy_stops_early_and_uses_the_best_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """More rounds do not change the result; one round selects one member."""
    probabilities, labels = skilled_members(0, (1.0, 1.2, 1.4, 1.6, 4.0), images=60)
    found = weights.weights_from_greedy_selection(probabilities, labels, 0)
    monkeypatch.setattr(weights, "ROUNDS", 1000)
    np.testing.assert_array_equal(weights.weights_from_greedy_selection(probabilities, labels, 0), found)
    monkeypatch.setattr(weights, "ROUNDS", 1)
    np.testing.assert_array_equal(weights.weights_from_greedy_selection(probabilities, labels, 0), [0, 0, 0, 0, 1])


def test_greedy_averages_bags_of_half_of_the_members() -> None:
    probabilities, labels = skilled_members(0, (1.0,) * 11 + (3.0,))
    once = weights.weights_from_greedy_selection(probabilities, labels, 0, bags=1)
    assert np.count_nonzero(once) <= 6
    bagged = weights.weights_from_greedy_selection(probabilities, labels, 0)
    assert np.count_nonzero(bagged) > np.count_nonzero(once)
    assert bagged.sum() == pytest.approx(1, abs=1e-12)
    assert bagged.argmax() == 11
    np.testing.assert_array_equal(weights.weights_from_greedy_selection(probabilities, labels, 0), bagged)
    assert (weights.weights_from_greedy_selection(probabilities, labels, 1) != bagged).any()


def test_a_price_excludes_members_that_improve_the_log_loss_too_little() -> None:
    probabilities, labels = skilled_members(0, (1.8, 1.9, 2.0, 2.0, 2.0, 2.1, 2.2))
    losses, selected = [], []
    for price in (0.0, 0.02, 10.0):
        prices = price * np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5])
        found = weights.weights_from_greedy_selection(probabilities, labels, 0, prices=prices)
        losses.append(loss_of(found, probabilities, labels))
        selected.append(np.flatnonzero(found).tolist())
    assert len(selected[0]) > len(selected[1]) > 1
    assert selected[2] == [6]
    assert losses == sorted(losses)


def test_a_cheap_member_replaces_an_equal_expensive_member() -> None:
    probabilities, labels = skilled_members(3)
    twins = probabilities[[2, 2, 1]]
    found = weights.weights_from_greedy_selection(twins, labels, 0, prices=np.array([0.02, 0.01, 0.01]))
    assert found[0] == 0
    assert found[1] > 0
