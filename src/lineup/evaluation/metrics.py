"""Compute classification metrics from class probabilities and labels.

Examples
--------
>>> probabilities, labels = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])
>>> round(log_loss(probabilities, labels), 4)
0.4149
>>> confusion_counts(probabilities, labels, k=2).tolist()
[[1, 0], [1, 1]]
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lineup.data.datasets import class_slugs
from lineup.errors import LineupError
from lineup.evaluation.calibration import brier_score, expected_calibration_error
from lineup.evaluation.calibration import check_probabilities as check_probabilities

CLIP = 1e-7
"""Probabilities are clipped to ``[CLIP, 1 - CLIP]`` before a logarithm: ``keras.backend.epsilon()``."""


def classification_metrics(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str], prefix: str
) -> dict[str, float]:
    """Compute classification metrics, and return them as a dictionary.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one; ties go to the lowest index.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    classes : sequence of str, length k
        Class names, in the order of the columns. The keys contain their slugs, see
        :func:`lineup.data.datasets.class_slugs`.
    prefix : str
        Prefix of every key, such as ``"test_"``.

    Returns
    -------
    dict of str to float
        ``accuracy``; ``loss``; ``top2_accuracy``; ``brier``; ``ece``; ``macro_`` and ``weighted_`` each with
        ``precision``, ``recall`` and ``f1``; then for each class ``precision/<slug>``, ``recall/<slug>`` and
        ``f1/<slug>``. All are from 0 to 1, except for the loss, in nats, and the Brier score, from 0 to 2. A precision
        or recall with a denominator of 0 is 0.

    Raises
    ------
    LineupError
        See :func:`check_probabilities`; also if there are not k names.

    Notes
    -----
    The loss is :func:`log_loss`. "macro" is the mean over the classes with images. "weighted" is the mean over all
    classes, weighted by their number of images. The values equal those of scikit-learn's
    ``precision_recall_fscore_support``, whose import takes two seconds. The macro recall is also called balanced
    accuracy. The top-2 accuracy is the share of images whose class is one of the two most probable ones; ``brier`` is
    :func:`lineup.evaluation.calibration.brier_score`, ``ece``
    :func:`lineup.evaluation.calibration.expected_calibration_error` with its 15 bins of equally many images.
    """
    slugs = _slugs(probabilities, labels, classes)
    counts = confusion_counts(probabilities, labels, len(slugs))
    scores, images = class_scores(counts), counts.sum(axis=1)
    values = {
        "accuracy": float(counts.trace() / images.sum()),
        "loss": log_loss(probabilities, labels),
        "top2_accuracy": _top2_accuracy(probabilities, labels),
        "brier": brier_score(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
    }
    for average, weights in (("macro", images > 0), ("weighted", images)):
        for name, of_classes in scores.items():
            values[f"{average}_{name}"] = np.average(of_classes, weights=weights)
    for number, slug in enumerate(slugs):
        for name, of_classes in scores.items():
            values[f"{name}/{slug}"] = of_classes[number]
    return {prefix + name: float(value) for name, value in values.items()}


def class_scores(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Compute the precision, the recall and the F1 score of each class.

    Parameters
    ----------
    counts : ndarray of int64, shape (k, k)
        Confusion matrix, see `confusion_counts`.

    Returns
    -------
    dict of str to ndarray of shape (k,)
        ``precision``, ``recall`` and ``f1``. A score with a denominator of 0 is 0.

    Examples
    --------
    >>> {name: scores.tolist() for name, scores in class_scores(np.array([[3, 1], [0, 0]])).items()}
    {'precision': [1.0, 0.0], 'recall': [0.75, 0.0], 'f1': [0.8571428571428571, 0.0]}
    """
    hits, actual, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    ratios = {"precision": (hits, predicted), "recall": (hits, actual), "f1": (2 * hits, actual + predicted)}
    return {name: above / np.maximum(below, 1) for name, (above, below) in ratios.items()}


