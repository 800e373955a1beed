"""What a set of predictions is worth at each threshold of its probabilities: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.calibration import check_probabilities
from lineup.evaluation.metrics import confusion_counts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SelectiveAccuracy:
    """Accuracy of a classifier that answers only where it is confident, from the fewest answers to all.

    Attributes
    ----------
    confidence : ndarray of float64, shape (t,)
        Falling: an image is answered if the probability of its predicted class is at least this.
    coverage : ndarray of float64, shape (t,)
        Rising: share of the images that are answered; the last is 1.
    accuracy : ndarray of float64, shape (t,)
        Share of the answered images that are classified correctly; the last is the accuracy on all images.
    """

    confidence: Floats
    coverage: Floats
    accuracy: Floats


@dataclass(frozen=True)
class CutoffCurves:
    """Each class against the rest, "yes" where its probability reaches a threshold.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (t,)
        As given.
    accuracy : ndarray of float64, shape (k, t)
        For each class, share of the images with the right answer, yes or no.
    precision : ndarray of float64, shape (k, t)
        For each class, share of the yeses that are right; NaN where there is none.
    recall : ndarray of float64, shape (k, t)
        For each class, share of its images with a yes; NaN if it has no images.
    """

    thresholds: Floats
    accuracy: Floats
    precision: Floats
    recall: Floats

    @property
    def macro_accuracy(self) -> Floats:
        """Mean of the classes' accuracies, shape (t,)."""
        return _mean_of_known(self.accuracy)

    @property
    def macro_precision(self) -> Floats:
        """Mean of the classes' precisions, of those that have one; NaN where none has, shape (t,)."""
        return _mean_of_known(self.precision)

    @property
    def macro_recall(self) -> Floats:
        """Mean of the recalls of the classes that have images, shape (t,)."""
        return _mean_of_known(self.recall)


@dataclass(frozen=True)
class ClassCurve:
    """One class against the rest, at every threshold of its probability.

    Attributes
    ----------
    x, y : ndarray of float64, shape (t,)
        Points of the curve, each from 0 to 1; without points if it is undefined.
    area : float
        Summary of the curve, from 0 to 1; NaN if it is undefined.
    """

    x: Floats
    y: Floats
    area: float


@dataclass(frozen=True)
class ClassCurves:
    """The curve of each class.

    Attributes
    ----------
    curves : tuple of ClassCurve, length k
        In the order of the classes.
    macro : float
        Mean of their areas, of those that are defined; NaN if none is.
    """

    curves: tuple[ClassCurve, ...]
    macro: float


@dataclass(frozen=True)
class ClassRow:
    """How well one class is told from the others.

    Attributes
    ----------
    name : str
        Of the class.
    images : int
        Number of its images.
    precision, recall, f1 : float
        From 0 to 1; one that would divide by zero is 0.
    auc : float
        Area under its ROC curve, see :func:`roc`; NaN if undefined.
    average_precision : float
        Summary of its precision-recall curve, see :func:`precision_recall`; NaN if undefined.
    confused_with : str
        The class that its images are taken for most often, of equals the first; empty if all are recognised.
    confused : int
        Number of its images that are taken for that class.
    """

    name: str
    images: int
    precision: float
    recall: float
    f1: float
    auc: float
    average_precision: float
    confused_with: str
    confused: int


def selective_accuracy(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> SelectiveAccuracy:
    """Return the accuracy on the images that are kept by confidence, against their share.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one, of equals the lowest; its probability is
        the confidence.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    SelectiveAccuracy
        A point for each distinct confidence. Images of equal confidence are kept or left together: to keep some of
        them would make the curve depend on the order of the images.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`.

    Notes
    -----
    The complement of the risk-coverage curve of R. El-Yaniv and Y. Wiener, "On the foundations of noise-free selective
    classification", Journal of Machine Learning Research 11 (2010), 1605-1641, with the softmax response of Y. Geifman
    and R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017, as confidence.
    """
    check_probabilities(probabilities, labels)
    correct = probabilities.argmax(axis=1) == labels
    rising, group, size = np.unique(probabilities.max(axis=1), return_inverse=True, return_counts=True)
    right = np.bincount(group, weights=correct)
    kept = np.cumsum(size[::-1])
    return SelectiveAccuracy(rising[::-1].astype(np.float64), kept / len(labels), np.cumsum(right[::-1]) / kept)


def cutoff_curves(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], thresholds: Sequence[float] | Floats
) -> CutoffCurves:
    """Return accuracy, precision and recall of "the probability of the class is at least the threshold".

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    thresholds : sequence of float, shape (t,)
        In any order; usually from 0 to 1.

    Returns
    -------
    CutoffCurves
        For each class against the rest, and the mean over the classes. At threshold 0 every answer is yes: the recall
        is 1, and accuracy and precision are the share of the class.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`; also if a threshold is not a number.

    Notes
    -----
    The cutoff curves of report C's appendix. Two classes can be above the threshold for one image, or none.
    """
    check_probabilities(probabilities, labels)
    cutoffs = np.asarray(thresholds, dtype=np.float64)
    if cutoffs.ndim != 1 or np.isnan(cutoffs).any():
        raise LineupError(f"cutoff curves: expected numbers as thresholds, found {cutoffs.tolist()}")
    n, k = probabilities.shape
    answered, right = np.empty((k, cutoffs.size)), np.empty((k, cutoffs.size))
    for label in range(k):
        scores = probabilities[:, label].astype(np.float64)
        answered[label] = n - np.searchsorted(np.sort(scores), cutoffs)
        own = np.sort(scores[labels == label])
        right[label] = own.size - np.searchsorted(own, cutoffs)
    images = np.bincount(labels, minlength=k)[:, None]
    wrong = (answered - right) + (images - right)
    return CutoffCurves(cutoffs, 1 - wrong / n, _share(right, answered), _share(right, images))


