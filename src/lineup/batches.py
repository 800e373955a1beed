"""Predict in batches, which limits the memory, also for no inputs.

>>> in_batches(lambda batch: batch.mean(axis=1), np.ones((2500, 4))).shape
(2500,)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PREDICT_BATCH = 1000


def in_batches(predict: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Return the predictions of any number of inputs, computed batch by batch.

    Parameters
    ----------
    predict : callable
        From inputs of shape (n, ...), n at least 1, to predictions of shape (n, ...).
    inputs : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n, ...)
        For no inputs, an empty array with the columns and the type of other predictions.
    """
    if len(inputs) == 0:
        # Some libraries do not accept empty inputs.
        return predict(np.zeros((1, *inputs.shape[1:]), inputs.dtype))[:0]
    starts = range(0, len(inputs), PREDICT_BATCH)
    return np.concatenate([predict(inputs[start : start + PREDICT_BATCH]) for start in starts])
