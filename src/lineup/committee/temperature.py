"""Scale the confidence of predictions by a temperature.

Temperature scaling divides the logits by a temperature before the softmax. The predicted classes do not change. The
temperature is fitted by maximum likelihood on held-out images. The logarithms of the probabilities are used as
logits.

Notes
-----
C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017. Logits and
log-probabilities differ only by a constant per image, which does not change the softmax.

Examples
--------
>>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
[[0.667, 0.333]]
"""

from __future__ import annotations

import math

import numpy as np

from lineup.committee.pooling import softmax

TEMPERATURE_LIMITS = 0.01, 100.0
"""Lowest and highest temperature. Without limits, the best temperature would be 0 if all predictions are correct, and
infinite if the predictions are random."""

FLOOR = float(np.finfo(np.float32).tiny)
"""Replacement for a probability of 0: the smallest normal float32."""

_STEPS = 100
_FLAT, _STEP = 1e-12, 1e-10


def apply_temperature(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Scale probabilities by a temperature.

    Parameters
    ----------
    probabilities : ndarray of shape (..., classes)
        Rows sum to one.
    temperature : float or ndarray that broadcasts against them
        A value above 1 lowers the confidence, a value below 1 raises it, and 1 changes nothing.

    Returns
    -------
    ndarray of the same shape, float64
        Rows sum to one. The order of the classes by probability does not change.
    """
    return softmax(_logits(probabilities) / temperature)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature between 0.01 and 100 that gives the lowest log loss.

    Parameters
    ----------
    probabilities : ndarray of shape (images, classes)
        Predictions for images that were not used for fitting. Rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    float
        1 if all temperatures have the same log loss, as for uniform rows.

    Notes
    -----
    The loss is convex in the inverse temperature b. Its slope is the mean over the images of the expected logit at b
    minus the logit of the actual class. Its curvature is the mean variance of the logits. Newton's method finds the
    zero of the slope. A step that leaves the interval that contains the zero is replaced by the geometric mean of the
    bounds.
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