def roc(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> ClassCurves:
    """Return the receiver operating characteristic of each class against the rest.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    ClassCurves
        ``x`` is the false positive rate and ``y`` the true positive rate, both rising; ``area`` is that under the
        curve, the probability that an image of the class scores higher than one of another class. The curve of a
        class that no image or every image has is undefined.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`.

    Notes
    -----
    scikit-learn's ``roc_curve``; T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006),
    861-874. ``macro`` is ``roc_auc_score`` with ``multi_class="ovr"``.
    """
    from sklearn.metrics import auc, roc_curve

    def curve(actual: NDArray[np.bool_], scores: NDArray[np.floating]) -> ClassCurve:
        if actual.all() or not actual.any():
            return _UNDEFINED
        x, y, _ = roc_curve(actual, scores)
        return ClassCurve(x, y, float(auc(x, y)))

    return _one_vs_rest(probabilities, labels, curve)


def precision_recall(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> ClassCurves:
    """Return precision against recall of each class against the rest.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    ClassCurves
        ``x`` is the recall, falling from 1 to 0, and ``y`` the precision, which ends at 1 by definition; ``area`` is
        the average precision. The curve of a class without images is undefined.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`.

    Notes
    -----
    scikit-learn's ``precision_recall_curve`` and ``average_precision_score``: the sum of the precisions weighted by
    the steps in recall, without interpolation, which would flatter: J. Davis and M. Goadrich, "The relationship
    between precision-recall and ROC curves", ICML 2006.
    """
    from sklearn.metrics import precision_recall_curve

    def curve(actual: NDArray[np.bool_], scores: NDArray[np.floating]) -> ClassCurve:
        if not actual.any():
            return _UNDEFINED
        # What is dropped lies between points of the same recall, where the sum gets nothing.
        precision, recall, _ = precision_recall_curve(actual, scores, drop_intermediate=True)
        return ClassCurve(recall, precision, float(np.sum(-np.diff(recall) * precision[:-1])))

    return _one_vs_rest(probabilities, labels, curve)


def per_class_table(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]
) -> list[ClassRow]:
    """Return how well each class is recognised, and what it is taken for.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one, of equals the lowest.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    classes : sequence of str, length k
        Class names, in the order of the columns.

    Returns
    -------
    list of ClassRow
        In the order of the classes. Precision, recall and F1 are those of
        :func:`lineup.evaluation.metrics.classification_metrics`.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`; also if there are not k names.
    """
    from sklearn.metrics import precision_recall_fscore_support

    counts = confusion_counts(probabilities, labels, len(classes))
    scores = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(len(classes)), zero_division=0
    )
    mistakes = counts - np.diag(np.diag(counts))
    areas = zip(roc(probabilities, labels).curves, precision_recall(probabilities, labels).curves, strict=True)
    rows = []
    for label, (of_roc, of_precision) in enumerate(areas):
        precision, recall, f1 = (float(score[label]) for score in scores[:3])
        confused = int(mistakes[label].max())
        rows.append(
            ClassRow(
                name=classes[label],
                images=int(counts[label].sum()),
                precision=precision,
                recall=recall,
                f1=f1,
                auc=of_roc.area,
                average_precision=of_precision.area,
                confused_with=classes[int(mistakes[label].argmax())] if confused else "",
                confused=confused,
            )
        )
    return rows


# From whether each image has the class, and the probability of the class, to its curve.
_Draw = Callable[[NDArray[np.bool_], NDArray[np.floating]], ClassCurve]

_UNDEFINED = ClassCurve(np.empty(0), np.empty(0), float("nan"))


def _one_vs_rest(probabilities: NDArray[np.floating], labels: NDArray[np.integer], curve: _Draw) -> ClassCurves:
    """Draw each class's curve from who has the class and the probability of it."""
    check_probabilities(probabilities, labels)
    curves = tuple(curve(labels == label, scores) for label, scores in enumerate(probabilities.T))
    return ClassCurves(curves, float(_mean_of_known(np.array([[one.area] for one in curves]))[0]))


def _share(part: Floats, whole: NDArray[Any]) -> Floats:
    """Return the quotient, NaN where it would divide by zero."""
    quotient = np.full(part.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _mean_of_known(values: Floats) -> Floats:
    """Return the mean of each column, of its values that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))
