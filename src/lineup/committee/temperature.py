"""Temperature scaling: one parameter that changes the confidence of predictions and not the predicted classes.

The scaled probabilities are the softmax of the logits divided by the temperature, which is fitted on held-out labels by
maximum likelihood (C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017).
The logarithms of probabilities equal the logits up to a constant, which has no effect on the softmax. Therefore no
logits are needed.

>>> apply_temperature(np.array([[0.8, 0.2]]), 2.0).round(2).tolist()
[[0.67, 0.33]]
"""

from __future__ import annotations

import math

import numpy as np

from lineup.committee.pooling import softmax

TEMPERATURE_LIMITS = 0.01, 100.0
"""Limits of a fitted temperature. Without them, it would be 0 if all predictions are correct, and may be infinite."""

FLOOR = float(np.finfo(np.float32).tiny)
"""Replaces a probability of 0: the smallest normal float32."""

_STEPS = 100
_FLAT, _STEP = 1e-12, 1e-10


def apply_temperature(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Scale probabilities by a temperature.

    Parameters
    ----------
    probabilities : ndarray of shape (..., classes)
        Rows sum to one.
    temperature : float or ndarray
        Broadcast to the probabilities. Above 1, the confidence decreases; below 1, it increases.

    Returns
    -------
    ndarray of the same shape, float64
        Rows sum to one. The order of the classes by probability does not change.
    """
    return softmax(_logits(probabilities) / temperature)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the lowest log loss within `TEMPERATURE_LIMITS`.

    Parameters
    ----------
    probabilities : ndarray of shape (images, classes)
        Predictions for images that the model was not fitted on; rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    float
        The temperature; 1 if all temperatures give the same loss, as for uniform rows.

    Notes
    -----
    The loss is convex in the inverse temperature b. Its derivative is the mean over the images of the expected logit at
    b minus the logit of the actual class; its second derivative is the mean variance of the logits. Newton's method
    finds the zero of the derivative. If a step leaves the interval that contains the zero, the geometric mean of the
    interval's limits is used instead.
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
