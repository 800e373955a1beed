"""Rules for combining the predictions of a committee (ensemble).

===================== ====================================================== ========================================
rule                  combined prediction                                    fitted on held-out images
===================== ====================================================== ========================================
``average``           mean of the members                                    nothing
``geometric_mean``    geometric mean of the members, scaled                  nothing
``maximum``           maximum of the members, scaled                         nothing
``voting_average``    mean of the members that voted for the winner          nothing
``voting_proportion`` share of the votes for each class                      nothing
``majority``          winner of the votes, with a constant confidence        the confidence
``weighted_accuracy`` weighted mean                                          weights proportional to the accuracies
``weighted_log_loss`` weighted mean                                          weights with the lowest log loss
``greedy``            weighted mean                                          weights from greedy selection of members
``stacking``          multinomial logistic regression on log-probabilities   its coefficients
===================== ====================================================== ========================================

The module `lineup.committee.fitting` fits the parameters of these rules.

Examples
--------
>>> combine("average", np.array([[[0.5, 0.5]], [[0.0, 1.0]]])).tolist()
[[0.25, 0.75]]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lineup.committee import pooling, stacking, weights
from lineup.errors import LineupError

Arrays = dict[str, np.ndarray]
Details = dict[str, float]

SHAPES: dict[str, tuple[Literal["members", "classes"], ...]] = {
    "weights": ("members",),
    "confidence": (),
    "coefficients": ("members", "classes", "classes"),
    "intercepts": ("classes",),
}
"""Shape of each parameter of a rule."""


@dataclass(frozen=True)
class Rule:
    """Rule that combines the predictions of several models.

    Parameters
    ----------
    apply : callable
        Takes probabilities of shape (members, images, classes) and the parameters by name. Returns float64
        probabilities of shape (images, classes).
    fit : callable, optional
        Takes held-out probabilities, labels, a seed, and the details of an earlier fit (may be empty). Returns the
        parameters by name, and details: numbers that describe the fit. By default, nothing is fitted.
    parameters : tuple of str, optional
        Names of the parameters, keys of `SHAPES`. Default: no parameters.
    """

    apply: Callable[..., np.ndarray]
    fit: Callable[[np.ndarray, np.ndarray, int, Details], tuple[Arrays, Details]] | None = None
    parameters: tuple[str, ...] = ()


def _fit_majority(probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details) -> tuple[Arrays, Details]:
    """Estimate the probability that the class with the most votes is correct.

    The log loss has its minimum where the confidence equals the accuracy. Laplace smoothing keeps the confidence below
    1. The confidence is always greater than 1 / classes, so the class with the most votes remains the most probable
    class.
    """
    images, classes = probabilities.shape[1:]
    right = int((pooling.winners(probabilities) == labels).sum())
    return {"confidence": np.array(max((right + 1) / (images + classes), 1 / classes + 1e-6))}, {}


def _fit_accuracy(probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details) -> tuple[Arrays, Details]:
    return {"weights": weights.weights_from_accuracy(probabilities, labels)}, {}


def _fit_log_loss(probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details) -> tuple[Arrays, Details]:
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    return {"weights": found}, {"gap": gap}


def _fit_greedy(probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details) -> tuple[Arrays, Details]:
    return {"weights": weights.weights_from_greedy_selection(probabilities, labels, seed)}, {}


def _fit_stacking(probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details) -> tuple[Arrays, Details]:
    found = stacking.fit_stacking(probabilities, labels, seed, strength=earlier.get("strength"))
    details = {"strength": found.strength}
    if found.log_loss is not None:
        details["cross_validated_log_loss"] = found.log_loss
    return {"coefficients": found.coefficients, "intercepts": found.intercepts}, details


RULES: dict[str, Rule] = {
    "average": Rule(pooling.average),
    "geometric_mean": Rule(pooling.geometric_mean),
    "maximum": Rule(pooling.maximum),
    "voting_average": Rule(pooling.voting_average),
    "voting_proportion": Rule(pooling.voting_proportion),
    "majority": Rule(pooling.majority, _fit_majority, ("confidence",)),
    "weighted_accuracy": Rule(pooling.weighted_average, _fit_accuracy, ("weights",)),
    "weighted_log_loss": Rule(pooling.weighted_average, _fit_log_loss, ("weights",)),
    "greedy": Rule(pooling.weighted_average, _fit_greedy, ("weights",)),
    "stacking": Rule(stacking.apply_stacking, _fit_stacking, ("coefficients", "intercepts")),
}


def combine(rule: str, probabilities: np.ndarray) -> np.ndarray:
    """Combine predictions with a rule that needs no fitting.

    Parameters
    ----------
    rule : str
        A key of `RULES`.
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.

    Returns
    -------
    ndarray of shape (images, classes), float32
        Rows sum to one.

    Raises
    ------
    ValueError
        If the array does not have three axes, or the rule is unknown.
    LineupError
        If the rule must be fitted first.
    """
    if probabilities.ndim != 3:
        raise ValueError(f"probabilities of shape {probabilities.shape}: expected (members, images, classes)")
    if find_rule(rule).fit:
        raise LineupError(f"committee: the rule {rule} must be fitted on held-out images first")
    return single_precision(RULES[rule].apply(probabilities))


def find_rule(name: str) -> Rule:
    """Return the rule with the given name.

    Raises
    ------
    ValueError
        If the name is unknown. The message lists the known names.
    """
    if name not in RULES:
        raise ValueError(f"unknown rule {name!r}: expected one of {', '.join(RULES)}")
    return RULES[name]


def single_precision(pooled: np.ndarray) -> np.ndarray:
    """Convert probabilities to float32 without changing the most probable class.

    If rounding causes a tie, the most probable class before rounding is still predicted.
    """
    single = pooled.astype(np.float32)
    winner = pooled.argmax(axis=1)
    hidden = np.flatnonzero(single.argmax(axis=1) != winner)
    single[hidden, winner[hidden]] = np.nextafter(single[hidden].max(axis=1), np.float32(2))
    return single
