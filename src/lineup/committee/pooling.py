"""Combine the class probabilities of several members.

The input has the shape (members, images, classes). The result has the shape (images, classes), and each row sums to
one. The order of the members does not affect the result, because values are sorted before they are added.

Examples
--------
>>> members = np.array([[[0.75, 0.25]], [[0.25, 0.75]], [[1.0, 0.0]]])
>>> voting_average(members).tolist()
[[0.875, 0.125]]
"""

from __future__ import annotations

import numpy as np

from lineup.evaluation.metrics import CLIP

TIE_SHIFT = 1e-6
"""Probability that `voting_proportion` adds to the winner of a tie. Smaller values could be lost in float32."""


def average(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean over the members.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.

    Returns
    -------
    ndarray of shape (images, classes), float64
        Rows sum to one.

    Notes
    -----
    This is the committee of report A and the rule "average" of report C.
    """
    mean: np.ndarray = np.sort(probabilities.astype(np.float64), axis=0).mean(axis=0)
    return mean


def weighted_average(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the weighted mean of the members' probabilities (linear opinion pool).

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    weights : ndarray of shape (members,)
        From 0 to 1, with a sum of one.
    """
    return sum_over_members(weights[:, None, None] * probabilities.astype(np.float64))


def geometric_mean(probabilities: np.ndarray) -> np.ndarray:
    """Compute the geometric mean of the members' probabilities (logarithmic opinion pool).

    Each row of the result is normalised to sum to one. Probabilities below 1e-7 are replaced by 1e-7, as in the log
    loss. Without this minimum, a class would be excluded if a single member gives it the probability 0.
    """
    return softmax(np.sort(clipped_logarithms(probabilities), axis=0).mean(axis=0))


def maximum(probabilities: np.ndarray) -> np.ndarray:
    """Compute the maximum of the members' probabilities, and normalise each row to sum to one.

    Notes
    -----
    This is the rule "maximum" of report C.
    """
    largest = probabilities.max(axis=0).astype(np.float64)
    scaled: np.ndarray = largest / largest.sum(axis=1, keepdims=True)
    return scaled


def count_votes(probabilities: np.ndarray) -> np.ndarray:
    """Count the votes for each class.

    Each member votes for its most probable class. Ties go to the lowest index.

    Returns
    -------
    ndarray of int64, shape (images, classes)
    """
    first = probabilities.argmax(axis=2)
    votes: np.ndarray = (first[:, :, None] == np.arange(probabilities.shape[2])).sum(axis=0)
    return votes


def winners(probabilities: np.ndarray) -> np.ndarray:
    """Return the class with the most votes for each image.

    If several classes have equally many votes, the class with the highest mean probability wins. If the means are also
    equal, the class with the lower index wins.

    Returns
    -------
    ndarray of int64, shape (images,)
    """
    votes = count_votes(probabilities)
    in_front = votes == votes.max(axis=1, keepdims=True)
    winner: np.ndarray = np.where(in_front, average(probabilities), -1.0).argmax(axis=1)
    return winner


def voting_average(probabilities: np.ndarray) -> np.ndarray:
    """Average the probabilities of the members that voted for the winning class.

    Each of these members gives its highest probability to the winning class. This class therefore also has the highest
    mean probability.

    Notes
    -----
    This is the rule "voting (average)" of report C.
    """
    voted = probabilities.argmax(axis=2) == winners(probabilities)
    chosen = np.where(voted[:, :, None], probabilities.astype(np.float64), 0.0)
    mean: np.ndarray = sum_over_members(chosen) / voted.sum(axis=0)[:, None]
    return mean


def voting_proportion(probabilities: np.ndarray) -> np.ndarray:
    """Compute the fraction of the votes for each class.

    Notes
    -----
    This is the rule "voting (proportion)" of report C.

    If several classes have the most votes, `winners` chooses one of them. `TIE_SHIFT` is then moved from the other
    tied classes to the winner, so that the winner is the most probable class. All other rows are exact.
    """
    votes = count_votes(probabilities)
    shares: np.ndarray = votes / len(probabilities)
    in_front = votes == votes.max(axis=1, keepdims=True)
    tied = np.flatnonzero(in_front.sum(axis=1) > 1)
    rivals = in_front[tied]
    won = np.arange(votes.shape[1]) == winners(probabilities)[tied, None]
    rivals &= ~won
    shares[tied] += TIE_SHIFT * (won - rivals / rivals.sum(axis=1, keepdims=True))
    return shares


def majority(probabilities: np.ndarray, confidence: float) -> np.ndarray:
    """Predict the class with the most votes. All images have the same confidence.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    confidence : float
        Probability of the winner, above 1 / classes. The other classes share the rest equally.
    """
    images, classes = probabilities.shape[1:]
    combined = np.full((images, classes), (1 - confidence) / (classes - 1))
    combined[np.arange(images), winners(probabilities)] = confidence
    return combined


def sum_over_members(terms: np.ndarray) -> np.ndarray:
    """Sum the values of all members.

    The order of the members does not affect the result, because values are sorted before they are added.
    """
    total: np.ndarray = np.sort(terms, axis=0).sum(axis=0)
    return total


def clipped_logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Compute the natural logarithm of each probability.

    Probabilities below 1e-7 are replaced by 1e-7, as in the log loss.
    """
    logarithms: np.ndarray = np.log(np.maximum(probabilities.astype(np.float64), CLIP))
    return logarithms


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
