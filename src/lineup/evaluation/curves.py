"""Compute performance curves from class probabilities and labels.

Examples
--------
>>> probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
>>> selective_accuracy(probabilities, labels).accuracy.round(2).tolist()
[1.0, 1.0, 0.67]
>>> roc(probabilities, labels).macro
1.0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.calibration import check_probabilities
from lineup.evaluation.metrics import class_scores

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SelectiveAccuracy:
    """Accuracy on the images whose confidence reaches a threshold, for many thresholds.

    Attributes
    ----------
    confidence : ndarray of float64, shape (t,)
        Decreasing thresholds. An image is kept if the probability of its predicted class is at least the threshold.
    coverage : ndarray of float64, shape (t,)
        Increasing share of the images that are kept. The last value is 1.
    accuracy : ndarray of float64, shape (t,)
        Fraction of the kept images that are classified correctly. The last value is the accuracy on all images.
    """

    confidence: Floats
    coverage: Floats
    accuracy: Floats


@dataclass(frozen=True)
class CutoffCurves:
    """Accuracy, precision and recall of each class at several thresholds.

    Each class is compared with all other classes (one-vs-rest). The prediction for a class is positive if the
    probability of the class is at least the threshold.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (t,)
        The thresholds.
    accuracy : ndarray of float64, shape (k, t)
        For each class, share of the images that are classified correctly as positive or negative.
    precision : ndarray of float64, shape (k, t)
        For each class, share of the positives that are correct; NaN if there are none.
    recall : ndarray of float64, shape (k, t)
        For each class, share of its images that are positive; NaN if it has no images.
    """

    thresholds: Floats
    accuracy: Floats
    precision: Floats
    recall: Floats

    @property
    def macro_accuracy(self) -> Floats:
        """For each threshold, return the mean accuracy of all classes."""
        return _mean_of_known(self.accuracy)

    @property
    def macro_precision(self) -> Floats:
        """For each threshold, return the mean precision of all classes with at least one prediction."""
        return _mean_of_known(self.precision)

    @property
    def macro_recall(self) -> Floats:
        """For each threshold, return the mean recall of all classes with at least one image."""
        return _mean_of_known(self.recall)


@dataclass(frozen=True)
class ClassCurve:
    """Curve of one class against all other classes, with one point per threshold.

    Attributes
    ----------
    x, y : ndarray of float64, shape (t,)
        Points of the curve, from 0 to 1; empty if it is undefined.
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
        Mean of the defined areas; NaN if none is defined.
    """

    curves: tuple[ClassCurve, ...]
    macro: float


@dataclass(frozen=True)
class ClassRow:
    """Metrics of one class.

    Attributes
    ----------
    name : str
        Name of the class.
    images : int
        Number of its images.
    precision, recall, f1 : float
        From 0 to 1; 0 if the denominator is 0.
    auc : float
        Area under the ROC curve, see :func:`roc`; NaN if undefined.
    average_precision : float
        Area of the precision-recall curve, see :func:`precision_recall`; NaN if undefined.
    confused_with : str
        The most frequent wrong prediction for images of the class, or an empty string. Ties go to the lowest index.
    confused : int
        Number of images with that wrong prediction.
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
    """Compute the selective accuracy, which is the accuracy on the images with the highest confidence.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one; ties go to the lowest index. Its probability
        is the confidence.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    SelectiveAccuracy
        One point per distinct confidence. Images of equal confidence are kept together, so that the curve does not
        depend on the order of the images.

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
    return selective_accuracy_of(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def selective_accuracy_of(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> SelectiveAccuracy:
    """Compute selective accuracy from the confidence of each prediction. See `selective_accuracy`.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Probability of the predicted class of each image.
    correct : ndarray of bool, shape (n,)
        Whether the predicted class is the actual class.

    Examples
    --------
    >>> selective_accuracy_of(np.array([0.9, 0.6, 0.8]), np.array([True, False, True])).coverage.round(2).tolist()
    [0.33, 0.67, 1.0]
    """
    rising, group, size = np.unique(confidence, return_inverse=True, return_counts=True)
    right = np.bincount(group, weights=correct)
    kept = np.cumsum(size[::-1])
    return SelectiveAccuracy(rising[::-1].astype(np.float64), kept / len(correct), np.cumsum(right[::-1]) / kept)


def cutoff_curves(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], thresholds: Sequence[float] | Floats
) -> CutoffCurves:
    """Compute the accuracy, precision and recall of each class at given thresholds.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    thresholds : sequence of float, shape (t,)
        Thresholds in any order, usually from 0 to 1.

    Returns
    -------
    CutoffCurves
        One-vs-rest curves of each class. At threshold 0, every image is positive, the recall is 1, and accuracy and
        precision are equal to the share of the class.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`; also if a threshold is NaN.

    Notes
    -----
    The cutoff curves of report C's appendix. For one image, several classes or none can reach the threshold.
    """
    check_probabilities(probabilities, labels)
    cutoffs = np.asarray(thresholds, dtype=np.float64)
    if cutoffs.ndim != 1 or np.isnan(cutoffs).any():
        raise LineupError(f"cutoff curves: expected numbers as thresholds, found {cutoffs.tolist()}")
    n, k = probabilities.shape
    positive, right = np.empty((k, cutoffs.size)), np.empty((k, cutoffs.size))
    for label in range(k):
        scores = probabilities[:, label].astype(np.float64)
        positive[label] = n - np.searchsorted(np.sort(scores), cutoffs)
        own = np.sort(scores[labels == label])
        right[label] = own.size - np.searchsorted(own, cutoffs)
    images = np.bincount(labels, minlength=k)[:, None]
    wrong = (positive - right) + (images - right)
    return CutoffCurves(cutoffs, 1 - wrong / n, _share(right, positive), _share(right, images))


def roc(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> ClassCurves:
    """Compute the receiver operating characteristic (ROC) of each class.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    ClassCurves
        ``x`` is the false positive rate and ``y`` the true positive rate, both increasing. ``area`` is the area under
        the curve: the probability that an image of the class has a higher score than an image of another class. The
        curve is undefined for a class that has no images or all of them.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`.

    Notes
    -----
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006), 861-874. The curves are
    those of scikit-learn's ``roc_curve``, and ``macro`` equals ``roc_auc_score`` with ``multi_class="ovr"``. Importing
    scikit-learn takes two seconds.
    """

    def curve(actual: NDArray[np.bool_], scores: NDArray[np.floating]) -> ClassCurve:
        if actual.all() or not actual.any():
            return _UNDEFINED
        true, false = _positives(actual, scores)
        if true.size > 2:  # points on a straight line between two others do not change the curve
            corner = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
            kept = np.concatenate([[True], corner, [True]])
            true, false = true[kept], false[kept]
        x, y = (np.concatenate([[0], counts]) / counts[-1] for counts in (false, true))
        return ClassCurve(x, y, float(np.trapezoid(y, x)))

    return _one_vs_rest(probabilities, labels, curve)


def precision_recall(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> ClassCurves:
    """Compute the precision-recall curve of each class.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    ClassCurves
        ``x`` is the recall, decreasing from 1 to 0, and ``y`` the precision, whose last value is 1 by definition.
        ``area`` is the average precision. The curve of a class without images is undefined.

    Raises
    ------
    LineupError
        See :func:`lineup.evaluation.calibration.check_probabilities`.

    Notes
    -----
    The average precision is the sum of the precisions, weighted by the steps in recall. Interpolation would be too
    optimistic: J. Davis and M. Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006. The
    values equal those of scikit-learn's ``precision_recall_curve`` and ``average_precision_score``, whose import takes
    two seconds.
    """

    def curve(actual: NDArray[np.bool_], scores: NDArray[np.floating]) -> ClassCurve:
        if not actual.any():
            return _UNDEFINED
        true, false = _positives(actual, scores)
        if true.size > 2:  # points between two others of the same recall do not change the sum
            step = np.diff(true) != 0
            kept = np.concatenate([[True], step[:-1] | step[1:], [True]])
            true, false = true[kept], false[kept]
        precision = np.concatenate([(true / (true + false))[::-1], [1]])
        recall = np.concatenate([(true / true[-1])[::-1], [0]])
        return ClassCurve(recall, precision, float(np.sum(-np.diff(recall) * precision[:-1])))

    return _one_vs_rest(probabilities, labels, curve)


def per_class_table(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]
) -> list[ClassRow]:
    """Compute the metrics of each class, and find the most frequent wrong prediction for its images.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one; ties go to the lowest index.
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
    check_probabilities(probabilities, labels)
    if probabilities.shape[1] != len(classes):
        raise LineupError(f"probabilities: expected {len(classes)} classes, found {probabilities.shape[1]} columns")
    return class_rows(probabilities.argmax(axis=1), labels, classes, *class_areas(probabilities, labels))


