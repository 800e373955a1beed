"""Fit rules on held-out images, and combine predictions by the fitted rules."""

from __future__ import annotations

import copy
import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineup.committee.cascade import count_evaluated
from lineup.committee.fitting import FittedRule, Temperature, cross_fitted, fit_rule
from lineup.committee.folds import stratified_folds
from lineup.committee.rules import RULES, CostSettings, combine
from lineup.committee.temperature import apply_temperature, fit_temperature
from lineup.errors import LineupError
from tests.committee.strategies import log_loss, skilled_members

FITTED = [name for name, rule in RULES.items() if rule.fit]
WEIGHTED = ["weighted_accuracy", "weighted_log_loss", "greedy"]
QUICK = [name for name in RULES if name != "stacking"]
UNORDERED = [name for name in QUICK if not RULES[name].ordered]
TEMPERATURES: tuple[Temperature, ...] = get_args(Temperature)
SKILLS = (1.5, 1.8, 2.1)
HOLDOUT, LABELS = skilled_members(0, SKILLS, images=120)
TEST, _ = skilled_members(1, SKILLS, images=200)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_rows_sum_to_one_and_json_does_not_change_a_bit(rule: str, temperature: Temperature) -> None:
    fitted = fit_rule(rule, HOLDOUT, LABELS, temperature=temperature)
    predictions = fitted.apply(TEST)
    assert predictions.dtype == np.float32
    assert predictions.shape == TEST.shape[1:]
    np.testing.assert_allclose(predictions.sum(axis=1, dtype=np.float64), 1, atol=1e-6)
    assert (fitted.before is not None, fitted.after is not None) == (
        temperature in ("before", "both"),
        temperature in ("after", "both"),
    )
    again = FittedRule.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    assert again == fitted
    np.testing.assert_array_equal(again.apply(TEST), predictions)


@pytest.mark.parametrize("rule", [name for name in RULES if name not in FITTED])
def test_a_rule_without_parameters_is_applied_as_it_is(rule: str) -> None:
    fitted = fit_rule(rule, HOLDOUT, LABELS)
    assert fitted.parameters == {}
    np.testing.assert_array_equal(fitted.apply(TEST), combine(rule, TEST), strict=True)
    np.testing.assert_array_equal(cross_fitted(rule, HOLDOUT, LABELS), combine(rule, HOLDOUT), strict=True)


@given(st.integers(0, 10_000), st.sampled_from(UNORDERED), st.sampled_from(TEMPERATURES), st.permutations(range(7)))
@settings(deadline=None, max_examples=40)
def test_the_order_of_the_members_does_not_change_a_bit(
    seed: int, rule: str, temperature: Temperature, order: list[int]
) -> None:
    """With seven members, the bags of greedy selection differ."""
    holdout, labels = skilled_members(seed, tuple(range(7)), images=30)
    fitted = fit_rule(rule, holdout, labels, temperature=temperature)
    other = fit_rule(rule, holdout[order], labels, temperature=temperature)
    assert other.apply(holdout[order]).tobytes() == fitted.apply(holdout).tobytes()
    assert other.weights == [fitted.weights[member] for member in order]
    assert (other.after, other.details) == (fitted.after, fitted.details)


def test_the_order_of_the_members_does_not_change_a_bit_of_stacking() -> None:
    order = [2, 0, 1]
    fitted, other = (fit_rule("stacking", holdout, LABELS) for holdout in (HOLDOUT, HOLDOUT[order]))
    assert other.apply(TEST[order]).tobytes() == fitted.apply(TEST).tobytes()


@pytest.mark.parametrize("rule", WEIGHTED)
def test_a_committee_with_one_member_gives_its_predictions(rule: str) -> None:
    fitted = fit_rule(rule, HOLDOUT[:1], LABELS)
    assert fitted.weights == [1.0]
    np.testing.assert_array_equal(fitted.apply(TEST[:1]), TEST[0], strict=True)


def test_the_confidence_of_majority_is_the_accuracy_of_its_winners() -> None:
    fitted = fit_rule("majority", HOLDOUT[:1], LABELS)
    right = int((HOLDOUT[0].argmax(axis=1) == LABELS).sum())
    assert fitted.parameters["confidence"] == pytest.approx((right + 1) / (120 + 4))
    predictions = fitted.apply(TEST[:1])
    np.testing.assert_array_equal(predictions.argmax(axis=1), TEST[0].argmax(axis=1))
    # No other confidence has a much lower log loss on these images.
    one_hot = np.eye(4)[HOLDOUT[0].argmax(axis=1)]
    losses = [log_loss(one_hot * c + (1 - one_hot) * (1 - c) / 3, LABELS) for c in np.linspace(0.26, 0.999, 200)]
    assert log_loss(fitted.apply(HOLDOUT[:1]), LABELS) <= min(losses) + 1e-3


