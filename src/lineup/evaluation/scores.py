"""Define a container for the class probabilities and labels of several images.

Examples
--------
>>> scores = Scores(np.array([4, 7]), np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
>>> scores.correct().tolist()
[True, False]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lineup.errors import LineupError
from lineup.evaluation.calibration import check_probabilities


@dataclass(frozen=True, eq=False)
class Scores:
    """Predictions of one or several models, with the labels of the images.

    Parameters
    ----------
    indices : ndarray of int, shape (n,)
        Positions of the images among the training images or among the test images.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    probabilities : ndarray of float, shape (n, k) or (members, n, k)
        Each row sums to one.

    Raises
    ------
    LineupError
        If a shape, a type or a row is wrong. The message names the member and the row, counted from 0.
    """

    indices: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    def __post_init__(self) -> None:
        if self.probabilities.ndim == 3:
            check_members(self.probabilities, self.labels)
        else:
            check_probabilities(self.probabilities, self.labels)
        if self.indices.shape != self.labels.shape or self.indices.dtype.kind not in "iu":
            raise LineupError(
                f"indices: expected integers of shape {self.labels.shape},"
                f" found {self.indices.dtype} {self.indices.shape}"
            )

    def correct(self) -> np.ndarray:
        """Return a mask of the images that are classified correctly.

        Returns
        -------
        ndarray of bool, shape (n,) or (members, n)
            The predicted class is the most probable one; ties go to the lowest index.
        """
        right: np.ndarray = self.probabilities.argmax(axis=-1) == self.labels
        return right


def check_members(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Check that the predictions of all members of a committee are valid.

    Parameters
    ----------
    probabilities : ndarray of float, shape (members, n, k)
        At least one member. Each row sums to one.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Raises
    ------
    LineupError
        See `lineup.evaluation.calibration.check_probabilities`. The message starts with the number of the member.
    """
    if probabilities.ndim != 3 or len(probabilities) == 0:
        raise LineupError(
            f"probabilities: expected the shape (members, images, classes) with at least one member,"
            f" found {probabilities.shape}"
        )
    for number, member in enumerate(probabilities):
        try:
            check_probabilities(member, labels)
        except LineupError as error:
            raise LineupError(f"member {number}: {error}") from error
