"""Examples of the functions that combine predictions; `test_rules` tests their common properties."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import gmean

from lineup.committee import pooling
from tests.committee.strategies import members


def one_image(*rows: list[float]) -> np.ndarray:
    """Return the predictions of some members for one image."""
    return np.array(rows)[:, None, :]


def winner_by_definition(predictions: np.ndarray) -> int:
    """Return the winner for predictions of shape (members, classes), by the definition in report C."""
    votes = Counter(int(np.flatnonzero(row == row.max())[0]) for row in predictions)
    most = max(votes.values())
    means = {k: predictions[:, k].astype(np.float64).sum() for k, count in votes.items() if count == most}
    return min(k for k, mean in means.items() if mean == max(means.values()))


@given(members())
@settings(deadline=None)
def test_average_is_the_mean(probabilities: np.ndarray) -> None:
    expected = np.mean(probabilities, axis=0, dtype=np.float64)
    np.testing.assert_allclose(pooling.average(probabilities), expected, rtol=0, atol=1e-12)


@given(members())
@settings(deadline=None)
def test_weighted_average_of_equal_weights_is_the_average(probabilities: np.ndarray) -> None:
    weights = np.full(len(probabilities), 1 / len(probabilities))
    found = pooling.weighted_average(probabilities, weights)
    np.testing.assert_allclose(found, pooling.average(probabilities), rtol=0, atol=1e-12)


def test_weighted_average() -> None:
    found = pooling.weighted_average(one_image([0.2, 0.8], [0.6, 0.4]), np.array([0.75, 0.25]))
    np.testing.assert_allclose(found, [[0.3, 0.7]])


def test_geometric_mean() -> None:
    predictions = one_image([0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4])
    expected = gmean(predictions[:, 0], axis=0)
    np.testing.assert_allclose(pooling.geometric_mean(predictions), [expected / expected.sum()])


def test_one_member_cannot_exclude_a_class() -> None:
    found = pooling.geometric_mean(one_image([0.0, 1.0], [0.9, 0.1], [0.99, 0.01]))
    assert 0.01 < found[0, 0] < 0.5
    np.testing.assert_allclose(pooling.geometric_mean(one_image([1.0, 0.0], [0.0, 1.0])), [[0.5, 0.5]])


def test_maximum() -> None:
    found = pooling.maximum(one_image([0.2, 0.3, 0.5], [0.1, 0.8, 0.1]))
    np.testing.assert_allclose(found, [[2 / 15, 8 / 15, 5 / 15]])


THREE = one_image([0.6, 0.4, 0.0], [0.5, 0.1, 0.4], [0.0, 0.9, 0.1])


def test_voting_average_is_the_mean_of_the_members_that_voted_for_the_winner() -> None:
    np.testing.assert_allclose(pooling.voting_average(THREE), [[0.55, 0.25, 0.2]])


def test_voting_proportion_is_the_share_of_the_votes() -> None:
    np.testing.assert_array_equal(pooling.voting_proportion(THREE), [[2 / 3, 1 / 3, 0]])


def test_majority_divides_the_rest_equally_among_the_other_classes() -> None:
    np.testing.assert_allclose(pooling.majority(THREE, confidence=0.9), [[0.9, 0.05, 0.05]])


# Classes 1 and 2 have two votes each. Class 0 has no votes, but the highest mean.
TIE = one_image([0.4, 0.6, 0.0], [0.45, 0.55, 0.0], [0.48, 0.0, 0.52], [0.3, 0.0, 0.7])


def test_ties_go_to_the_tied_class_with_the_higher_mean() -> None:
    assert pooling.winners(TIE).tolist() == [2]
    np.testing.assert_allclose(pooling.voting_average(TIE), [[0.39, 0.0, 0.61]])
    assert pooling.majority(TIE, 0.8).argmax() == 2


def test_the_winner_of_a_tie_is_most_probable_and_the_row_sums_to_one() -> None:
    (shares,) = pooling.voting_proportion(TIE)
    assert shares.astype(np.float32).argmax() == 2
    np.testing.assert_allclose(shares, [0, 0.5 - 1e-6, 0.5 + 1e-6], rtol=0, atol=1e-15)
    three = np.array([[0.2, 0.8, 0.0, 0.0], [0.2, 0.0, 0.8, 0.0], [0.1, 0.0, 0.0, 0.9]])[:, None, :]
    np.testing.assert_allclose(
        pooling.voting_proportion(three), [[0, 1 / 3 - 5e-7, 1 / 3 - 5e-7, 1 / 3 + 1e-6]], rtol=0, atol=1e-15
    )


def test_ties_of_votes_and_means_go_to_the_lower_index() -> None:
    even = one_image([0.1, 0.2, 0.7], [0.1, 0.7, 0.2])
    assert pooling.winners(even).tolist() == [1]
    assert pooling.voting_proportion(even).argmax() == 1


def test_a_member_with_equal_probabilities_votes_for_the_lowest_index() -> None:
    np.testing.assert_array_equal(pooling.count_votes(one_image([0.2, 0.4, 0.4])), [[0, 1, 0]])


@given(members())
@settings(deadline=None)
def test_the_winner_matches_the_definition(probabilities: np.ndarray) -> None:
    expected = [winner_by_definition(probabilities[:, image]) for image in range(probabilities.shape[1])]
    assert pooling.winners(probabilities).tolist() == expected


@pytest.mark.parametrize("rule", [pooling.voting_average, pooling.voting_proportion])
@given(probabilities=members())
@settings(deadline=None)
def test_winner_is_the_most_probable_class(rule: object, probabilities: np.ndarray) -> None:
    assert callable(rule)
    np.testing.assert_array_equal(rule(probabilities).argmax(axis=1), pooling.winners(probabilities))
