"""Analyse how the members of a committee differ and what each member contributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from lineup.committee.cost import STRICT, Cost
from lineup.committee.fitting import FittedRule, Temperature, fit_rule
from lineup.committee.pooling import clipped_logarithms
from lineup.committee.rules import DEFAULT_COST, CostSettings, Details
from lineup.errors import LineupError
from lineup.evaluation.scores import check_members


@dataclass(frozen=True, config=STRICT)
class MemberRole:
    """The role of one member in its committee.

    Parameters
    ----------
    name : str
        Label of the member's run.
    weight : float
        Weight of the member, see `lineup.committee.fitting.FittedRule.weights`.
    accuracy : float
        Accuracy of the member alone.
    fixed : int
        Number of images that only the committee classifies correctly.
    broken : int
        Number of images that only the member classifies correctly.
    change_without : float or None
        Change in the accuracy of the committee when the member is removed and the rule is fitted again. A value below
        0 means that the member helps. None if the change was not measured, as for a single member.
    """

    name: str
    weight: float
    accuracy: float
    fixed: int
    broken: int
    change_without: float | None


@dataclass(frozen=True, config=STRICT)
class Decomposition:
    """Parts of a committee's error: the mean error of the members, their ambiguity and a residual.

    The error of a committee equals the mean error of its members, minus the ambiguity, plus the residual.

    Parameters
    ----------
    committee : float
        Error of the committee.
    members : float
        Weighted mean of the members' errors.
    ambiguity : float
        Weighted mean distance between the predictions of the members and of the committee. The ambiguity does not
        depend on the labels.
    """

    committee: float
    members: float
    ambiguity: float

    @property
    def gain(self) -> float:
        """Return the mean error of the members minus the error of the committee."""
        return self.members - self.committee

    @property
    def residual(self) -> float:
        """Return the part of the committee's error that the decomposition does not explain.

        If the decomposition is exact, the residual is 0 except for rounding errors.
        """
        return self.committee - (self.members - self.ambiguity)


@dataclass(frozen=True, config=STRICT)
class Analysis:
    """Statistics about a committee and its members.

    Parameters
    ----------
    images : int
        Number of test images.
    accuracy : float
        Accuracy of the committee.
    differing : float
        Fraction of images for which the members predict more than one class.
    members : tuple of MemberRole
        Members, in the order of the rows and columns of the other fields.
    disagreement : tuple of tuple of float
        Fraction of images for which two members predict different classes.
    error_correlation : tuple of tuple of float
        Correlation between the errors of two members, from -1 to 1. None if a member is always right or always wrong.
    squared_error : Decomposition
        Decomposition of the Brier score, which is the squared error, summed over the classes, from 0 to 2.
    log_loss : Decomposition
        Decomposition of the log loss, in nats. Probabilities below 1e-7 are replaced by 1e-7.
    cost : Cost, optional
        Prediction time. Default: None, the times of the members were not measured.
    """

    images: int
    accuracy: float
    differing: float
    members: tuple[MemberRole, ...]
    disagreement: tuple[tuple[float, ...], ...]
    error_correlation: tuple[tuple[float | None, ...], ...]
    squared_error: Decomposition
    log_loss: Decomposition
    cost: Cost | None = None


def predictions_without_each(
    rule: str,
    holdout: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    seed: int = 0,
    temperature: Temperature = "none",
    earlier: Details | None = None,
    cost: CostSettings = DEFAULT_COST,
) -> np.ndarray | None:
    """Remove one member at a time, and combine the predictions of the other members.

    The rule is fitted again each time.

    Parameters
    ----------
    rule, labels, seed, temperature, earlier, cost
        See `lineup.committee.fitting.fit_rule`. Pass the details of the whole committee as ``earlier``, so that
        ``stacking`` uses the same penalty. A new search after each removal would take twenty times longer.
    holdout : ndarray of float, shape (members, held-out images, classes)
        Predictions on which the rule is fitted.
    probabilities : ndarray of float, shape (members, images, classes)
        Predictions that are combined.

    Returns
    -------
    ndarray of shape (members, images, classes), float32, or None
        The first entry is the prediction without the first member, and so on. None for a single member.

    Examples
    --------
    >>> members = np.array([[[1.0, 0.0]], [[0.25, 0.75]]])
    >>> predictions_without_each("average", members, np.array([0]), members).tolist()
    [[[0.25, 0.75]], [[1.0, 0.0]]]
    """
    if len(holdout) == 1:
        return None
    predictions = []
    for member in range(len(holdout)):
        others = np.delete(holdout, member, axis=0)
        times = cost.for_members([other for other in range(len(holdout)) if other != member])
        fitted = fit_rule(rule, others, labels, seed=seed, temperature=temperature, earlier=earlier, cost=times)
        predictions.append(fitted.apply(np.delete(probabilities, member, axis=0)))
    return np.stack(predictions)


def analyse(
    fitted: FittedRule,
    names: Sequence[str],
    probabilities: np.ndarray,
    labels: np.ndarray,
    without: np.ndarray | None = None,
    cost: Cost | None = None,
) -> Analysis:
    """Analyse the predictions of a committee and its members on test images.

    Parameters
    ----------
    fitted : FittedRule
        Fitted rule of the committee.
    names : sequence of str
        Labels of the members, in order.
    probabilities : ndarray of float, shape (members, images, classes)
        Predictions of the members for the test images. Each row sums to one.
    labels : ndarray of int, shape (images,)
        Actual classes.
    without : ndarray of float, shape (members, images, classes), optional
        Result of `predictions_without_each`. By default, `MemberRole.change_without` is not measured.
    cost : Cost, optional
        Result of `lineup.committee.cost.compare_cost`. Default: None.

    Returns
    -------
    Analysis

    Raises
    ------
    LineupError
        If the shapes do not match, or probabilities or labels are invalid.
    """
    if len(names) != len(probabilities) or (without is not None and without.shape != probabilities.shape):
        raise LineupError(
            f"analysis: {len(names)} names, probabilities of shape {probabilities.shape} and predictions without each"
            f" member of shape {None if without is None else without.shape}: expected the same number of members"
        )
    check_members(probabilities, labels)
    committee = fitted.apply(probabilities)
    right, predicted = committee.argmax(axis=1) == labels, probabilities.argmax(axis=2)
    errors = predicted != labels
    squared_error, log_loss = _decompose(fitted, probabilities, committee, labels)
    return Analysis(
        images=len(labels),
        accuracy=float(right.mean()),
        differing=float((predicted != predicted[0]).any(axis=0).mean()),
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
        disagreement=tuple(tuple(float((one != other).mean()) for other in predicted) for one in predicted),
        error_correlation=_correlation(errors),
        squared_error=squared_error,
        log_loss=log_loss,
        cost=cost,
    )


def _change(without: np.ndarray, labels: np.ndarray, right: np.ndarray) -> float:
    """Return the change in accuracy when a member is removed.

    The change is computed from integer counts, so it is exactly 0 if the accuracies are equal.
    """
    return (int((without.argmax(axis=1) == labels).sum()) - int(right.sum())) / len(labels)


def _correlation(errors: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    """Compute the phi coefficient for each pair of rows.

    The phi coefficient is the Pearson correlation between two binary variables.
    """
    centred = errors - errors.mean(axis=1, keepdims=True)
    deviations = np.sqrt((centred**2).sum(axis=1))
    scales = np.outer(deviations, deviations)
    products = centred @ centred.T
    return tuple(
        tuple(float(np.clip(value / scale, -1, 1)) if scale > 0 else None for value, scale in zip(*row, strict=True))
        for row in zip(products, scales, strict=True)
    )


def _decompose(
    fitted: FittedRule, probabilities: np.ndarray, predictions: np.ndarray, labels: np.ndarray
) -> tuple[Decomposition, Decomposition]:
    """Decompose the squared error and the log loss of a committee.

    The probabilities of each member are first scaled by its temperature. If the rule has no fitted weights, all members
    have the same weight.

    Notes
    -----
    For the squared error the decomposition is exact if the committee is a weighted mean: all rules with weights, and
    the average (A. Krogh, J. Vedelsby, "Neural network ensembles, cross validation, and active learning", NIPS 7,
    1995). For the log loss the ambiguity is the Kullback-Leibler divergence of a member from the committee. The
    decomposition is exact if the committee is the geometric mean (T. Heskes, "Selecting weighting factors in
    logarithmic opinion pools", NIPS 10, 1998; D. Wood et al., "A unified theory of diversity in ensemble learning",
    Journal of Machine Learning Research 24, 2023). By Jensen's inequality the log loss of a weighted mean is at most
    its members' mean, but the difference depends on the labels. A temperature after the rule makes both inexact.
    """
    members = fitted.scale(probabilities).astype(np.float64)
    committee = predictions.astype(np.float64)
    weights = np.array(fitted.parameters.get("weights", [1 / len(members)] * len(members)))
    actual = np.eye(committee.shape[1])[labels]

    def decomposition(own: np.ndarray, each: np.ndarray, apart: np.ndarray) -> Decomposition:
        """Compute the three parts of the committee's error: the mean error of the members, their ambiguity and a
        residual.
        """
        means = [weights @ part.sum(axis=2).mean(axis=1) for part in (each, apart)]
        return Decomposition(float(own.sum(axis=1).mean()), *map(float, means))

    own, each = clipped_logarithms(committee), clipped_logarithms(members)
    return (
        decomposition((committee - actual) ** 2, (members - actual) ** 2, (members - committee) ** 2),
        decomposition(-actual * own, -actual * each, committee * (own - each)),
    )
