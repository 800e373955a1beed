"""Why a committee works: what each member brings, how they differ, and where the gain comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lineup.committee.fitting import FittedRule, Temperature, fit_rule
from lineup.committee.pooling import clipped_logarithms
from lineup.committee.rules import Details
from lineup.errors import LineupError
from lineup.evaluation.metrics import check_probabilities

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=STRICT)
class MemberRole:
    """What one member is to its committee.

    Parameters
    ----------
    name : str
        Name of the member.
    weight : float
        How much it counts; see `lineup.committee.fitting.FittedRule.weights`.
    accuracy : float
        Its own.
    fixed : int
        Images that the member classifies wrongly and the committee correctly.
    broken : int
        Images that the member classifies correctly and the committee wrongly.
    change_without : float, optional
        By how much the committee's accuracy changes without it, the rule fitted anew on the hold-out: below 0 it helps.
        None where it was not measured, as for a single member.
    """

    name: str
    weight: float
    accuracy: float
    fixed: int
    broken: int
    change_without: float | None


@dataclass(frozen=True, config=STRICT)
class Decomposition:
    """An error of the committee against that of its members: committee = members - ambiguity + residual.

    Parameters
    ----------
    committee : float
        The committee's error.
    members : float
        The members' mean error, by their weights.
    ambiguity : float
        How far the members' answers are from the committee's, by their weights; no label plays a part in it.
    """

    committee: float
    members: float
    ambiguity: float

    @property
    def gain(self) -> float:
        """By how much the committee's error is below its members' mean error."""
        return self.members - self.committee

    @property
    def residual(self) -> float:
        """What the ambiguity does not explain: 0, but for rounding, where the decomposition holds exactly."""
        return self.committee - (self.members - self.ambiguity)


@dataclass(frozen=True, config=STRICT)
class Analysis:
    """Why a committee works, in plain numbers that JSON can hold.

    Parameters
    ----------
    images : int
        How many it was measured on.
    accuracy : float
        The committee's.
    differing : float
        Share of images on which not all members put the same class first.
    members : tuple of MemberRole
        In the order of the rows and columns below.
    disagreement : tuple of tuple of float
        Share of images on which two members put different classes first.
    error_correlation : tuple of tuple of float
        Correlation between two members' being wrong, from -1 to 1; None if one of them is never or always wrong.
    squared_error : Decomposition
        Of the sum over the classes of the squared error, the Brier score from 0 to 2.
    log_loss : Decomposition
        Of the log loss in nats, in which a probability below 1e-7 counts as 1e-7.
    """

    images: int
    accuracy: float
    differing: float
    members: tuple[MemberRole, ...]
    disagreement: tuple[tuple[float, ...], ...]
    error_correlation: tuple[tuple[float | None, ...], ...]
    squared_error: Decomposition
    log_loss: Decomposition


def answers_without_each(
    rule: str,
    holdout: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    seed: int = 0,
    temperature: Temperature = "none",
    former: Details | None = None,
) -> np.ndarray | None:
    """Return the answers of the committees that lack one member each, the rule fitted anew for each.

    Parameters
    ----------
    rule, labels, seed, temperature, former
        As of `lineup.committee.fitting.fit_rule`. With the details of the whole committee as ``former`` the penalty of
        ``stacking`` is not sought again for each, which would take twenty times as long.
    holdout : ndarray of float, shape (members, held-out images, classes)
        What the rule is fitted on.
    probabilities : ndarray of float, shape (members, images, classes)
        What is answered.

    Returns
    -------
    ndarray of shape (members, images, classes), float32, or None
        First the committee without the first member, and so on. None of a single member: nobody would be left.
    """
    if len(holdout) == 1:
        return None
    answers = []
    for member in range(len(holdout)):
        others = np.delete(holdout, member, axis=0)
        fitted = fit_rule(rule, others, labels, seed=seed, temperature=temperature, former=former)
        answers.append(fitted.apply(np.delete(probabilities, member, axis=0)))
    return np.stack(answers)


def analyse(
    fitted: FittedRule,
    names: Sequence[str],
    probabilities: np.ndarray,
    labels: np.ndarray,
    without: np.ndarray | None = None,
) -> Analysis:
    """Measure why a committee works, on images that had no part in it.

    Parameters
    ----------
    fitted : FittedRule
        The committee's rule.
    names : sequence of str
        The members' names, in order.
    probabilities : ndarray of float, shape (members, images, classes)
        The members' answers on test images; rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.
    without : ndarray of shape (members, images, classes), optional
        As `answers_without_each` returns it. Default: not measured.

    Raises
    ------
    LineupError
        If the shapes do not match, or the probabilities or labels are not such.
    """
    if len(names) != len(probabilities) or (without is not None and without.shape != probabilities.shape):
        raise LineupError(
            f"analysis: {len(names)} names, answers of shape {probabilities.shape} and without each member of"
            f" {None if without is None else without.shape}: expected as many of each"
        )
    answers = fitted.apply(probabilities)
    for member in probabilities:
        check_probabilities(member, labels)
    right, first = answers.argmax(axis=1) == labels, probabilities.argmax(axis=2)
    errors = first != labels
    squared_error, log_loss = _decompose(fitted, probabilities, answers, labels)
    return Analysis(
        images=len(labels),
        accuracy=float(right.mean()),
        differing=float((first != first[0]).any(axis=0).mean()),
        members=tuple(
            MemberRole(
                name=name,
                weight=weight,
                accuracy=float((~wrong).mean()),
                fixed=int((wrong & right).sum()),
                broken=int((~wrong & ~right).sum()),
                change_without=_change(without[number], labels, right) if without is not None else None,
            )
            for number, (name, weight, wrong) in enumerate(zip(names, fitted.weights, errors, strict=True))
        ),
        disagreement=tuple(tuple(float((one != other).mean()) for other in first) for one in first),
        error_correlation=_correlation(errors),
        squared_error=squared_error,
        log_loss=log_loss,
    )


def _change(answers: np.ndarray, labels: np.ndarray, right: np.ndarray) -> float:
    """Return the accuracy of other answers less that of the committee, from counts, so that equals give 0."""
    return (int((answers.argmax(axis=1) == labels).sum()) - int(right.sum())) / len(labels)


def _correlation(errors: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    """Return Pearson's correlation of 0 and 1, the phi coefficient, for each pair of rows."""
    centred = errors - errors.mean(axis=1, keepdims=True)
    deviations = np.sqrt((centred**2).sum(axis=1))
    scales = np.outer(deviations, deviations)
    products = centred @ centred.T
    return tuple(
        tuple(float(np.clip(value / scale, -1, 1)) if scale > 0 else None for value, scale in zip(*row, strict=True))
        for row in zip(products, scales, strict=True)
    )


