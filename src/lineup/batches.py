"""Predict in batches to limit memory use.

Examples
--------
>>> in_batches(lambda batch: np.full(len(batch), len(batch)), np.zeros(5), size=2)
array([2, 2, 2, 2, 1])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PREDICT_BATCH = 1000
"""Number of images per batch."""
NETWORK_BATCH = 250
"""Number of images per batch of a network on a CPU. The feature maps of a larger batch do not fit into the cache of the
CPU (see ``benchmarks/batches.py``). Classical models are slower with small batches.
"""


def in_batches(
    predict: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, size: int = PREDICT_BATCH
) -> np.ndarray:
    """Compute predictions in batches, for any number of inputs.

    Parameters
    ----------
    predict : callable
        Function that maps inputs of shape (n, ...) to predictions of shape (n, ...), where n is at least 1.
    inputs : ndarray of shape (n, ...)
    size : int
        Number of inputs per batch. Default 1000.

    Returns
    -------
    ndarray of shape (n, ...)
        Predictions of all inputs. Without inputs, an empty array with the same columns and type.
    """
    if len(inputs) == 0:
        # Some libraries do not accept empty inputs.
        return predict(np.zeros((1, *inputs.shape[1:]), inputs.dtype))[:0]
    starts = range(0, len(inputs), size)
    return np.concatenate([predict(inputs[start : start + size]) for start in starts])
