"""Fit a committee's rule on held-out images, and answer by what was fitted.

The functions take arrays of the hold-out and nothing else: they never see a test image. Which images all members have
held out is for the caller to know.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lineup.committee.folds import FOLDS, stratified_folds
from lineup.committee.rules import RULES, SHAPES, Arrays, Details, combine, find_rule, single_precision
from lineup.committee.temperature import TEMPERATURE_LIMITS, apply_temperature, fit_temperature
from lineup.errors import LineupError
from lineup.evaluation.scores import check_members

Temperature = Literal["none", "before", "after", "both"]
"""Which temperatures are fitted: one of each member, one of the committee's answer."""

LARGEST = 1e6
"""No coefficient of a sound fit comes near this; larger ones would overflow."""

MOST = 1000
"""Members and classes that a fitted rule may have."""

_BEFORE, _AFTER = ("before", "both"), ("after", "both")


@dataclass(frozen=True)
class FittedRule:
    """A rule with everything that was fitted for it: a function of the members' probabilities.

    Parameters
    ----------
    rule : str
        A key of `RULES`.
    members, classes : int
        How many of each the probabilities must have. The members' order is that of the fit.
    parameters : dict of str to float or nested lists of float, optional
        Exactly those of the rule. Default: none.
    before : list of float, optional
        The members' temperatures. Default: none.
    after : float, optional
        Temperature of the committee's answer. Default: none.
    details : dict of str to float, optional
        How the fit went; no answer depends on it. Default: nothing.

    Raises
    ------
    LineupError
        If the rule is unknown, a parameter is missing, too many or of another shape, or a number out of its limits.
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
        """Return the members' probabilities at their temperatures, (members, images, classes), float64."""
        return _scale(probabilities, self.before)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the committee's answers.

        Parameters
        ----------
        probabilities : ndarray of shape (members, images, classes)
            Rows sum to one; there may be no images.

        Returns
        -------
        ndarray of shape (images, classes), float32
            Rows sum to one.

        Raises
        ------
        LineupError
            If it has another number of members or classes than the fit.
        """
        shape = probabilities.shape
        if len(shape) != 3 or shape[0] != self.members or shape[2] != self.classes:
            raise LineupError(
                f"committee: probabilities of shape {shape}: expected ({self.members}, images, {self.classes})"
            )
        parameters = {name: np.asarray(value, dtype=np.float64) for name, value in self.parameters.items()}
        pooled = RULES[self.rule].apply(self.scale(probabilities), **parameters)
        return single_precision(pooled if self.after is None else apply_temperature(pooled, self.after))

    @property
    def weights(self) -> list[float]:
        """How much each member counts: its fitted weight, or an equal share where the rule treats all alike.

        Of stacking it is the weight in the logarithmic pool that is nearest: how much more a member's log-probability
        of a class adds to the score of that class than to the others', on average over the classes. These weights may
        be negative and need not sum to one.
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
        """Return plain values, as JSON holds them without loss."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> FittedRule:
        """Return what `to_json` wrote, from a file that may be anyone's.

        Raises
        ------
        LineupError
            If it is not exactly of this format; the line names what is wrong.
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
    former: Details | None = None,
) -> FittedRule:
    """Fit what a rule needs on held-out images.

    Parameters
    ----------
    rule : str
        A key of `RULES`.
    probabilities : ndarray of float, shape (members, images, classes)
        The members' answers on images that none of them was trained on; rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.
    seed : int, optional
        Of bags and folds. Default 0.
    temperature : {"none", "before", "after", "both"}, optional
        Fit a temperature for each member, for the committee's answer, or both. Default "none".
    former : dict of str to float, optional
        The details of a fit of much the same committee, of which the strength of the penalty of ``stacking`` is taken
        over. Default: nothing is.

    Returns
    -------
    FittedRule

    Raises
    ------
    LineupError
        If the probabilities or labels are not such, or there are too few images for this rule.

    Notes
    -----
    The members are taken in an order of their own, that of their numbers, so that the same members in another order
    get the same parameters bit for bit, bags included.

    The temperature after a rule is fitted on answers of `cross_fitted`: those on the very images that the rule was
    fitted on are too good.
    """
    _check_holdout(probabilities, labels)
    order = np.array(sorted(range(len(probabilities)), key=lambda member: probabilities[member].tobytes()))
    back = np.argsort(order)
    before, after = None, None
    if temperature in _BEFORE:
        before = [fit_temperature(member, labels) for member in probabilities]
    parameters: Arrays = {}
    details: Details = {}
    if fit := find_rule(rule).fit:
        parameters, details = fit(_scale(probabilities, before)[order], labels, seed, former or {})
    if temperature in _AFTER:
        inner = _without_after(temperature)
        answers = cross_fitted(rule, probabilities, labels, seed=seed, temperature=inner, former=former)
        after = fit_temperature(answers, labels)
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
    former: Details | None = None,
) -> np.ndarray:
    """Return a committee's answers on the held-out images, each by a rule that was not fitted on that image.

    This is what a committee's validation score is made of. Where nothing is fitted these are its plain answers.

    Parameters
    ----------
    rule, probabilities, labels, seed, temperature, former
        As of `fit_rule`.
    folds : int, optional
        Number of parts; the rule is fitted anew for each, on the others. Default 5.

    Returns
    -------
    ndarray of shape (images, classes), float32
        Rows sum to one.

    Raises
    ------
    LineupError
        See `fit_rule`; also if there are fewer images than folds.

    Notes
    -----
    The temperature behind the rule is fitted for each part on the answers in the other parts, which are cross-fitted
    themselves. So a part's labels have a share in its own temperature, by way of the rules of the others; with one
    number fitted this is far below what can be measured, and it saves fitting every rule in every part again.
    """
    _check_holdout(probabilities, labels)
    if not find_rule(rule).fit and temperature == "none":
        return combine(rule, probabilities)
    fold, inner = stratified_folds(labels, folds, seed), _without_after(temperature)
    answers = np.empty(probabilities.shape[1:], dtype=np.float32)
    for part in range(folds):
        out = fold == part
        fitted = fit_rule(rule, probabilities[:, ~out], labels[~out], seed=seed, temperature=inner, former=former)
        answers[out] = fitted.apply(probabilities[:, out])
    if temperature not in _AFTER:
        return answers
    tempered = np.empty_like(answers)
    for part in range(folds):
        out = fold == part
        after = fit_temperature(answers[~out], labels[~out])
        tempered[out] = single_precision(apply_temperature(answers[out], after))
    return tempered


