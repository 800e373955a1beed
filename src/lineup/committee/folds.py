"""Split the held-out images into folds for cross-validation.

>>> sorted(stratified_folds(np.array([0, 0, 1, 1]), 2, seed=1).tolist())
[0, 0, 1, 1]
"""

from __future__ import annotations

import numpy as np

from lineup.errors import LineupError

FOLDS = 5


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Assign the images to folds, with the same number of images of each class in each fold.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Actual classes.
    folds : int
        Number of folds, at least 2.
    seed : int
        Seed of the order of the images within a class.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each image, from 0 to ``folds`` - 1. The folds differ by at most one image, and so does each class
        in them.

    Raises
    ------
    LineupError
        If there are fewer images than folds, or fewer than two folds.
    """
    if not 2 <= folds <= len(labels):
        raise LineupError(f"committee: {len(labels)} held-out images cannot be parted into {folds} folds")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % folds
    return fold
