"""Combine predictions by stacking.

Stacking fits a multinomial logistic regression on the log-probabilities of the members. Each member has a separate
weight for each class. Fitting requires scikit-learn, but predicting requires only NumPy.

Notes
-----
D. H. Wolpert, "Stacked generalization", Neural Networks 5 (1992), 241-259.

Examples
--------
>>> members = np.array([[[0.5, 0.5]], [[0.2, 0.8]]])
>>> coefficients = np.stack([np.zeros((2, 2)), np.eye(2)])  # the second member alone
>>> apply_stacking(members, coefficients, np.zeros(2)).round(3).tolist()
[[0.2, 0.8]]
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lineup.committee.folds import FOLDS, stratified_folds
from lineup.committee.pooling import clipped_logarithms, softmax, sum_over_members
from lineup.errors import LineupError
from lineup.evaluation.metrics import CLIP

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Values of scikit-learn's ``C``, from the strongest penalty to the weakest one."""

_SEARCH_TOLERANCE, _TOLERANCE = 1e-3, 1e-4
_ITERATIONS = 2000
_LEAST_DEVIATION = 0.1


@dataclasses.dataclass(frozen=True)
class Stacking:
    """Result of `fit_stacking`.

    Parameters
    ----------
    coefficients : ndarray of shape (members, classes, classes)
        Weight of each member's log-probability of one class (second axis) in the score of another class (third axis).
    intercepts : ndarray of shape (classes,)
        Intercept of each class's score.
    strength : float
        The value of ``C``.
    log_loss : float or None
        Cross-validated log loss of this strength, in nats. The loss is slightly too low, because it was used to choose
        the strength. None if the strength was given.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    strength: float
    log_loss: float | None


def apply_stacking(probabilities: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Combine predictions with a fitted stacking regression.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability below 1e-7 counts as 1e-7.
    coefficients, intercepts : ndarray
        See `Stacking`.

    Returns
    -------
    ndarray of shape (images, classes), float64
        Rows sum to one.
    """
    return softmax(sum_over_members(clipped_logarithms(probabilities) @ coefficients) + intercepts)


def fit_stacking(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, *, strength: float | None = None
) -> Stacking:
    """Fit a stacking regression, and choose its penalty by cross-validation.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes. Each class needs at least two images.
    seed : int
        Seed of the folds.
    strength : float, optional
        Value of ``C``. By default, the best value of `STRENGTHS` is searched.

    Returns
    -------
    Stacking

    Raises
    ------
    LineupError
        If a class has fewer than two images, or there are fewer images than folds.

    Notes
    -----
    The features are standardised to mean 0 and standard deviation 1, so that the penalty treats them equally. The
    returned coefficients apply to features that are not standardised. The search starts with the strongest penalty of
    `STRENGTHS` and stops when the cross-validated log loss rises.
    """
    from threadpoolctl import threadpool_limits

    members, _, classes = probabilities.shape
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2:
        raise LineupError(
            f"stacking: class {counts.argmin()} has {counts.min()} held-out images; expected at least 2 of each class"
        )
    features = clipped_logarithms(probabilities).transpose(1, 0, 2).reshape(len(labels), -1)
    log_loss = None
    # These small matrix products take three times as long on two cores as on one, and their last digits depend on the
    # number of cores.
    with threadpool_limits(1, user_api="blas"):
        if strength is None:
            strength, log_loss = _choose_strength(features, labels, stratified_folds(labels, FOLDS, seed))
        coefficients, intercepts = _fit(features, labels, strength, _TOLERANCE)
    return Stacking(coefficients.reshape(members, classes, classes), intercepts, strength, log_loss)


def _choose_strength(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> tuple[float, float]:
    """Choose the ``C`` with the lowest cross-validated log loss. Return this ``C`` and this log loss."""
    best_strength, best_loss = STRENGTHS[0], np.inf
    for strength in STRENGTHS:
        losses = np.empty(len(labels))
        for fold in range(FOLDS):
            out = folds == fold
            coefficients, intercepts = _fit(features[~out], labels[~out], strength, _SEARCH_TOLERANCE)
            predicted = softmax(features[out] @ coefficients + intercepts)
            losses[out] = -np.log(np.maximum(predicted[np.arange(len(predicted)), labels[out]], CLIP))
        if losses.mean() >= best_loss:
            break
        best_strength, best_loss = strength, float(losses.mean())
    return best_strength, best_loss


def _fit(features: np.ndarray, labels: np.ndarray, strength: float, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression, and return its coefficients and intercepts.

    The coefficients apply to features that are not standardised.
    """
    from sklearn.linear_model import LogisticRegression

    # A feature with little variance here may vary more on other images, so do not scale it up too much.
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), _LEAST_DEVIATION)
    model: Any = LogisticRegression(C=strength, tol=tolerance, max_iter=_ITERATIONS)
    model.fit((features - mean) / deviation, labels)
    coefficients, intercepts = model.coef_.T, model.intercept_
    if coefficients.shape[1] == 1:  # for two classes scikit-learn fits only the score of the second one
        coefficients, intercepts = np.hstack([0 * coefficients, coefficients]), np.array([0.0, intercepts[0]])
    coefficients = coefficients / deviation[:, None]
    return coefficients, intercepts - mean @ coefficients
