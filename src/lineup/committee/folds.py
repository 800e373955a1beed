"""Parts of the hold-out: what is fitted on some of its images is judged on the others."""

from __future__ import annotations

import numpy as np

from lineup.errors import LineupError

FOLDS = 5


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal the images out into folds, each class evenly.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Actual classes.
    folds : int
        Number of folds, at least 2.
    seed : int
        Of the order in which the images of a class are dealt.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each image, 0 to ``folds`` - 1. The sizes of the folds, and of each class in them, differ by one
        at most.

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
