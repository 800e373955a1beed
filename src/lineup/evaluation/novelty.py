"""Detect images that are unlike the training images.

Examples
--------
>>> random = np.random.default_rng(1)
>>> training, validation = random.normal(0, 1, (200, 4)), random.normal(0, 1, (100, 4))
>>> members = np.full((1, 100, 2), 0.5)
>>> detector = fit_novelty(training, validation, members)
>>> detector.is_novel(np.array([[0.0, 0, 0, 0], [9, 9, 9, 9]]), np.full((1, 2, 2), 0.5)).tolist()
[False, True]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.batches import in_batches

Floats = NDArray[np.floating]

KEPT = 0.95
"""Share of the validation images that are not flagged."""


@dataclass(frozen=True, eq=False)
class NoveltyDetector:
    """Detector of images that are unlike the training images.

    Parameters
    ----------
    references : ndarray of float32, shape (r, pixels)
        Training images.
    distances, uncertainties : ndarray of float, shape (v,)
        `nearest_distances` and `uncertainty` of validation images, in increasing order.
    threshold : float
        Images with a higher score are novel.

    Notes
    -----
    The score joins two statistics as R. A. Fisher joins independent tests (Statistical Methods for Research Workers,
    1932): the sum of the negative logarithms of two shares of the validation images, namely those that are as far from
    the training images, and those whose prediction is as uncertain. The distance needs no model and also sees images
    for which a model is confidently wrong. The uncertainty also sees images that are close to the images of several
    classes.
    """

    references: NDArray[np.float32]
    distances: Floats
    uncertainties: Floats
    threshold: float

    def score(self, images: NDArray[np.generic], members: Floats) -> NDArray[np.float64]:
        """Return the novelty of images. A larger score means that an image is less like the training images.

        Parameters
        ----------
        images : ndarray, shape (n, ...)
            Images with the scale of the training images.
        members : ndarray of float, shape (members, n, k)
            Class probabilities of each member of a committee, or of one model.
        """
        distances = nearest_distances(images, self.references)
        return _fisher(self.distances, distances) + _fisher(self.uncertainties, uncertainty(members))

    def is_novel(self, images: NDArray[np.generic], members: Floats) -> NDArray[np.bool_]:
        """For each image, return whether it is unlike the training images. See `score` for the parameters."""
        return self.score(images, members) > self.threshold


def fit_novelty(
    training: NDArray[np.generic], validation: NDArray[np.generic], members: Floats, kept: float = KEPT
) -> NoveltyDetector:
    """Create a detector, and choose its threshold on validation images.

    Parameters
    ----------
    training : ndarray, shape (r, ...)
        Training images, at least one.
    validation : ndarray, shape (v, ...)
        Validation images, at least one.
    members : ndarray of float, shape (members, v, k)
        Class probabilities of each member for the validation images.
    kept : float, optional
        Fraction of the validation images that are not flagged. Default 0.95.
    """
    references = _flat(training)
    distances, uncertainties = nearest_distances(validation, references), uncertainty(members)
    detector = NoveltyDetector(references, np.sort(distances), np.sort(uncertainties), np.inf)
    scores = _fisher(detector.distances, distances) + _fisher(detector.uncertainties, uncertainties)
    threshold = float(np.quantile(scores, kept, method="higher"))
    return NoveltyDetector(references, detector.distances, detector.uncertainties, threshold)


def uncertainty(members: Floats) -> NDArray[np.float64]:
    """Compute the uncertainty of predictions, in nats.

    Parameters
    ----------
    members : ndarray of float, shape (members, n, k)
        Class probabilities.

    Returns
    -------
    ndarray of float64, shape (n,)
        For a single model, the entropy of its probabilities. For a committee, the mutual information of class and
        member, which is the entropy of the mean minus the mean of the entropies: it is high if the members are certain
        of different classes (N. Houlsby et al., arXiv:1112.5745).

    Examples
    --------
    >>> certain, torn = [[1.0, 0.0]], [[0.0, 1.0]]
    >>> uncertainty(np.array([certain, torn])).round(3).tolist(), uncertainty(np.array([certain])).tolist()
    ([0.693], [0.0])
    """
    mean = _entropy(members.astype(np.float64).mean(axis=0))
    return mean if len(members) == 1 else np.maximum(mean - _entropy(members).mean(axis=0), 0)


def nearest_distances(images: NDArray[np.generic], references: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the Euclidean distance from each image to its nearest reference image.

    Parameters
    ----------
    images : ndarray, shape (n, ...)
    references : ndarray of float32, shape (r, pixels)
    """
    squares = (references**2).sum(axis=1)

    def nearest(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        smallest = (squares - 2 * batch @ references.T).min(axis=1)
        # Rounding can make the distance of equal images slightly negative.
        distances: NDArray[np.float32] = np.sqrt(np.maximum(smallest + (batch**2).sum(axis=1), 0))
        return distances

    return in_batches(nearest, _flat(images))


def _flat(images: NDArray[np.generic]) -> NDArray[np.float32]:
    # NumPy cannot infer the number of pixels if there are no images.
    return images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)


def _entropy(probabilities: Floats) -> NDArray[np.float64]:
    """Return the entropy of each row in nats."""
    exact = probabilities.astype(np.float64)
    entropy: NDArray[np.float64] = -(exact * np.log(np.maximum(exact, 1e-12))).sum(axis=-1)
    return np.maximum(entropy, 0)


def _fisher(validation: Floats, values: Floats) -> NDArray[np.float64]:
    """Compute the fraction of validation images with an equal or larger value. Return its negative logarithm.

    The number of these images is increased by one, so that the fraction is never zero.
    """
    larger = len(validation) - np.searchsorted(validation, values, side="left")
    share: NDArray[np.float64] = -np.log((larger + 1) / (len(validation) + 1))
    return share
