"""The analysis of a committee."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import matthews_corrcoef

from lineup.committee.analysis import Analysis, analyse, predictions_without_each
from lineup.committee.fitting import FittedRule, Temperature, fit_rule
from lineup.committee.rules import RULES
from lineup.errors import LineupError
from tests.committee.strategies import log_loss, skilled_members

NAMES = ["low", "middle", "high"]
SKILLS = (0.5, 1.5, 2.0)
HOLDOUT, HOLDOUT_LABELS = skilled_members(0, SKILLS, images=120)
TEST, LABELS = skilled_members(1, SKILLS, images=240)


def analysis_of(rule: str, temperature: Temperature = "none") -> Analysis:
    fitted = fit_rule(rule, HOLDOUT, HOLDOUT_LABELS, temperature=temperature)
    return analyse(fitted, NAMES, TEST, LABELS)


def predictions_of(*classes: list[int]) -> np.ndarray:
    """Return members that predict these classes, out of three."""
    rows: np.ndarray = np.eye(3)[np.array(classes)] * 0.7 + 0.1
    return rows


def test_an_example_by_hand() -> None:
    """Four images of class 0: only the second member classifies the first one right; it is wrong on the last two."""
    probabilities = predictions_of([1, 0, 0, 2], [0, 0, 1, 2], [1, 0, 0, 1])
    found = analyse(FittedRule("average", 3, 3), ["a", "b", "c"], probabilities, np.zeros(4, dtype=int))
    assert (found.images, found.accuracy, found.differing) == (4, 0.5, 0.75)
    assert [member.name for member in found.members] == ["a", "b", "c"]
    assert [member.accuracy for member in found.members] == [0.5, 0.5, 0.5]
    assert [member.fixed for member in found.members] == [0, 1, 0]
    assert [member.broken for member in found.members] == [0, 1, 0]
    assert [member.change_without for member in found.members] == [None] * 3
    assert found.disagreement == ((0.0, 0.5, 0.25), (0.5, 0.0, 0.75), (0.25, 0.75, 0.0))
    assert found.error_correlation == pytest.approx(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]))


@given(st.integers(0, 10_000), st.lists(st.floats(-2, 8), min_size=1, max_size=6), st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_fixed_and_broken_images_explain_the_accuracy(seed: int, skills: list[float], images: int) -> None:
    probabilities, labels = skilled_members(seed, tuple(skills), images)
    found = analyse(FittedRule("average", len(skills), 4), [f"m{i}" for i in skills], probabilities, labels)
    for member in found.members:
        difference = (member.fixed - member.broken) / images
        assert found.accuracy == pytest.approx(member.accuracy + difference, abs=1e-12)
    disagreement = np.array(found.disagreement)
    assert (disagreement == disagreement.T).all()
    assert (disagreement.diagonal() == 0).all()
    assert disagreement.max() <= found.differing <= disagreement.sum() / 2 + 1e-12
    # The decomposition of Krogh and Vedelsby is exact, and by Jensen's inequality the gain is not negative.
    assert found.squared_error.residual == pytest.approx(0, abs=1e-6)
    assert found.squared_error.ambiguity >= 0
    assert found.log_loss.gain >= -1e-6


def test_error_correlation_is_the_phi_coefficient() -> None:
    found = analysis_of("average")
    wrong = TEST.argmax(axis=2) != LABELS
    expected = [[matthews_corrcoef(one, other) for other in wrong] for one in wrong]
    np.testing.assert_allclose(np.array(found.error_correlation, dtype=float), expected, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_the_correlation_of_a_member_that_is_always_right_or_wrong_is_none() -> None:
    probabilities = predictions_of([0, 0], [1, 1], [0, 1])
    found = analyse(FittedRule("average", 3, 3), ["a", "b", "c"], probabilities, np.zeros(2, dtype=int))
    assert found.error_correlation[:2] == ((None, None, None), (None, None, None))
    assert found.error_correlation[2][:2] == (None, None)
    assert found.error_correlation[2][2] == pytest.approx(1)


@pytest.mark.parametrize("rule", ["average", "weighted_accuracy", "weighted_log_loss", "greedy"])
@pytest.mark.parametrize("temperature", ["none", "before"])
def test_the_squared_error_decomposes_exactly_for_weighted_means(rule: str, temperature: Temperature) -> None:
    found = analysis_of(rule, temperature).squared_error
    assert found.residual == pytest.approx(0, abs=1e-6)
    assert found.gain == pytest.approx(found.ambiguity, abs=1e-6)
    assert found.ambiguity > 0.001


@pytest.mark.parametrize("temperature", ["none", "before"])
def test_the_log_loss_decomposes_exactly_for_the_geometric_mean(temperature: Temperature) -> None:
    found = analysis_of("geometric_mean", temperature).log_loss
    assert found.residual == pytest.approx(0, abs=1e-5)
    assert found.ambiguity > 0.001


def test_the_residual_of_an_inexact_decomposition_is_not_zero() -> None:
    assert abs(analysis_of("maximum").squared_error.residual) > 1e-4
    assert abs(analysis_of("average").log_loss.residual) > 1e-4
    assert abs(analysis_of("geometric_mean", "after").log_loss.residual) > 1e-4


def test_the_parts_of_the_decompositions_match_their_definitions() -> None:
    fitted = fit_rule("weighted_accuracy", HOLDOUT, HOLDOUT_LABELS)
    found = analyse(fitted, NAMES, TEST, LABELS)
    predictions, weights = fitted.apply(TEST), fitted.weights
    actual = np.eye(4)[LABELS]
    assert found.squared_error.committee == pytest.approx(np.mean(((predictions - actual) ** 2).sum(axis=1)))
    each = [np.mean(((member - actual) ** 2).sum(axis=1)) for member in TEST]
    assert found.squared_error.members == pytest.approx(np.average(each, weights=weights))
    assert found.log_loss.committee == pytest.approx(log_loss(predictions, LABELS))
    each = [log_loss(member, LABELS) for member in TEST]
    assert found.log_loss.members == pytest.approx(np.average(each, weights=weights))
    apart = [entropy(predictions, member, axis=1).mean() for member in TEST]
    assert found.log_loss.ambiguity == pytest.approx(np.average(apart, weights=weights), abs=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_fitted_again_without_each_member(rule: str) -> None:
    predictions = predictions_without_each(rule, HOLDOUT, HOLDOUT_LABELS, TEST, seed=2)
    assert predictions is not None
    for member, others in enumerate(([1, 2], [0, 2], [0, 1])):
        expected = fit_rule(rule, HOLDOUT[others], HOLDOUT_LABELS, seed=2).apply(TEST[others])
        np.testing.assert_array_equal(predictions[member], expected, strict=True)
    fitted = fit_rule(rule, HOLDOUT, HOLDOUT_LABELS, seed=2)
    found = analyse(fitted, NAMES, TEST, LABELS, predictions)
    assert [member.weight for member in found.members] == fitted.weights
    changes = [np.mean(without.argmax(axis=1) == LABELS) - found.accuracy for without in predictions]
    assert [member.change_without for member in found.members] == pytest.approx(changes, abs=1e-12)


def test_the_accuracy_falls_most_without_the_best_member() -> None:
    holdout, labels = skilled_members(0, (0.0, 0.0, 4.0))
    predictions = predictions_without_each("average", holdout, labels, holdout)
    found = analyse(fit_rule("average", holdout, labels), NAMES, holdout, labels, predictions)
    changes = [member.change_without or 0.0 for member in found.members]
    assert changes[2] == min(changes) < -0.3


def test_a_committee_with_one_member() -> None:
    assert predictions_without_each("average", HOLDOUT[:1], HOLDOUT_LABELS, TEST[:1]) is None
    found = analyse(FittedRule("average", 1, 4), ["alone"], TEST[:1], LABELS)
    assert (found.differing, found.disagreement, found.error_correlation) == (0.0, ((0.0,),), ((1.0,),))
    assert (found.members[0].fixed, found.members[0].broken) == (0, 0)
    assert found.squared_error.ambiguity == found.squared_error.gain == 0


def test_an_analysis_can_be_written_as_json() -> None:
    found = analysis_of("stacking")
    assert json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))["images"] == 240


def test_shapes_that_do_not_match_are_an_error() -> None:
    fitted = fit_rule("average", HOLDOUT, HOLDOUT_LABELS)
    with pytest.raises(LineupError, match="2 names, probabilities of shape"):
        analyse(fitted, NAMES[:2], TEST, LABELS)
    with pytest.raises(LineupError, match="expected the same number of members"):
        analyse(fitted, NAMES, TEST, LABELS, TEST[:2])
    with pytest.raises(LineupError, match="labels: expected integers"):
        analyse(fitted, NAMES, TEST, LABELS[:-1])
