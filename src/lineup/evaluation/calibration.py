"""Check class probabilities and measure their calibration.

Examples
--------
>>> probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
>>> round(brier_score(probabilities, labels), 3)
0.05
>>> round(expected_calibration_error(probabilities, labels), 3)
0.15
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError

SUM_TOLERANCE = 1e-3
"""Largest accepted difference between the sum of a row of probabilities and one."""

BINS = 15
"""Number of bins of the calibration error, as in C. Guo et al. (2017)."""

_ROUNDING = 1e-6
"""Largest accepted distance to [0, 1], because rounding can move a mean of probabilities out of this range."""


def check_probabilities(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    """Check that class probabilities and labels are valid.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        One row per image. Values must be finite and from 0 to 1, with a tolerance of 1e-6. The sum of each row must be
        1, with a tolerance of 1e-3.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Raises
    ------
    LineupError
        If a shape, a type or a row is invalid. The message gives the index of the first invalid row.
    """
    if probabilities.ndim != 2 or 0 in probabilities.shape or probabilities.dtype.kind != "f":
        raise LineupError(
            f"probabilities: expected floats of shape (n, k), found {probabilities.dtype} {probabilities.shape}"
        )
    n, k = probabilities.shape
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise LineupError(f"labels: expected integers of shape ({n},), found {labels.dtype} {labels.shape}")
    # A comparison with NaN is false, so NaN is rejected.
    inside: NDArray[np.bool_] = np.all((probabilities >= -_ROUNDING) & (probabilities <= 1 + _ROUNDING), axis=1)
    sums = probabilities.sum(axis=1, dtype=np.float64)
    bad = ~inside | ~(np.abs(sums - 1) <= SUM_TOLERANCE)
    if bad.any():
        row = int(bad.argmax())
        if inside[row]:
            raise LineupError(f"probabilities: row {row} sums to {sums[row]:.6g}; a row must sum to 1")
        raise LineupError(f"probabilities: row {row} has a value outside 0 to 1: {probabilities[row].tolist()}")
    bad = (labels < 0) | (labels >= k)
    if bad.any():
        row = int(bad.argmax())
        raise LineupError(f"labels: row {row} is {labels[row]}; the {k} classes are 0 to {k - 1}")


@dataclass(frozen=True)
class ReliabilityBins:
    """Bins of a reliability diagram, with the mean confidence, the accuracy and the size of each bin.

    The bins are ordered by increasing confidence. The confidence is the probability of the predicted class.

    Attributes
    ----------
    confidence : ndarray of float64, shape (b,)
        Mean confidence of each bin's images.
    accuracy : ndarray of float64, shape (b,)
        Fraction of each bin's images that are classified correctly.
    images : ndarray of int64, shape (b,)
        Number of images of each bin, at least 1.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    images: NDArray[np.int64]


def reliability_bins(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS
) -> ReliabilityBins:
    """Compute the mean confidence and the accuracy in bins of equal size.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one; ties go to the lowest index.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    bins : int, optional
        Number of bins. Default: 15.

    Returns
    -------
    ReliabilityBins
        All bins that contain images. There are at most ``bins`` of them.

    Raises
    ------
    LineupError
        See :func:`check_probabilities`; also if ``bins`` is below 1.

    Notes
    -----
    The bins are adaptive, as in K. Nguyen and B. O'Connor, "Posterior calibration and exploratory analysis for natural
    language processing models", EMNLP 2015, and in J. Nixon et al., "Measuring calibration in deep learning", CVPR
    Workshops 2019. The image with rank r by confidence, from 0, belongs to bin floor(r * bins / n). All images of equal
    confidence belong to the bin of the first of these images. Otherwise, the result would depend on the order of the
    images. Empty bins are dropped.
    """
    check_probabilities(probabilities, labels)
    if bins < 1:
        raise LineupError(f"calibration: {bins} bins; expected at least 1")
    correct = probabilities.argmax(axis=1) == labels
    confidences, group, size = np.unique(probabilities.max(axis=1), return_inverse=True, return_counts=True)
    of_group = (np.cumsum(size) - size) * bins // len(labels)
    filled, of_group = np.unique(of_group, return_inverse=True)
    images = np.bincount(of_group, weights=size, minlength=len(filled))
    right = np.bincount(of_group[group], weights=correct, minlength=len(filled))
    confidence = np.bincount(of_group, weights=size * confidences.astype(np.float64), minlength=len(filled))
    return ReliabilityBins(confidence / images, right / images, images.astype(np.int64))


def expected_calibration_error(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS
) -> float:
    """Compute the expected calibration error (ECE).

    For each bin, the absolute difference between confidence and accuracy is computed. The ECE is the mean of these
    differences, weighted by the sizes of the bins.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one; ties go to the lowest index.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    bins : int, optional
        Number of bins, see :func:`reliability_bins`. Default: 15.

    Returns
    -------
    float
        Error from 0 to 1; lower is better. Even a perfectly calibrated classifier has an error above 0, because the
        number of images is finite.

    Raises
    ------
    LineupError
        See :func:`reliability_bins`.

    Notes
    -----
    The bins are weighted by their number of images, as in M. P. Naeini, G. F. Cooper
    and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015. Only the predicted
    class counts, as in C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    table = reliability_bins(probabilities, labels, bins)
    return float(np.average(np.abs(table.accuracy - table.confidence), weights=table.images))


def brier_score(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Compute the mean squared distance between class probabilities and one-hot labels.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    float
        Mean over the images of the sum over the classes of (p - 1[actual])^2. It is 0 for certain and correct
        predictions, 2 for certain and wrong ones, and 1 - 1 / k if all classes are equally probable. Lower is better.

    Raises
    ------
    LineupError
        See :func:`check_probabilities`.

    Notes
    -----
    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950), 1-3:
    the original definition over all classes, which is twice the common score of two classes.
    """
    check_probabilities(probabilities, labels)
    errors = probabilities.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1
    return float(np.square(errors).sum(axis=1).mean())
