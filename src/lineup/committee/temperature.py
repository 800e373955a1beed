"""Temperature scaling: one number that makes probabilities more or less certain and leaves the answers as they are.

C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017: the softmax of the
logits divided by a temperature, which is fitted by the log-likelihood of held-out labels. The logarithms of a softmax
are its logits but for a constant, which the next softmax takes away again; so the probabilities suffice.
"""

from __future__ import annotations

import math

import numpy as np

from lineup.committee.pooling import softmax

TEMPERATURE_LIMITS = 0.01, 100.0
"""Answers that are all right ask for no temperature at all, and answers by chance for an endless one."""

FLOOR = float(np.finfo(np.float32).tiny)
"""What a probability of 0 counts as: a float32 softmax cannot say less."""

_STEPS = 100
_FLAT, _STEP = 1e-12, 1e-10


def apply_temperature(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Return probabilities at a temperature.

    Parameters
    ----------
    probabilities : ndarray of shape (..., classes)
        Rows sum to one.
    temperature : float or ndarray that broadcasts against them
        Above 1 the answers become less certain, below 1 more; 1 changes nothing.

    Returns
    -------
    ndarray of the same shape, float64
        Rows sum to one, classes in the same order of probability.
    """
    return softmax(_logits(probabilities) / temperature)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature of the lowest log loss, within `TEMPERATURE_LIMITS`.

    Parameters
    ----------
    probabilities : ndarray of shape (images, classes)
        Of images that were used to fit nothing in them; rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    float
        1 where every temperature is as good, as for uniform rows.

    Notes
    -----
    The loss is convex in the inverse temperature b. Its slope is the mean over the images of the expected logit at b
    less the logit of the actual class, its curvature the mean variance of the logits. Newton's method finds where the
    slope is zero; a step out of the interval in which that must be is replaced by the interval's geometric middle.
    """
    logits = _logits(probabilities)
    of_actual = logits[np.arange(len(labels)), labels]
    low, high = (1 / limit for limit in reversed(TEMPERATURE_LIMITS))
    inverse = 1.0
    for _ in range(_STEPS):
        shares = softmax(inverse * logits)
        expected = (shares * logits).sum(axis=1)
        slope = float(np.mean(expected - of_actual))
        if abs(slope) < _FLAT:
            break
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        curvature = float(np.mean((shares * (logits - expected[:, None]) ** 2).sum(axis=1)))
        newton = inverse - slope / curvature if curvature > 0 else low
        previous, inverse = inverse, newton if low < newton < high else math.sqrt(low * high)
        if abs(inverse - previous) < _STEP * previous:
            break
    return 1 / inverse


def _logits(probabilities: np.ndarray) -> np.ndarray:
    logits: np.ndarray = np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
    return logits