def _without_after(temperature: Temperature) -> Temperature:
    return "before" if temperature in _BEFORE else "none"


def _scale(probabilities: np.ndarray, temperatures: list[float] | None) -> np.ndarray:
    if temperatures is None:
        return probabilities
    return apply_temperature(probabilities, np.array(temperatures)[:, None, None])


def _check_holdout(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Raise an error if a rule cannot be fitted on these arrays."""
    try:
        check_members(probabilities, labels)
    except LineupError as error:
        raise LineupError(f"committee: {error}") from error
    if probabilities.shape[2] < 2:
        raise LineupError(f"committee: probabilities of shape {probabilities.shape}: expected at least two classes")


def _check_fitted(fitted: FittedRule) -> None:
    """Refuse a rule that could not answer."""
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
    limits = {"weights": (0.0, 1.0), "confidence": (1 / fitted.classes, 1.0)}
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
    """Return plain numbers as an array, if they have this shape and are finite and within the limits."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise LineupError(f"fitted rule: {name}: lists of unequal lengths") from error
    if array.dtype.kind not in "iuf" or array.shape != shape:
        raise LineupError(f"fitted rule: {name}: expected numbers of shape {shape}, found {array.dtype} {array.shape}")
    if not (np.isfinite(array) & (array >= low) & (array <= high)).all():
        raise LineupError(f"fitted rule: {name}: expected finite numbers from {low:g} to {high:g}")
    return array
