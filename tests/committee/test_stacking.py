"""Stacking of the members' predictions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lineup.committee.folds import FOLDS, stratified_folds
from lineup.committee.pooling import average, geometric_mean
from lineup.committee.stacking import STRENGTHS, apply_stacking, fit_stacking
from lineup.errors import LineupError
from tests.committee.strategies import log_loss, skilled_members


def features_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the standardised log-probabilities, one row per image."""
    logarithms = np.log(probabilities.astype(np.float64))
    flat: np.ndarray = np.concatenate(list(logarithms), axis=1)
    flat -= flat.mean(axis=0)
    flat /= flat.std(axis=0)
    return flat


@pytest.mark.parametrize("classes", [2, 4])
def test_the_predictions_are_those_of_scikit_learn(classes: int) -> None:
    probabilities, labels = skilled_members(0, classes=classes)
    found = fit_stacking(probabilities, labels, seed=0)
    features = features_of(probabilities)
    model = LogisticRegression(C=found.strength, tol=1e-4, max_iter=2000).fit(features, labels)
    predictions = apply_stacking(probabilities, found.coefficients, found.intercepts)
    np.testing.assert_allclose(predictions, model.predict_proba(features), atol=1e-9)


def test_the_strength_has_the_lowest_cross_validated_loss() -> None:
    probabilities, labels = skilled_members(0, (0.5, 0.5, 2.0))
    found = fit_stacking(probabilities, labels, seed=3)
    fold = stratified_folds(labels, FOLDS, 3)
    losses = {}
    for strength in STRENGTHS:
        predictions = np.empty(probabilities.shape[1:])
        for part in range(FOLDS):
            out = fold == part
            inside = np.log(np.concatenate(list(probabilities[:, ~out]), axis=1).astype(np.float64))
            outside = np.log(np.concatenate(list(probabilities[:, out]), axis=1).astype(np.float64))
            mean, deviation = inside.mean(axis=0), inside.std(axis=0)
            model = LogisticRegression(C=strength, tol=1e-3, max_iter=2000)
            model.fit((inside - mean) / deviation, labels[~out])
            predictions[out] = model.predict_proba((outside - mean) / deviation)
        losses[strength] = log_loss(predictions, labels)
    assert found.strength == min(losses, key=lambda strength: losses[strength])
    assert found.log_loss == pytest.approx(losses[found.strength])
    assert STRENGTHS[0] < found.strength < STRENGTHS[-1]


def test_stacking_is_better_than_the_mean_if_a_member_confuses_classes() -> None:
    """A member that predicts the next class instead of the actual one is useless in a mean, but not for stacking."""
    probabilities, labels = skilled_members(0, (3.0, 0.5, 0.5), images=1200)
    probabilities = np.stack([np.roll(probabilities[0], 1, axis=1), *probabilities[1:]])
    found = fit_stacking(probabilities[:, :600], labels[:600], seed=0)
    predictions = apply_stacking(probabilities[:, 600:], found.coefficients, found.intercepts)
    stacked = np.mean(predictions.argmax(axis=1) == labels[600:])
    for pool in (average, geometric_mean):
        assert stacked > np.mean(pool(probabilities[:, 600:]).argmax(axis=1) == labels[600:]) + 0.3


def test_a_feature_with_little_variance_is_not_scaled_up() -> None:
    probabilities, labels = skilled_members(0)
    constant = np.full_like(probabilities[0], 0.25)
    found = fit_stacking(np.stack([*probabilities, constant]), labels, seed=0)
    np.testing.assert_allclose(found.coefficients[-1], 0, atol=1e-6)
    assert np.abs(found.coefficients).max() < 10


def test_zeros_and_ones_are_clipped() -> None:
    probabilities, labels = skilled_members(0)
    hard = np.eye(4, dtype=np.float32)[probabilities.argmax(axis=2)]
    found = fit_stacking(hard, labels, seed=0)
    assert np.isfinite(apply_stacking(hard, found.coefficients, found.intercepts)).all()


def test_a_class_with_one_image_is_an_error() -> None:
    probabilities, labels = skilled_members(0, images=40)
    labels[labels == 3] = 2
    labels[0] = 3
    with pytest.raises(LineupError, match="class 3 has 1 held-out images; expected at least 2 of each class"):
        fit_stacking(probabilities, labels, seed=0)
    labels[1] = 3
    fit_stacking(probabilities, labels, seed=0)


def test_a_given_strength_is_used_without_a_search() -> None:
    probabilities, labels = skilled_members(0)
    found = fit_stacking(probabilities, labels, seed=0)
    again = fit_stacking(probabilities, labels, seed=1, strength=found.strength)
    np.testing.assert_array_equal(again.coefficients, found.coefficients)
    assert (again.strength, again.log_loss) == (found.strength, None)
    assert fit_stacking(probabilities, labels, seed=0, strength=2.5).strength == 2.5
