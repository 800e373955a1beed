"""Combine the probabilities of several models, without fitting anything.

The functions take ``probabilities`` of shape (members, images, classes), whose rows sum to one. They return float64
arrays of shape (images, classes), whose rows sum to one too. Terms are sorted before they are summed over the members,
so that the order of the members does not change the last digit.

>>> average(np.array([[[0.9, 0.1]], [[0.5, 0.5]]])).round(2).tolist()
[[0.7, 0.3]]
"""

from __future__ import annotations

import numpy as np

from lineup.evaluation.metrics import CLIP

TIE_SHIFT = 1e-6
"""Probability that `voting_proportion` adds to the winner of a tie: small, but not lost in float32."""


def average(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean over the members (committee of report A, rule "average" of report C).

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.

    Returns
    -------
    ndarray of shape (images, classes), float64
        Rows sum to one.
    """
    mean: np.ndarray = np.sort(probabilities.astype(np.float64), axis=0).mean(axis=0)
    return mean


def weighted_average(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean over the members (linear opinion pool).

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    weights : ndarray of shape (members,)
        From 0 to 1; they sum to one.
    """
    return sum_over_members(weights[:, None, None] * probabilities.astype(np.float64))


def geometric_mean(probabilities: np.ndarray) -> np.ndarray:
    """Return the geometric mean over the members, with rows scaled to sum to one (logarithmic opinion pool).

    Probabilities below 1e-7 are set to 1e-7, as in the loss of a record, so that no single member can exclude a class.
    """
    return softmax(np.sort(clipped_logarithms(probabilities), axis=0).mean(axis=0))


def maximum(probabilities: np.ndarray) -> np.ndarray:
    """Return the maximum over the members, with rows scaled to sum to one (a rule of report C)."""
    largest = probabilities.max(axis=0).astype(np.float64)
    scaled: np.ndarray = largest / largest.sum(axis=1, keepdims=True)
    return scaled


def count_votes(probabilities: np.ndarray) -> np.ndarray:
    """Count the votes for each class.

    A member votes for its most probable class. Ties go to the lowest index.

    Returns
    -------
    ndarray of int64, shape (images, classes)
    """
    first = probabilities.argmax(axis=2)
    votes: np.ndarray = (first[:, :, None] == np.arange(probabilities.shape[2])).sum(axis=0)
    return votes


def winners(probabilities: np.ndarray) -> np.ndarray:
    """Return the class with most votes. Ties go to the higher mean probability, then to the lower index.

    Returns
    -------
    ndarray of int64, shape (images,)
    """
    votes = count_votes(probabilities)
    in_front = votes == votes.max(axis=1, keepdims=True)
    winner: np.ndarray = np.where(in_front, average(probabilities), -1.0).argmax(axis=1)
    return winner


def voting_average(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean over the members that voted for the winner (rule "voting (average)" of report C).

    `winners` returns the winner. It is also the most probable class of the mean, because each of these members predicts
    it.
    """
    voted = probabilities.argmax(axis=2) == winners(probabilities)
    chosen = np.where(voted[:, :, None], probabilities.astype(np.float64), 0.0)
    mean: np.ndarray = sum_over_members(chosen) / voted.sum(axis=0)[:, None]
    return mean


def voting_proportion(probabilities: np.ndarray) -> np.ndarray:
    """Return the share of the votes for each class (rule "voting (proportion)" of report C).

    Notes
    -----
    If several classes have the most votes, `TIE_SHIFT` is moved from the others to the class of `winners`, so that one
    class has the highest probability. All other rows are exact.
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
    """Return a fixed probability for the class with most votes, and equal ones for all other classes.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    confidence : float
        Probability of the class with most votes, above 1 / classes. It depends neither on the members' confidence nor
        on the number of votes.
    """
    images, classes = probabilities.shape[1:]
    answers = np.full((images, classes), (1 - confidence) / (classes - 1))
    answers[np.arange(images), winners(probabilities)] = confidence
    return answers


def sum_over_members(terms: np.ndarray) -> np.ndarray:
    """Sum the first axis in sorted order, so that the order of the members cannot change the last digit."""
    total: np.ndarray = np.sort(terms, axis=0).sum(axis=0)
    return total


def clipped_logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Return natural logarithms. Probabilities below 1e-7 are set to 1e-7, as in the loss of a record."""
    logarithms: np.ndarray = np.log(np.maximum(probabilities.astype(np.float64), CLIP))
    return logarithms


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