def balanced_accuracy(predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Compute the mean recall of all classes that have images.

    Parameters
    ----------
    predicted, labels : ndarray of int, shape (n,)
        Predicted and actual classes.

    Examples
    --------
    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    0.75
    """
    return float(np.mean([np.mean(predicted[labels == label] == label) for label in np.unique(labels)]))


def macro_f1(predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Compute the mean F1 of all classes that have images.

    Parameters
    ----------
    predicted, labels : ndarray of int, shape (n,)
        Predicted and actual classes.

    Examples
    --------
    >>> round(macro_f1(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])), 4)
    0.7333
    """
    counted = np.unique(labels)
    hits = np.array([np.sum((predicted == label) & (labels == label)) for label in counted])
    both = np.array([np.sum(predicted == label) + np.sum(labels == label) for label in counted])
    return float(np.mean(2 * hits / both))


def log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Compute the mean negative log-likelihood of the actual classes, in nats.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.

    Returns
    -------
    float
        The mean of ``-log p[label]`` with p clipped to [1e-7, 1 - 1e-7], as in
        ``keras.losses.SparseCategoricalCrossentropy``.
    """
    of_actual = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_actual, CLIP, 1 - CLIP)).mean())


def confusion_counts(probabilities: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> NDArray[np.int64]:
    """Compute the confusion matrix. Each cell contains a number of images.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
        Class probabilities. The predicted class is the most probable one; ties go to the lowest index.
    labels : ndarray of int, shape (n,)
        Actual classes, 0 to k - 1.
    k : int
        Number of classes.

    Returns
    -------
    ndarray of int64, shape (k, k)
        Rows are actual classes, and columns are predicted classes. The sum of all cells is n.

    Raises
    ------
    LineupError
        See :func:`check_probabilities`; also if the probabilities do not have k columns.
    """
    check_probabilities(probabilities, labels)
    if probabilities.shape[1] != k:
        raise LineupError(f"probabilities: expected {k} classes, found {probabilities.shape[1]} columns")
    cells = labels.astype(np.int64) * k + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=k * k).reshape(k, k).astype(np.int64)


def classification_report(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Return the precision, recall, F1 score and number of images of each class as text.

    The text has the format of scikit-learn's ``classification_report``, with four decimals.

    Parameters
    ----------
    counts : ndarray of int64, shape (k, k)
        Confusion matrix with at least one image, see `confusion_counts`.
    classes : sequence of str, length k
        Class names, in the order of the rows.

    Examples
    --------
    >>> print(classification_report(np.array([[3, 1], [0, 2]]), ["cat", "dog"]))
                  precision    recall  f1-score   support
    <BLANKLINE>
             cat     1.0000    0.7500    0.8571         4
             dog     0.6667    1.0000    0.8000         2
    <BLANKLINE>
        accuracy                         0.8333         6
       macro avg     0.8333    0.8750    0.8286         6
    weighted avg     0.8889    0.8333    0.8381         6
    <BLANKLINE>
    """
    scores, images = np.array(list(class_scores(counts).values())), counts.sum(axis=1)
    width = max(map(len, [*classes, "weighted avg"]))

    def line(name: str, values: Iterable[float | str], number: int | str) -> str:
        cells = [value if isinstance(value, str) else f"{value:.4f}" for value in values]
        return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in [*cells, number])

    total, accuracy = int(images.sum()), counts.trace() / images.sum()
    lines = [line("", ("precision", "recall", "f1-score"), "support"), ""]
    lines += [line(*row) for row in zip(classes, scores.T, images, strict=True)]
    lines += ["", line("accuracy", ("", "", accuracy), total), line("macro avg", scores.mean(axis=1), total)]
    return "\n".join([*lines, line("weighted avg", np.average(scores, axis=1, weights=images), total), ""])


def accuracy_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the Wilson score interval of an accuracy.

    Parameters
    ----------
    correct : int
        Number of images classified correctly.
    total : int
        Number of images.
    confidence : float, optional
        Coverage of the interval, between 0 and 1. Default: 0.95.

    Returns
    -------
    low, high : float
        Bounds of the share, from 0 to 1.

    Raises
    ------
    LineupError
        If there are no images, ``correct`` is not from 0 to ``total``, or ``confidence`` is not between 0 and 1.

    Notes
    -----
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), 209-212. The interval includes the uncertainty from the sample of images, but not
    the uncertainty from the training.
    """
    if total < 1 or not 0 <= correct <= total:
        raise LineupError(f"interval: expected 0 <= correct <= total and total > 0, found {correct} of {total}")
    if not 0 < confidence < 1:
        raise LineupError(f"interval: confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / total
    scale = 1 + z**2 / total
    centre = (share + z**2 / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / scale
    # If no or all predictions are correct, one bound equals the accuracy, apart from rounding.
    return min(max(0.0, centre - half), share), max(min(1.0, centre + half), share)


def _top2_accuracy(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Compute the fraction of images whose actual class is one of the two most probable classes.

    If two probabilities are equal, the class with the lower index comes first.
    """
    of_actual = np.take_along_axis(probabilities, labels[:, None], axis=1)
    lower = np.arange(probabilities.shape[1]) < labels[:, None]
    before = (probabilities > of_actual) | ((probabilities == of_actual) & lower)
    return float(np.mean(before.sum(axis=1) < 2))


def _slugs(probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]) -> list[str]:
    """Check the predictions, and return a unique slug for each class name."""
    check_probabilities(probabilities, labels)
    slugs = class_slugs(classes)
    if len(slugs) != probabilities.shape[1]:
        raise LineupError(f"classes: expected {probabilities.shape[1]} names, found {len(slugs)}: {', '.join(classes)}")
    return slugs
