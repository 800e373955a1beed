"""Turn the probabilities of several models into one: arrays in, arrays out, nothing fitted here.

``probabilities`` is an array of shape (members, images, classes) whose rows sum to one, and so do the rows of what
comes back, float64 of shape (images, classes). What is summed over the members is sorted first, so that their order
cannot change the last digit.
"""

from __future__ import annotations

import numpy as np

from lineup.evaluation.metrics import CLIP

TIE_SHIFT = 1e-6
"""How much probability `voting_proportion` moves to the winner of a tie: small, yet it survives in float32."""


def average(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean over the members: the committee of report A, the rule "average" of report C.

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
    """Return the weighted mean over the members, the linear opinion pool.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    weights : ndarray of shape (members,)
        From 0 to 1; they sum to one.
    """
    return sum_over_members(weights[:, None, None] * probabilities.astype(np.float64))


def geometric_mean(probabilities: np.ndarray) -> np.ndarray:
    """Return the geometric mean over the members, rows scaled to sum to one: the logarithmic opinion pool.

    A probability below 1e-7 counts as 1e-7, as in the loss of a record: no member can veto a class alone.
    """
    return softmax(np.sort(clipped_logarithms(probabilities), axis=0).mean(axis=0))


def maximum(probabilities: np.ndarray) -> np.ndarray:
    """Return the largest probability that a member gives each class, rows scaled to sum to one: rule of report C."""
    largest = probabilities.max(axis=0).astype(np.float64)
    scaled: np.ndarray = largest / largest.sum(axis=1, keepdims=True)
    return scaled


def count_votes(probabilities: np.ndarray) -> np.ndarray:
    """Count the members that put each class first.

    A member votes for its most probable class, of equals for the lowest.

    Returns
    -------
    ndarray of int64, shape (images, classes)
    """
    first = probabilities.argmax(axis=2)
    votes: np.ndarray = (first[:, :, None] == np.arange(probabilities.shape[2])).sum(axis=0)
    return votes


def winners(probabilities: np.ndarray) -> np.ndarray:
    """Return the class with most votes; ties go to the higher mean probability, then to the lower class.

    Returns
    -------
    ndarray of int64, shape (images,)
    """
    votes = count_votes(probabilities)
    in_front = votes == votes.max(axis=1, keepdims=True)
    winner: np.ndarray = np.where(in_front, average(probabilities), -1.0).argmax(axis=1)
    return winner


def voting_average(probabilities: np.ndarray) -> np.ndarray:
    """Return the mean of those members that voted for the winner: the rule "voting (average)" of report C.

    The winner is that of `winners`, and the most probable class: it is so for each member in the mean.
    """
    voted = probabilities.argmax(axis=2) == winners(probabilities)
    chosen = np.where(voted[:, :, None], probabilities.astype(np.float64), 0.0)
    mean: np.ndarray = sum_over_members(chosen) / voted.sum(axis=0)[:, None]
    return mean


def voting_proportion(probabilities: np.ndarray) -> np.ndarray:
    """Return the share of the votes that each class got: the rule "voting (proportion)" of report C.

    Notes
    -----
    Equal shares would leave a tie to whoever reads them. So of classes that tie for the first place the winner, that
    of `winners`, gets `TIE_SHIFT` from the others together; all other rows are exact.
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
    """Return the winner of the votes as the committee's whole answer.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    confidence : float
        The winner's probability, above 1 / classes; the other classes share the rest alike. How certain the members
        are and by how many votes the winner won play no part.
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
    """Return natural logarithms in which a probability below 1e-7 counts as 1e-7, as in the loss of a record."""
    logarithms: np.ndarray = np.log(np.maximum(probabilities.astype(np.float64), CLIP))
    return logarithms


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
