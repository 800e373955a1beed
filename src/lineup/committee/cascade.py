"""Evaluate the members of a committee one after another, until the confidence is above a threshold.

The predictions of the evaluated members are averaged. The confidence is the highest mean probability. The first member
classifies all images. Each further member classifies only images for which the confidence is still not above the
threshold. The prediction for an image is the mean prediction of the members that classified this image.

Notes
-----
P. Viola and M. Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001, made cascades
popular. X. Wang, D. Kondratyuk, E. Christiansen, K. M. Kitani, Y. Movshovitz-Attias, E. Eban, "Wisdom of committees: an
overlooked approach to faster and more accurate models", ICLR 2022, use cascades of networks that average the
predictions of the evaluated members.

Examples
--------
>>> members = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]])
>>> apply_cascade(members, threshold=0.75).tolist()
[[1.0, 0.0], [0.25, 0.75]]
>>> count_evaluated(members, threshold=0.75).tolist()
[1, 2]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ACCURACY_LOSS = 0.001
"""Default for the accuracy on held-out images that a cascade may lose compared with the mean of all members."""

PredictRows = Callable[[int, np.ndarray], np.ndarray]
"""Takes the number of a member and the positions of images. Returns probabilities (images, classes)."""


def evaluate_in_steps(
    predict: PredictRows, shape: tuple[int, int, int], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each image, evaluate the members one after another until the confidence is above a threshold.

    Parameters
    ----------
    predict : callable
        See `PredictRows`. It is never called with an empty array of positions.
    shape : tuple of int
        Numbers of members, images and classes.
    threshold : float
        From 0 to 1. If the confidence is above the threshold, no further member is evaluated.

    Returns
    -------
    combined : ndarray of float64, shape (images, classes)
        Mean of the evaluated members.
    evaluated : ndarray of int, shape (images,)
        Number of evaluated members, which are always the first ones.
    """
    members, images, classes = shape
    combined, evaluated = np.empty((images, classes)), np.zeros(images, dtype=np.int64)
    unsure, total = np.arange(images), np.zeros((images, classes))
    for member in range(members):
        if not unsure.size:
            break
        total = total + predict(member, unsure)
        mean = total / (member + 1)
        combined[unsure], evaluated[unsure] = mean, member + 1
        below = _confidence(mean) <= threshold
        unsure, total = unsure[below], total[below]
    return combined, evaluated


def apply_cascade(probabilities: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Compute the predictions of a cascade from the predictions of all members.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. The order of the members matters.
    threshold : float
        See `evaluate_in_steps`.

    Returns
    -------
    ndarray of shape (images, classes), float64
        Rows sum to one.
    """
    return _evaluate_known(probabilities, threshold)[0]


def count_evaluated(probabilities: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """For each image, return how many members a cascade evaluates.

    Parameters
    ----------
    probabilities, threshold
        See `apply_cascade`.

    Returns
    -------
    ndarray of int, shape (images,)
    """
    return _evaluate_known(probabilities, threshold)[1]


def fit_threshold(probabilities: np.ndarray, labels: np.ndarray, accuracy_loss: float) -> float:
    """Find the threshold of a cascade.

    This is the lowest threshold at which the cascade is about as accurate as the mean of all members.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Predictions for held-out images. Rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.
    accuracy_loss : float
        Accuracy that the cascade may lose on these images, from 0 to 1.

    Returns
    -------
    float
        From 0 to 1. With this threshold and with every higher one, the loss is at most ``accuracy_loss``. With
        threshold 0, only the first member is evaluated. With threshold 1, all members classify all images.

    Notes
    -----
    The accuracy does not always increase with the threshold. A low threshold can have a high accuracy by chance, so all
    higher thresholds must keep the accuracy, too.

    An image leaves the cascade after step k if the threshold is below the highest confidence of the steps up to k. The
    number of correct predictions therefore changes only at these confidences. They are sorted once, and the changes
    are added up, so that all thresholds are tried.
    """
    counts = np.arange(1, len(probabilities) + 1)[:, None, None]
    means = np.cumsum(probabilities, axis=0, dtype=np.float64) / counts
    correct = (means.argmax(axis=2) == labels).astype(np.int64)
    needed = int(correct[-1].sum()) - accuracy_loss * len(labels) - 1e-9  # the last term allows for rounding
    highest = np.maximum.accumulate(_confidence(means), axis=0)[:-1]
    thresholds, places = np.unique(highest, return_inverse=True)
    changes = np.bincount(places.ravel(), weights=np.diff(correct, axis=0).ravel(), minlength=len(thresholds))
    right = correct[0].sum() + np.concatenate([[0.0], np.cumsum(changes)])
    (too_few,) = np.nonzero(right < needed)
    return float([0.0, *thresholds][too_few[-1] + 1 if too_few.size else 0])


def _confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return the highest probability of each row. Values above 1, which rounding can cause, are set to 1."""
    highest: np.ndarray = np.minimum(probabilities.max(axis=-1), 1.0)
    return highest


def _evaluate_known(probabilities: np.ndarray, threshold: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    members, images, classes = probabilities.shape
    return evaluate_in_steps(
        lambda member, rows: probabilities[member, rows], (members, images, classes), float(threshold)
    )
