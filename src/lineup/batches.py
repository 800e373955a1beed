"""Predict in batches to limit memory use.

Examples
--------
>>> in_batches(lambda batch: batch.mean(axis=1), np.ones((2500, 4))).shape
(2500,)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PREDICT_BATCH = 250
"""Number of images per batch. The feature maps of a small batch fit into the cache of the CPU (see
``benchmarks/batches.py``).
"""


def in_batches(predict: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Compute predictions in batches, for any number of inputs.

    Parameters
    ----------
    predict : callable
        Function that maps inputs of shape (n, ...) to predictions of shape (n, ...), where n is at least 1.
    inputs : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of shape (n, ...)
        Predictions of all inputs. Without inputs, an empty array with the same columns and type.
    """
    if len(inputs) == 0:
        # Some libraries do not accept empty inputs.
        return predict(np.zeros((1, *inputs.shape[1:]), inputs.dtype))[:0]
    starts = range(0, len(inputs), PREDICT_BATCH)
    return np.concatenate([predict(inputs[start : start + PREDICT_BATCH]) for start in starts])