def test_majority_predicts_the_winner_even_if_it_is_always_wrong() -> None:
    wrong = np.eye(4, dtype=np.float32)[(LABELS + 1) % 4][None]
    fitted = fit_rule("majority", wrong, LABELS)
    np.testing.assert_array_equal(fitted.apply(wrong).argmax(axis=1), (LABELS + 1) % 4)


def test_weighted_log_loss_has_the_lowest_loss_on_its_own_images() -> None:
    best = log_loss(fit_rule("weighted_log_loss", HOLDOUT, LABELS).apply(HOLDOUT), LABELS)
    others = [fit_rule(rule, HOLDOUT, LABELS).apply(HOLDOUT) for rule in ("average", *WEIGHTED)]
    for other in (*others, *HOLDOUT):
        assert best <= log_loss(other, LABELS) + 1e-7


@pytest.mark.parametrize("rule", UNORDERED)  # with so few images, the threshold of a cascade differs between folds
def test_a_temperature_after_the_rule_lowers_the_loss_and_keeps_the_predicted_classes(rule: str) -> None:
    confident = np.exp(8 * np.log(HOLDOUT.astype(np.float64)))
    confident = (confident / confident.sum(axis=2, keepdims=True)).astype(np.float32)
    plain, tempered = fit_rule(rule, confident, LABELS), fit_rule(rule, confident, LABELS, temperature="after")
    np.testing.assert_array_equal(plain.apply(confident).argmax(axis=1), tempered.apply(confident).argmax(axis=1))
    assert log_loss(tempered.apply(confident), LABELS) <= log_loss(plain.apply(confident), LABELS) + 1e-3
    if rule == "geometric_mean":
        assert tempered.after is not None
        assert tempered.after > 2


def test_temperatures_before_the_rule_cancel_those_of_the_members() -> None:
    """The committee is the same for all temperatures of its members' predictions."""
    hot = np.exp(np.log(HOLDOUT.astype(np.float64)) / np.array([0.5, 1.0, 2.0])[:, None, None])
    hot /= hot.sum(axis=2, keepdims=True)
    fitted, other = (fit_rule("average", holdout, LABELS, temperature="before") for holdout in (HOLDOUT, hot))
    assert fitted.before is not None
    assert other.before == pytest.approx([fitted.before[0] * 2, fitted.before[1], fitted.before[2] / 2], rel=1e-4)
    np.testing.assert_allclose(other.apply(hot), fitted.apply(HOLDOUT), atol=1e-5)


@pytest.mark.parametrize("rule", FITTED)
def test_cross_fitted_predictions_come_from_rules_fitted_on_the_other_folds(rule: str) -> None:
    found = cross_fitted(rule, HOLDOUT, LABELS, folds=3, seed=4, temperature="before")
    fold = stratified_folds(LABELS, 3, 4)
    for part in range(3):
        inside, out = fold != part, fold == part
        fitted = fit_rule(rule, HOLDOUT[:, inside], LABELS[inside], seed=4, temperature="before")
        np.testing.assert_array_equal(found[out], fitted.apply(HOLDOUT[:, out]), strict=True)
    everything = fit_rule(rule, HOLDOUT, LABELS, seed=4, temperature="before")
    assert (found != everything.apply(HOLDOUT)).any()


def test_a_cross_fitted_temperature_is_fitted_on_the_other_folds() -> None:
    plain = cross_fitted("greedy", HOLDOUT, LABELS)
    found = cross_fitted("greedy", HOLDOUT, LABELS, temperature="after")
    fold = stratified_folds(LABELS, 5, 0)
    for part in range(5):
        out = fold == part
        expected = apply_temperature(plain[out], fit_temperature(plain[~out], LABELS[~out]))
        np.testing.assert_allclose(found[out], expected, atol=1e-6)


def test_cross_fitting_shows_overfitting() -> None:
    """Stacking of random members seems better than random on the images that it was fitted on, but not on others."""
    random = np.random.default_rng(0)
    guesses = random.dirichlet(np.ones(4), (12, 120)).astype(np.float32)
    inside = fit_rule("stacking", guesses, LABELS).apply(guesses)
    outside = cross_fitted("stacking", guesses, LABELS)
    assert log_loss(inside, LABELS) < math.log(4) < log_loss(outside, LABELS) + 0.02


