"""Rules that turn the probabilities of several models into one: arrays in, arrays out.

Every rule takes ``probabilities`` of shape (members, images, classes) whose rows sum to one, and returns an array of
shape (images, classes) whose rows do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rule = Callable[[np.ndarray], np.ndarray]


def average(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean over the members: the committee of report A, the rule "average" of report C.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.

    Returns
    -------
    ndarray of shape (images, classes), float64
        Rows sum to one.
    """
    # In double precision and in sorted order, so that the order of the members cannot change the last digit.
    mean: np.ndarray = np.sort(probabilities.astype(np.float64), axis=0).mean(axis=0)
    return mean


RULES: dict[str, Rule] = {"average": average}


def combine(rule: str, probabilities: np.ndarray) -> np.ndarray:
    """Apply a rule by name.

    Parameters
    ----------
    rule : str
        A key of `RULES`.
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.

    Returns
    -------
    ndarray of shape (images, classes), float32

    Raises
    ------
    ValueError
        If the array has not three axes, or the rule is unknown.
    """
    if probabilities.ndim != 3:
        raise ValueError(f"probabilities of shape {probabilities.shape}: expected (members, images, classes)")
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}: expected one of {', '.join(RULES)}")
    return RULES[rule](probabilities).astype(np.float32)
