"""Rules that combine the predictions of the members of a committee (ensemble).

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
``cascade``           mean of the first members, until it is confident       the threshold for the confidence
===================== ====================================================== ========================================

The module `lineup.committee.fitting` fits the parameters of these rules.

Examples
--------
>>> combine("average", np.array([[[0.5, 0.5]], [[0.0, 1.0]]])).tolist()
[[0.25, 0.75]]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lineup.committee import cascade, pooling, stacking, weights
from lineup.errors import LineupError

Arrays = dict[str, np.ndarray]
Details = dict[str, float]

SHAPES: dict[str, tuple[Literal["members", "classes"], ...]] = {
    "weights": ("members",),
    "confidence": (),
    "coefficients": ("members", "classes", "classes"),
    "intercepts": ("classes",),
    "threshold": (),
}
"""Shape of each parameter of a rule."""


@dataclass(frozen=True)
class CostSettings:
    """Settings of the rules that consider the prediction time.

    Parameters
    ----------
    accuracy_loss : float, optional
        For ``cascade``: largest accepted loss of accuracy on held-out images, compared with the mean of all members.
        Default 0.001.
    price : float, optional
        For ``greedy``: penalty on the log loss, in nats per second of prediction time for 1,000 images. Default 0.
    seconds : tuple of float, optional
        Prediction time of each member, in seconds per 1,000 images. Required if the price is above 0. Default: unknown.
    """

    accuracy_loss: float = cascade.ACCURACY_LOSS
    price: float = 0.0
    seconds: tuple[float, ...] = ()

    def for_members(self, members: Sequence[int]) -> CostSettings:
        """Return a copy that contains only the times of the given members. The members keep the given order."""
        return replace(self, seconds=tuple(self.seconds[member] for member in members) if self.seconds else ())


DEFAULT_COST = CostSettings()

Fit = Callable[[np.ndarray, np.ndarray, int, Details, CostSettings], tuple[Arrays, Details]]
"""See `Rule.fit`."""


@dataclass(frozen=True)
class Rule:
    """Rule that combines the predictions of several models.

    Parameters
    ----------
    apply : callable
        Takes probabilities of shape (members, images, classes) and the parameters by name. Returns float64
        probabilities of shape (images, classes).
    fit : callable, optional
        Takes held-out probabilities, labels, a seed, the details of an earlier fit (may be empty), and the settings for
        the cost. Returns the parameters by name, and details: numbers that describe the fit. By default, nothing is
        fitted.
    parameters : tuple of str, optional
        Names of the parameters, keys of `SHAPES`. Default: no parameters.
    ordered : bool, optional
        Whether the order of the members changes the predictions. Default False.
    """

    apply: Callable[..., np.ndarray]
    fit: Fit | None = None
    parameters: tuple[str, ...] = ()
    ordered: bool = False


def _fit_majority(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details, cost: CostSettings
) -> tuple[Arrays, Details]:
    """Estimate the probability that the class with the most votes is correct.

    The log loss is lowest if the confidence equals the accuracy. Because of Laplace smoothing, the confidence is always
    below 1. The confidence is always greater than one divided by the number of classes. The class with the most votes
    therefore remains the most probable class.
    """
    images, classes = probabilities.shape[1:]
    right = int((pooling.winners(probabilities) == labels).sum())
    return {"confidence": np.array(max((right + 1) / (images + classes), 1 / classes + 1e-6))}, {}


def _fit_accuracy(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details, cost: CostSettings
) -> tuple[Arrays, Details]:
    return {"weights": weights.weights_from_accuracy(probabilities, labels)}, {}


def _fit_log_loss(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details, cost: CostSettings
) -> tuple[Arrays, Details]:
    found, gap = weights.weights_from_log_loss(probabilities, labels)
    return {"weights": found}, {"gap": gap}


def _fit_greedy(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details, cost: CostSettings
) -> tuple[Arrays, Details]:
    if not cost.price:
        return {"weights": weights.weights_from_greedy_selection(probabilities, labels, seed)}, {}
    if len(cost.seconds) != len(probabilities):
        raise LineupError("greedy: a price requires the prediction time of each member")
    prices = cost.price * np.array(cost.seconds)
    return {"weights": weights.weights_from_greedy_selection(probabilities, labels, seed, prices=prices)}, {}


def _fit_stacking(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details, cost: CostSettings
) -> tuple[Arrays, Details]:
    found = stacking.fit_stacking(probabilities, labels, seed, strength=earlier.get("strength"))
    details = {"strength": found.strength}
    if found.log_loss is not None:
        details["cross_validated_log_loss"] = found.log_loss
    return {"coefficients": found.coefficients, "intercepts": found.intercepts}, details


def _fit_cascade(
    probabilities: np.ndarray, labels: np.ndarray, seed: int, earlier: Details, cost: CostSettings
) -> tuple[Arrays, Details]:
    threshold = cascade.fit_threshold(probabilities, labels, cost.accuracy_loss)
    evaluated = cascade.count_evaluated(probabilities, threshold)
    shares = np.bincount(evaluated, minlength=len(probabilities) + 1)[1:] / len(labels)
    return {"threshold": np.array(threshold)}, {f"share_{step}": float(share) for step, share in enumerate(shares, 1)}


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
    "cascade": Rule(cascade.apply_cascade, _fit_cascade, ("threshold",), ordered=True),
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

    If two classes are equal after rounding, the prediction is the class that was more probable before rounding.
    """
    single = pooled.astype(np.float32)
    winner = pooled.argmax(axis=1)
    hidden = np.flatnonzero(single.argmax(axis=1) != winner)
    single[hidden, winner[hidden]] = np.nextafter(single[hidden].max(axis=1), np.float32(2))
    return single