@pytest.mark.parametrize("function", [fit_rule, cross_fitted])
def test_no_function_that_fits_takes_test_images(function: Callable[..., Any]) -> None:
    assert list(inspect.signature(function).parameters)[:3] == ["rule", "probabilities", "labels"]
    assert set(inspect.signature(function).parameters) <= {
        "rule",
        "probabilities",
        "labels",
        "folds",
        "seed",
        "temperature",
        "earlier",
        "cost",
    }
    assert "labels" not in inspect.signature(FittedRule.apply).parameters


def test_stacking_uses_the_penalty_of_an_earlier_fit() -> None:
    """The penalty is not searched again, neither for the rule nor for the folds."""
    fitted = fit_rule("stacking", HOLDOUT, LABELS, temperature="both", earlier={"strength": 0.02})
    assert fitted.details == {"strength": 0.02}
    free = fit_rule("stacking", HOLDOUT, LABELS, temperature="both")
    kept = fit_rule("stacking", HOLDOUT, LABELS, temperature="both", earlier=free.details)
    assert kept.parameters == free.parameters
    predictions = cross_fitted("stacking", HOLDOUT, LABELS, earlier={"strength": 0.02})
    assert not np.allclose(predictions, cross_fitted("stacking", HOLDOUT, LABELS, earlier={"strength": 5.0}), atol=1e-3)


def test_the_weights_of_stacking_equal_those_of_a_logarithmic_pool() -> None:
    shares = np.array([0.7, 0.3])
    centred = np.eye(3) - 1 / 3
    coefficients = (shares[:, None, None] * centred).tolist()
    fitted = FittedRule("stacking", 2, 3, {"coefficients": coefficients, "intercepts": [0.0, 0.0, 0.0]})
    assert fitted.weights == pytest.approx([0.7, 0.3])


def test_the_weights_are_equal_for_rules_without_weights() -> None:
    assert fit_rule("voting_average", HOLDOUT, LABELS).weights == [1 / 3] * 3


