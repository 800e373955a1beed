"""The rules of committees: how each combines the predictions of the members, and what it fits on held-out images.

===================== ======================================================= =================================
rule                  prediction                                              fitted on held-out images
===================== ======================================================= =================================
``average``           mean over the members                                   nothing
``geometric_mean``    geometric mean, scaled                                  nothing
``maximum``           maximum, scaled                                         nothing
``voting_average``    mean of the members that voted for the winner           nothing
``voting_proportion`` share of the votes for each class                       nothing
``majority``          the class with most votes, at a fixed probability       this probability
``weighted_accuracy`` weighted mean                                           weights, proportional to accuracy
``weighted_log_loss`` weighted mean                                           weights with the lowest log loss
``greedy``            weighted mean                                           weights by greedy selection
``stacking``          multinomial logistic regression on log-probabilities    its coefficients
===================== ======================================================= =================================

`lineup.committee.fitting` fits the rules, and the temperatures before and after them.
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
"""Shape of each parameter of a rule, by name."""


@dataclass(frozen=True)
class Rule:
    """How a committee combines the predictions of its members.

    Parameters
    ----------
    apply : callable
        Takes probabilities (members, images, classes) and the parameters by name; returns (images, classes), float64.
    fit : callable, optional
        Takes held-out probabilities, labels, a seed and the details of an earlier fit, which may be empty. Returns the
        parameters by name, and details of the fit, which are numbers. Default: nothing is fitted.
    parameters : tuple of str, optional
        Names of the parameters, keys of `SHAPES`. Default: none.
    """

    apply: Callable[..., np.ndarray]
    fit: Callable[[np.ndarray, np.ndarray, int, Details], tuple[Arrays, Details]] | None = None
    parameters: tuple[str, ...] = ()


def _fit_majority(probabilities: np.ndarray, labels: np.ndarray, seed: int, former: Details) -> tuple[Arrays, Details]:
    """Fit the share of images for which the class with most votes is correct; it minimises the log loss of this rule.

    Laplace's rule of succession adds one image per class, so that the share is below 1. It is always above the share
    of a random guess, so that this class stays the most probable one.
    """
    images, classes = probabilities.shape[1:]
    right = int((pooling.winners(probabilities) == labels).sum())
    return {"confidence": np.array(max((right + 1) / (images + classes), 1 / classes + 1e-6))}, {}


def _fit_accuracy(probabilities: np.ndarray, labels: np.ndarray, seed: int, former: Details) -> tuple[Arrays, Details]:
    return {"weights": weights.weights_from_accuracy(probabilities, labels)}, {}


def _fit_log_loss(probabilities: np.ndarray, labels: np.ndarray, seed: int, former: Details) -> tuple[Arrays, Details]:
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    return {"weights": found}, {"gap": gap}


def _fit_greedy(probabilities: np.ndarray, labels: np.ndarray, seed: int, former: Details) -> tuple[Arrays, Details]:
    return {"weights": weights.weights_from_greedy_selection(probabilities, labels, seed)}, {}


def _fit_stacking(probabilities: np.ndarray, labels: np.ndarray, seed: int, former: Details) -> tuple[Arrays, Details]:
    found = stacking.fit_stacking(probabilities, labels, seed, strength=former.get("strength"))
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
    """Apply a rule without fitted parameters, by name.

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
    """Return a rule by name; raise a ValueError that lists all rules if it is unknown."""
    if name not in RULES:
        raise ValueError(f"unknown rule {name!r}: expected one of {', '.join(RULES)}")
    return RULES[name]


def single_precision(pooled: np.ndarray) -> np.ndarray:
    """Convert to float32 and keep the most probable class of each row, also if rounding makes two classes equal."""
    single = pooled.astype(np.float32)
    winner = pooled.argmax(axis=1)
    hidden = np.flatnonzero(single.argmax(axis=1) != winner)
    single[hidden, winner[hidden]] = np.nextafter(single[hidden].max(axis=1), np.float32(2))
    return single