def _decompose(
    fitted: FittedRule, probabilities: np.ndarray, answers: np.ndarray, labels: np.ndarray
) -> tuple[Decomposition, Decomposition]:
    """Decompose the squared error and the log loss.

    The members answer at their temperatures. Rules without weights of this kind count them alike.

    Notes
    -----
    For the squared error the identity is exact where the committee is a weighted mean: all rules of weights, and the
    average (A. Krogh, J. Vedelsby, "Neural network ensembles, cross validation, and active learning", NIPS 7, 1995).
    For the log loss, with the Kullback-Leibler divergence of a member from the committee as ambiguity, it is exact
    where the committee is the geometric mean (T. Heskes, "Selecting weighting factors in logarithmic opinion pools",
    NIPS 10, 1998; D. Wood et al., "A unified theory of diversity in ensemble learning", Journal of Machine Learning
    Research 24, 2023). A weighted mean has a log loss of at most its members' mean by Jensen's inequality, but by how
    much depends on the labels. A temperature behind the rule makes both inexact.
    """
    members = fitted.scale(probabilities).astype(np.float64)
    committee = answers.astype(np.float64)
    weights = np.array(fitted.parameters.get("weights", [1 / len(members)] * len(members)))
    actual = np.eye(committee.shape[1])[labels]

    def decomposition(own: np.ndarray, each: np.ndarray, apart: np.ndarray) -> Decomposition:
        """Average (images, classes) and twice (members, images, classes), summed over the classes."""
        means = [weights @ part.sum(axis=2).mean(axis=1) for part in (each, apart)]
        return Decomposition(float(own.sum(axis=1).mean()), *map(float, means))

    own, each = clipped_logarithms(committee), clipped_logarithms(members)
    return (
        decomposition((committee - actual) ** 2, (members - actual) ** 2, (members - committee) ** 2),
        decomposition(-actual * own, -actual * each, committee * (own - each)),
    )
