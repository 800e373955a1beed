"""Stacking: a multinomial logistic regression on the logarithms of the members' probabilities.

It can weight each member differently for each class (D. H. Wolpert, "Stacked generalization", Neural Networks 5 (1992),
241-259). Fitting needs scikit-learn; prediction needs only numpy.
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
"""Values of scikit-learn's ``C``, from the strongest penalty to the weakest."""

_SEARCH_TOLERANCE, _TOLERANCE = 1e-3, 1e-4
_ITERATIONS = 2000
_LEAST_DEVIATION = 0.1


@dataclasses.dataclass(frozen=True)
class Stacking:
    """The result of `fit_stacking`.

    Parameters
    ----------
    coefficients : ndarray of shape (members, classes, classes)
        Weight of the log-probability of a member's class (second axis) in the score of a class (third axis).
    intercepts : ndarray of shape (classes,)
        Constant term of each score.
    strength : float
        The chosen value of ``C``.
    log_loss : float or None
        Cross-validated log loss of this value, in nats; slightly too low, because the value was chosen by it. None if
        the value was given.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    strength: float
    log_loss: float | None


def apply_stacking(probabilities: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Return the softmax of the scores.

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
    """Choose the penalty by cross-validation on these images, then fit on all of them.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes, at least two images of each.
    seed : int
        Seed of the folds.
    strength : float, optional
        Value of ``C``. Default: the best of `STRENGTHS`.

    Raises
    ------
    LineupError
        If a class has fewer than two images, or there are fewer images than folds.

    Notes
    -----
    The penalty applies to the coefficients of standardised features (mean 0, standard deviation 1). The returned
    coefficients apply to the features without standardisation. The search goes through `STRENGTHS` from the strongest
    penalty and stops when the cross-validated log loss increases.
    """
    from threadpoolctl import threadpool_limits

    members, _, classes = probabilities.shape
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < 2:
        raise LineupError(
            f"stacking: class {counts.argmin()} has {counts.min()} held-out images; it needs at least 2 of each class"
        )
    features = clipped_logarithms(probabilities).transpose(1, 0, 2).reshape(len(labels), -1)
    log_loss = None
    # These products are so small that they take three times as long on two cores as on one, and their last digits
    # depend on the number of cores.
    with threadpool_limits(1, user_api="blas"):
        if strength is None:
            strength, log_loss = _choose_strength(features, labels, stratified_folds(labels, FOLDS, seed))
        coefficients, intercepts = _fit(features, labels, strength, _TOLERANCE)
    return Stacking(coefficients.reshape(members, classes, classes), intercepts, strength, log_loss)


def _choose_strength(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> tuple[float, float]:
    """Return the best strength and its cross-validated log loss."""
    best_strength, best_loss = STRENGTHS[0], np.inf
    for strength in STRENGTHS:
        losses = np.empty(len(labels))
        for fold in range(FOLDS):
            out = folds == fold
            coefficients, intercepts = _fit(features[~out], labels[~out], strength, _SEARCH_TOLERANCE)
            answers = softmax(features[out] @ coefficients + intercepts)
            losses[out] = -np.log(np.maximum(answers[np.arange(len(answers)), labels[out]], CLIP))
        if losses.mean() >= best_loss:
            break
        best_strength, best_loss = strength, float(losses.mean())
    return best_strength, best_loss


def _fit(features: np.ndarray, labels: np.ndarray, strength: float, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (features, classes) and intercepts (classes,) for features that are not standardised."""
    from sklearn.linear_model import LogisticRegression

    # A lower limit of the deviation, so that a nearly constant feature does not get huge values on other images.
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), _LEAST_DEVIATION)
    model: Any = LogisticRegression(C=strength, tol=tolerance, max_iter=_ITERATIONS)
    model.fit((features - mean) / deviation, labels)
    coefficients, intercepts = model.coef_.T, model.intercept_
    if coefficients.shape[1] == 1:  # for two classes, scikit-learn fits only the score of the second one
        coefficients, intercepts = np.hstack([0 * coefficients, coefficients]), np.array([0.0, intercepts[0]])
    coefficients = coefficients / deviation[:, None]
    return coefficients, intercepts - mean @ coefficients