def test_a_fitted_rule_predicts_without_scikit_learn() -> None:
    values = json.dumps(fit_rule("stacking", HOLDOUT, LABELS, temperature="both").to_json())
    program = (
        "import json, sys, numpy as np\n"
        "from lineup.committee.fitting import FittedRule\n"
        "predictions = FittedRule.from_json(json.loads(sys.stdin.read())).apply(np.full((3, 5, 4), 0.25, np.float32))\n"
        "assert predictions.shape == (5, 4)\n"
        "assert not {'sklearn', 'scipy', 'tensorflow', 'mlflow', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], input=values, text=True, check=True)


@pytest.mark.parametrize("rule", RULES)
def test_no_images_give_no_predictions(rule: str) -> None:
    assert fit_rule(rule, HOLDOUT, LABELS, temperature="both").apply(TEST[:, :0]).shape == (0, 4)


@pytest.mark.parametrize("rule", RULES)
def test_lazy_predictions_are_the_same_and_evaluate_only_what_is_needed(rule: str) -> None:
    fitted = fit_rule(rule, HOLDOUT, LABELS, temperature="both", cost=CostSettings(price=1.0, seconds=(0.0, 1.0, 0.0)))
    evaluated = np.zeros(TEST.shape[:2], dtype=np.int64)

    def predict(member: int, rows: np.ndarray) -> np.ndarray:
        evaluated[member, rows] += 1
        return np.asarray(TEST[member, rows])

    predictions, each = fitted.apply_lazily(predict, TEST.shape[1])
    np.testing.assert_array_equal(predictions, fitted.apply(TEST), strict=True)
    np.testing.assert_array_equal(each, np.where(evaluated[:, :, None], TEST, np.nan), strict=True)
    expected = np.array(fitted.weights)[:, None] != 0
    if rule == "cascade":
        counts = count_evaluated(fitted.scale(TEST), fitted.parameters["threshold"])
        assert 0 < np.mean(counts == 1) < 1
        expected = counts > np.arange(3)[:, None]
    np.testing.assert_array_equal(evaluated, np.broadcast_to(expected, evaluated.shape))
    assert (rule == "greedy") == (evaluated[1].max() == 0)


@pytest.mark.parametrize(
    ("holdout", "labels", "message"),
    [
        (HOLDOUT[0], LABELS, r"expected the shape \(members, images, classes\) .* found \(120, 4\)"),
        (HOLDOUT[:0], LABELS, r"at least one member, found \(0, 120, 4\)"),
        (HOLDOUT, LABELS[:-1], r"member 0: labels: expected integers of shape \(120,\)"),
        (HOLDOUT, LABELS + 1, "member 0: labels: row 3 is 4; the 4 classes are 0 to 3"),
        (np.stack([HOLDOUT[0], HOLDOUT[1] * 2]), LABELS, "member 1: probabilities: row 0"),
        (np.stack([HOLDOUT[0], HOLDOUT[1] * np.nan]), LABELS, "member 1: probabilities: row 0"),
        (HOLDOUT[:, :0], LABELS[:0], "member 0: probabilities: expected floats"),
    ],
)
def test_invalid_held_out_predictions_are_an_error(holdout: np.ndarray, labels: np.ndarray, message: str) -> None:
    for function in (fit_rule, cross_fitted):
        with pytest.raises(LineupError, match=message) as error:
            function("average", holdout, labels)
        assert "\n" not in str(error.value)


def test_a_different_number_of_members_or_classes_is_an_error() -> None:
    fitted = fit_rule("average", HOLDOUT, LABELS)
    for wrong in (TEST[:2], TEST[:, :, :3], TEST[0]):
        with pytest.raises(LineupError, match=r"expected \(3, images, 4\)"):
            fitted.apply(wrong)


GREEDY = fit_rule("greedy", HOLDOUT, LABELS, temperature="both").to_json()
CASCADE = fit_rule("cascade", HOLDOUT, LABELS).to_json()
STACKING = fit_rule("stacking", HOLDOUT, LABELS).to_json()


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        (GREEDY, {"rule": "magic"}, "unknown rule 'magic': expected one of average"),
        (GREEDY, {"rule": ["greedy"]}, "unknown rule"),
        (GREEDY, {"rule": "average"}, r"average has parameters \[\]; found \['weights'\]"),
        (GREEDY, {"rule": "stacking"}, r"stacking has parameters \['coefficients', 'intercepts'\]"),
        (GREEDY, {"members": 0}, "members = 0: expected a whole number from 1"),
        (GREEDY, {"members": 3.0}, "members = 3.0"),
        (GREEDY, {"members": 10**9}, "members = 1000000000"),
        (GREEDY, {"classes": True}, "classes = True"),
        (GREEDY, {"members": 4}, r"weights: expected numbers of shape \(4,\), found float64 \(3,\)"),
        (GREEDY, {"parameters": None}, "found None"),
        (GREEDY, {"parameters": {"weights": [0.5, 0.5, 0.5]}}, "the weights sum to 1.5; expected 1"),
        (GREEDY, {"parameters": {"weights": [-0.5, 0.5, 1.0]}}, "weights: expected finite numbers from 0 to 1"),
        (GREEDY, {"parameters": {"weights": [math.nan, 0.5, 0.5]}}, "weights: expected finite"),
        (GREEDY, {"parameters": {"weights": ["1", "0", "0"]}}, "weights: expected numbers"),
        (GREEDY, {"parameters": {"weights": [None, 0.5, 0.5]}}, "weights: expected numbers"),
        (GREEDY, {"parameters": {"weights": [[0.5], 0.5]}}, "weights: lists of unequal lengths"),
        (GREEDY, {"parameters": {"weights": {}}}, "weights: expected numbers"),
        (GREEDY, {"before": [1.0]}, r"before: expected numbers of shape \(3,\)"),
        (GREEDY, {"before": [1.0, 1.0, 0.0]}, "before: expected finite numbers from 0.01 to 100"),
        (GREEDY, {"after": math.inf}, "after: expected finite"),
        (GREEDY, {"after": "1"}, "after: expected numbers"),
        (GREEDY, {"details": {"gap": math.nan}}, "gap: expected finite"),
        (GREEDY, {"details": [1]}, "details: expected numbers by name"),
        (CASCADE, {"parameters": {"threshold": 1.5}}, "threshold: expected finite numbers from 0 to 1"),
        (GREEDY, {"more": 1}, "fitted rule: expected rule, members, classes"),
        (STACKING, {"parameters": {**STACKING["parameters"], "intercepts": [0.0] * 3}}, r"intercepts: .* \(4,\)"),
        (STACKING, {"parameters": {**STACKING["parameters"], "intercepts": [1e300] * 4}}, "intercepts: .* to 1e"),
    ],
)
def test_invalid_values_are_an_error(values: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LineupError, match=message) as error:
        FittedRule.from_json(copy.deepcopy(values) | changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [None, [], "greedy", {}, {"rule": "average"}])
def test_values_of_another_format_are_an_error(values: Any) -> None:
    with pytest.raises(LineupError, match="fitted rule: expected rule, members, classes"):
        FittedRule.from_json(values)
