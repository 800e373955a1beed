"""Divide the held-out images into folds for cross-validation.

Examples
--------
>>> sorted(stratified_folds(np.array([0, 0, 1, 1]), folds=2, seed=1).tolist())
[0, 0, 1, 1]
"""

from __future__ import annotations

import numpy as np

from lineup.errors import LineupError

FOLDS = 5


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Assign each image to a fold, so that each class is spread evenly over the folds.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Actual classes.
    folds : int
        Number of folds, at least 2.
    seed : int
        Seed of the random assignment.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each image, 0 to ``folds`` - 1. The sizes of the folds differ by at most one. The number of images
        of a class also differs by at most one between folds.

    Raises
    ------
    LineupError
        If there are fewer images than folds or fewer than two folds.
    """
    if not 2 <= folds <= len(labels):
        raise LineupError(f"committee: {len(labels)} held-out images cannot be divided into {folds} folds")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold
