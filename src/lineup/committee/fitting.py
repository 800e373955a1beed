"""Fit the rule of a committee on held-out images, and combine predictions with the fitted rule.

A rule is fitted only on held-out images and never on test images. Use only images that were not used to train any
member.

Examples
--------
>>> members = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.75, 0.25], [0.75, 0.25]]])
>>> fitted = fit_rule("weighted_accuracy", members, np.array([0, 1]))
>>> [round(weight, 3) for weight in fitted.weights]
[0.667, 0.333]
>>> fitted.apply(members).argmax(axis=1).tolist()
[0, 1]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lineup.committee.cascade import PredictRows, evaluate_in_steps
from lineup.committee.folds import FOLDS, stratified_folds
from lineup.committee.rules import (
    DEFAULT_COST,
    RULES,
    SHAPES,
    Arrays,
    CostSettings,
    Details,
    combine,
    find_rule,
    single_precision,
)
from lineup.committee.temperature import TEMPERATURE_LIMITS, apply_temperature, fit_temperature
from lineup.errors import LineupError
from lineup.evaluation.scores import check_members

Temperature = Literal["none", "before", "after", "both"]
"""Which temperatures are fitted: one for each member before the rule, one for the committee after the rule, or both."""

LARGEST = 1e6
"""Maximum coefficient. Valid fits are far below it, and larger values could overflow."""

MOST = 1000
"""Maximum number of members and of classes."""

_BEFORE, _AFTER = ("before", "both"), ("after", "both")


@dataclass(frozen=True)
class FittedRule:
    """Fitted rule that combines the predictions of several members.

    Parameters
    ----------
    rule : str
        A key of `RULES`.
    members, classes : int
        Numbers of members and classes. Predictions must list the members in the same order as in the fit.
    parameters : dict of str to float or nested lists of float, optional
        All parameters of the rule. Default: no parameters.
    before : list of float, optional
        Temperatures of the members. Default: None.
    after : float, optional
        Temperature of the committee. Default: None.
    details : dict of str to float, optional
        Numbers that describe the fit. Predictions do not depend on them. Default: no details.

    Raises
    ------
    LineupError
        If the rule or a parameter is unknown, a parameter is missing or has another shape, or a number is outside its
        limits.
    """

    rule: str
    members: int
    classes: int
    parameters: dict[str, Any] = field(default_factory=dict)
    before: list[float] | None = None
    after: float | None = None
    details: Details = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_fitted(self)

    def scale(self, probabilities: np.ndarray) -> np.ndarray:
        """Apply the temperature of each member to its probabilities.

        Without fitted temperatures, the probabilities do not change.
        """
        return _scale(probabilities, self.before)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the committee's predictions.

        Parameters
        ----------
        probabilities : ndarray of shape (members, images, classes)
            Predictions of the members. Rows sum to one. The number of images may be 0.

        Returns
        -------
        ndarray of shape (images, classes), float32
            Rows sum to one.

        Raises
        ------
        LineupError
            If the number of members or classes is not that of the fit.
        """
        shape = probabilities.shape
        if len(shape) != 3 or shape[0] != self.members or shape[2] != self.classes:
            raise LineupError(
                f"committee: probabilities of shape {shape}: expected ({self.members}, images, {self.classes})"
            )
        parameters = {name: np.asarray(value, dtype=np.float64) for name, value in self.parameters.items()}
        return self._finish(RULES[self.rule].apply(self.scale(probabilities), **parameters))

    def apply_lazily(self, predict: PredictRows, images: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the committee's predictions, and evaluate only the members that are needed.

        The first member of a cascade classifies all images. Each later member classifies only the images for which the
        confidence is still too low. With all other rules, every member with a weight above 0 classifies all images.

        Parameters
        ----------
        predict : callable
            Takes the number of a member and the positions of images. Returns the member's probabilities for these
            images, of shape (images, classes).
        images : int
            Number of images.

        Returns
        -------
        predictions : ndarray of shape (images, classes), float32
            As from `apply`.
        each : ndarray of shape (members, images, classes), float32
            Probabilities of the members. NaN where a member was not evaluated.
        """
        shape = self.members, images, self.classes
        each = np.full(shape, np.nan, dtype=np.float32)

        def evaluate(member: int, rows: np.ndarray) -> np.ndarray:
            each[member, rows] = predict(member, rows)
            scaled: np.ndarray = _scale(each[[member]][:, rows], self.before and [self.before[member]])[0]
            return scaled

        if self.rule == "cascade":
            pooled, _ = evaluate_in_steps(evaluate, shape, self.parameters["threshold"])
            return self._finish(pooled), each
        # A member with weight 0 does not affect the mean, but NaN is not allowed, because 0 * NaN is NaN.
        known = np.full(shape, 1 / self.classes, dtype=np.float32)
        for member, weight in enumerate(self.parameters.get("weights", [1.0] * self.members)):
            if weight:
                known[member] = each[member] = predict(member, np.arange(images))
        return self.apply(known), each

    def _finish(self, pooled: np.ndarray) -> np.ndarray:
        """If the rule has a temperature, apply it to the combined probabilities."""
        return single_precision(pooled if self.after is None else apply_temperature(pooled, self.after))

    @property
    def weights(self) -> list[float]:
        """Weights of the members.

        If the rule has no weights, all members have the same weight.

        Notes
        -----
        For stacking, the weight of a member is the mean of the coefficients that connect the probability of a class
        with the score of the same class, minus the mean of its other coefficients. The weights can be negative, and
        their sum can differ from one.
        """
        if "weights" in self.parameters:
            return list(self.parameters["weights"])
        if "coefficients" not in self.parameters:
            return [1 / self.members] * self.members
        coefficients = np.asarray(self.parameters["coefficients"])
        own = np.trace(coefficients, axis1=1, axis2=2)
        others = (coefficients.sum(axis=(1, 2)) - own) / (self.classes - 1)
        return [float(weight) for weight in (own - others) / self.classes]

    def to_json(self) -> dict[str, Any]:
        """Convert the rule to values that can be stored in JSON without loss of precision."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> FittedRule:
        """Create a fitted rule from the values that `to_json` returns.

        Raises
        ------
        LineupError
            If the values do not have this format. The message names the wrong part.
        """
        names = [f.name for f in dataclasses.fields(cls)]
        if not isinstance(values, dict) or set(values) != set(names):
            found = sorted(map(str, values)) if isinstance(values, dict) else type(values).__name__
            raise LineupError(f"fitted rule: expected {', '.join(names)}; found {found}")
        return cls(**values)


def fit_rule(
    rule: str,
    probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    temperature: Temperature = "none",
    earlier: Details | None = None,
    cost: CostSettings = DEFAULT_COST,
) -> FittedRule:
    """Fit the parameters of a rule on held-out images.

    Parameters
    ----------
    rule : str
        A key of `RULES`.
    probabilities : ndarray of float, shape (members, images, classes)
        Predictions of the members for images that none of them was trained on. Rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.
    seed : int, optional
        Seed of bags and folds. Default 0.
    temperature : {"none", "before", "after", "both"}, optional
        Fit a temperature for each member, for the committee, or both. Default "none".
    earlier : dict of str to float, optional
        Details of the fit of a similar committee, whose penalty ``stacking`` uses instead of a search. Default: None.
    cost : CostSettings, optional
        Settings for the rules ``cascade`` and ``greedy``. Default: the default settings, without prediction times.

    Returns
    -------
    FittedRule

    Raises
    ------
    LineupError
        If probabilities or labels are invalid, or there are too few images for this rule.

    Notes
    -----
    The members are sorted by the bytes of their probabilities before the fit, so that the order of the members does
    not affect rounding. For a rule that depends on the order, the members are not sorted.

    The temperature after a rule is fitted on the predictions of `cross_fitted`, because predictions for the images
    that the rule was fitted on are too good.
    """
    _check_holdout(probabilities, labels)
    order = np.arange(len(probabilities))
    if not find_rule(rule).ordered:
        order = np.array(sorted(order, key=lambda member: probabilities[member].tobytes()))
    back = np.argsort(order)
    before, after = None, None
    if temperature in _BEFORE:
        before = [fit_temperature(member, labels) for member in probabilities]
    parameters: Arrays = {}
    details: Details = {}
    if fit := find_rule(rule).fit:
        scaled = _scale(probabilities, before)[order]
        parameters, details = fit(scaled, labels, seed, earlier or {}, cost.for_members(order.tolist()))
    if temperature in _AFTER:
        inner = _without_after(temperature)
        predictions = cross_fitted(
            rule, probabilities, labels, seed=seed, temperature=inner, earlier=earlier, cost=cost
        )
        after = fit_temperature(predictions, labels)
    plain = {
        name: (value[back] if SHAPES[name][:1] == ("members",) else value).tolist()
        for name, value in parameters.items()
    }
    return FittedRule(rule, len(probabilities), probabilities.shape[2], plain, before, after, details)


def cross_fitted(
    rule: str,
    probabilities: np.ndarray,
    labels: np.ndarray,
    *,
    folds: int = FOLDS,
    seed: int = 0,
    temperature: Temperature = "none",
    earlier: Details | None = None,
    cost: CostSettings = DEFAULT_COST,
) -> np.ndarray:
    """Return cross-validated predictions of a committee for the held-out images.

    For each image, the rule is fitted on the folds that do not contain this image. The validation metrics of a
    committee are based on cross-validated predictions. If the rule has no parameters to fit, no cross-validation is
    needed.

    Parameters
    ----------
    rule, probabilities, labels, seed, temperature, earlier, cost
        See `fit_rule`.
    folds : int, optional
        Number of folds. Default 5.

    Returns
    -------
    ndarray of shape (images, classes), float32
        Rows sum to one.

    Raises
    ------
    LineupError
        See `fit_rule`. Also if there are fewer images than folds.

    Notes
    -----
    The temperature after the rule is fitted for each fold on the cross-validated predictions of the other folds. The
    rules of the other folds were fitted on the labels of this fold, so the temperature depends on these labels
    indirectly. The effect on a single number is too small to measure, so the rules are not fitted again in every fold.
    """
    _check_holdout(probabilities, labels)
    if not find_rule(rule).fit and temperature == "none":
        return combine(rule, probabilities)
    fold, inner = stratified_folds(labels, folds, seed), _without_after(temperature)
    predictions = np.empty(probabilities.shape[1:], dtype=np.float32)
    for part in range(folds):
        out = fold == part
        fitted = fit_rule(
            rule, probabilities[:, ~out], labels[~out], seed=seed, temperature=inner, earlier=earlier, cost=cost
        )
        predictions[out] = fitted.apply(probabilities[:, out])
    if temperature not in _AFTER:
        return predictions
    scaled = np.empty_like(predictions)
    for part in range(folds):
        out = fold == part
        after = fit_temperature(predictions[~out], labels[~out])
        scaled[out] = single_precision(apply_temperature(predictions[out], after))
    return scaled


def _without_after(temperature: Temperature) -> Temperature:
    return "before" if temperature in _BEFORE else "none"


def _scale(probabilities: np.ndarray, temperatures: list[float] | None) -> np.ndarray:
    if temperatures is None:
        return probabilities
    return apply_temperature(probabilities, np.array(temperatures)[:, None, None])


def _check_holdout(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Raise an error if the given predictions cannot be used to fit a rule."""
    try:
        check_members(probabilities, labels)
    except LineupError as error:
        raise LineupError(f"committee: {error}") from error
    if probabilities.shape[2] < 2:
        raise LineupError(f"committee: probabilities of shape {probabilities.shape}: expected at least two classes")


def _check_fitted(fitted: FittedRule) -> None:
    """Raise an error if a fitted rule is invalid."""
    if not isinstance(fitted.rule, str) or fitted.rule not in RULES:
        raise LineupError(f"fitted rule: unknown rule {fitted.rule!r}: expected one of {', '.join(RULES)}")
    for name, least in (("members", 1), ("classes", 2)):
        count = getattr(fitted, name)
        if type(count) is not int or not least <= count <= MOST:
            raise LineupError(f"fitted rule: {name} = {count!r}: expected a whole number from {least} to {MOST}")
    expected = RULES[fitted.rule].parameters
    if not isinstance(fitted.parameters, dict) or set(fitted.parameters) != set(expected):
        found = sorted(map(str, fitted.parameters)) if isinstance(fitted.parameters, dict) else fitted.parameters
        raise LineupError(f"fitted rule: {fitted.rule} has parameters {list(expected)}; found {found!r}")
    sizes = {"members": fitted.members, "classes": fitted.classes}
    limits = {"weights": (0.0, 1.0), "confidence": (1 / fitted.classes, 1.0), "threshold": (0.0, 1.0)}
    for name in expected:
        shape = tuple(sizes[axis] for axis in SHAPES[name])
        values = _numbers(name, fitted.parameters[name], shape, *limits.get(name, (-LARGEST, LARGEST)))
        if name == "weights" and abs(values.sum() - 1) > 1e-9:
            raise LineupError(f"fitted rule: the weights sum to {values.sum():.9g}; expected 1")
    if fitted.before is not None:
        _numbers("before", fitted.before, (fitted.members,), *TEMPERATURE_LIMITS)
    if fitted.after is not None:
        _numbers("after", fitted.after, (), *TEMPERATURE_LIMITS)
    if not isinstance(fitted.details, dict) or not all(isinstance(name, str) for name in fitted.details):
        raise LineupError(f"fitted rule: details: expected numbers by name, found {fitted.details!r}")
    for name, value in fitted.details.items():
        _numbers(name, value, (), -np.inf, np.inf)


def _numbers(name: str, value: Any, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Convert numbers to an array, and check the shape and the range of the array."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise LineupError(f"fitted rule: {name}: lists of unequal lengths") from error
    if array.dtype.kind not in "iuf" or array.shape != shape:
        raise LineupError(f"fitted rule: {name}: expected numbers of shape {shape}, found {array.dtype} {array.shape}")
    if not (np.isfinite(array) & (array >= low) & (array <= high)).all():
        raise LineupError(f"fitted rule: {name}: expected finite numbers from {low:g} to {high:g}")
    return array
