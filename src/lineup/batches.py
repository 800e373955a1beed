"""Predict in batches: bounded memory, and one place that knows what no images are predicted as."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PREDICT_BATCH = 1000


def in_batches(predict: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Return the predictions of any number of inputs, computed batch by batch.

    Parameters
    ----------
    predict : callable
        Inputs of shape (n, ...), n at least 1, to predictions of shape (n, ...).
    inputs : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n, ...)
        For no inputs, the columns and type that the predictions of one input have. Not every library takes none.
    """
    if len(inputs) == 0:
        return predict(np.zeros((1, *inputs.shape[1:]), inputs.dtype))[:0]
    starts = range(0, len(inputs), PREDICT_BATCH)
    return np.concatenate([predict(inputs[start : start + PREDICT_BATCH]) for start in starts])