def class_areas(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """For each class, return the area under the ROC curve and the average precision. Undefined values are NaN.

    The parameters and errors are described in `roc` and `precision_recall`.
    """
    curves = roc(probabilities, labels).curves, precision_recall(probabilities, labels).curves
    of_roc, of_precision = (np.array([curve.area for curve in found], dtype=np.float64) for found in curves)
    return of_roc, of_precision


def class_rows(
    predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    auc: Sequence[float] | Floats,
    average_precision: Sequence[float] | Floats,
) -> list[ClassRow]:
    """Compute the metrics of each class.

    The areas under the curves are arguments. The other metrics are computed from the predicted classes.

    Parameters
    ----------
    predicted, labels : ndarray of int, shape (n,)
        Predicted and actual classes, 0 to k - 1.
    classes : sequence of str, length k
        Class names.
    auc, average_precision : sequence of float, length k
        See `class_areas`.

    Returns
    -------
    list of ClassRow
        See `per_class_table`.
    """
    k = len(classes)
    counts = np.bincount(labels.astype(np.int64) * k + predicted, minlength=k * k).reshape(k, k)
    scores = class_scores(counts)
    mistakes = counts - np.diag(np.diag(counts))
    rows = []
    for label in range(k):
        confused = int(mistakes[label].max())
        rows.append(
            ClassRow(
                name=classes[label],
                images=int(counts[label].sum()),
                precision=float(scores["precision"][label]),
                recall=float(scores["recall"][label]),
                f1=float(scores["f1"][label]),
                auc=float(auc[label]),
                average_precision=float(average_precision[label]),
                confused_with=classes[int(mistakes[label].argmax())] if confused else "",
                confused=confused,
            )
        )
    return rows


# Takes one-vs-rest labels and the probabilities of a class, and returns the curve of the class.
_MakeCurve = Callable[[NDArray[np.bool_], NDArray[np.floating]], ClassCurve]

_UNDEFINED = ClassCurve(np.empty(0), np.empty(0), float("nan"))


def _one_vs_rest(probabilities: NDArray[np.floating], labels: NDArray[np.integer], curve: _MakeCurve) -> ClassCurves:
    """Compute the curve of each class against all other classes."""
    check_probabilities(probabilities, labels)
    curves = tuple(curve(labels == label, scores) for label, scores in enumerate(probabilities.T))
    return ClassCurves(curves, float(_mean_of_known(np.array([[one.area] for one in curves]))[0]))


def _positives(actual: NDArray[np.bool_], scores: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the true and the false positives at each threshold.

    The thresholds are the scores, from high to low.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    last = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)  # of the images with the same score
    true = np.cumsum(actual[order])[last]
    return true, last + 1 - true


def _share(part: Floats, whole: NDArray[Any]) -> Floats:
    """Divide two arrays. The result is NaN where the denominator is 0."""
    quotient = np.full(part.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def _mean_of_known(values: Floats) -> Floats:
    """Compute the mean of each column, ignoring NaN values.

    If a column contains only NaN values, its mean is NaN.
    """
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))
