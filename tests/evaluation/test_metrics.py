from __future__ import annotations

import math
import random

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)

from lineup.errors import LineupError
from lineup.evaluation.calibration import brier_score, expected_calibration_error
from lineup.evaluation.metrics import (
    accuracy_interval,
    classification_metrics,
    classification_report,
    confusion_counts,
)

CLASSES = ("T-shirt/top", "Trouser", "Ankle boot")

Predictions = tuple[NDArray[np.float32], NDArray[np.uint8]]


def predictions(seed: int = 0, n: int = 200, k: int = 3) -> Predictions:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(k, 0.7), n).astype(np.float32), rng.integers(0, k, n).astype(np.uint8)


any_predictions = st.builds(predictions, seed=st.integers(0, 10_000), n=st.integers(1, 40))


def test_metrics_equal_scikit_learn() -> None:
    probabilities, labels = predictions()
    predicted = probabilities.argmax(axis=1)
    exact = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    metrics = classification_metrics(probabilities, labels, CLASSES, "test_")
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    assert metrics["test_accuracy"] == pytest.approx(np.mean(predicted == labels))
    assert metrics["test_loss"] == pytest.approx(log_loss(labels, exact), rel=1e-5)
    assert metrics["test_top2_accuracy"] == pytest.approx(top_k_accuracy_score(labels, probabilities, k=2))
    assert metrics["test_brier"] == brier_score(probabilities, labels)
    assert metrics["test_ece"] == expected_calibration_error(probabilities, labels)
    for name, score in scores.items():
        for average in ("macro", "weighted"):
            assert metrics[f"test_{average}_{name}"] == pytest.approx(score(labels, predicted, average=average))
        for slug, value in zip(
            ("t_shirt_top", "trouser", "ankle_boot"), score(labels, predicted, average=None), strict=True
        ):
            assert metrics[f"test_{name}/{slug}"] == pytest.approx(value)


def test_metrics_are_plain_floats_in_a_fixed_order() -> None:
    metrics = classification_metrics(*predictions(), CLASSES, "val_")
    assert all(type(value) is float for value in metrics.values())
    assert list(metrics) == [
        "val_accuracy",
        "val_loss",
        "val_top2_accuracy",
        "val_brier",
        "val_ece",
        "val_macro_precision",
        "val_macro_recall",
        "val_macro_f1",
        "val_weighted_precision",
        "val_weighted_recall",
        "val_weighted_f1",
        "val_precision/t_shirt_top",
        "val_recall/t_shirt_top",
        "val_f1/t_shirt_top",
        "val_precision/trouser",
        "val_recall/trouser",
        "val_f1/trouser",
        "val_precision/ankle_boot",
        "val_recall/ankle_boot",
        "val_f1/ankle_boot",
    ]


def test_the_loss_of_a_certain_mistake_is_clipped_as_in_keras() -> None:
    metrics = classification_metrics(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1, 0]), ("a", "b"), "")
    assert metrics["loss"] == pytest.approx((-math.log(1e-7) - math.log(1 - 1e-7)) / 2)


def test_ties_go_to_the_lowest_class() -> None:
    probabilities = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    assert confusion_counts(probabilities, np.array([2, 2]), 3).tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 0]]


def test_ties_of_the_top_two_go_to_the_lower_classes() -> None:
    probabilities = np.full((3, 3), 1 / 3)
    metrics = classification_metrics(probabilities, np.array([0, 1, 2]), ("a", "b", "c"), "")
    assert metrics["top2_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.filterwarnings("error")
def test_a_class_without_images_has_a_recall_of_zero_without_a_warning() -> None:
    metrics = classification_metrics(np.array([[0.9, 0.1]]), np.array([0]), ("a", "b"), "")
    assert (metrics["precision/b"], metrics["recall/b"], metrics["f1/b"]) == (0.0, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(any_predictions, st.permutations(range(3)))
def test_renaming_the_classes_renames_the_metrics(data: Predictions, order: list[int]) -> None:
    probabilities, labels = data
    renamed = np.argsort(order)[labels]
    before = classification_metrics(probabilities, labels, CLASSES, "")
    after = classification_metrics(probabilities[:, order], renamed, [CLASSES[old] for old in order], "")
    # Ties would go to another class; continuous probabilities have none.
    assert after == pytest.approx(before)


@settings(max_examples=40, deadline=None)
@given(any_predictions, st.randoms(use_true_random=False))
def test_metrics_do_not_depend_on_the_order_of_the_images(data: Predictions, shuffler: random.Random) -> None:
    probabilities, labels = data
    order = list(range(len(labels)))
    shuffler.shuffle(order)
    before = classification_metrics(probabilities, labels, CLASSES, "")
    assert classification_metrics(probabilities[order], labels[order], CLASSES, "") == pytest.approx(before)


@settings(max_examples=40, deadline=None)
@given(any_predictions)
def test_confusion_counts_sum_to_the_images(data: Predictions) -> None:
    probabilities, labels = data
    counts = confusion_counts(probabilities, labels, 3)
    predicted = probabilities.argmax(axis=1)
    assert counts.dtype == np.int64
    assert counts.sum(axis=1).tolist() == np.bincount(labels, minlength=3).tolist()
    assert counts.sum(axis=0).tolist() == np.bincount(predicted, minlength=3).tolist()
    assert (counts == confusion_matrix(labels, predicted, labels=range(3))).all()


@given(any_predictions)
def test_the_report_is_that_of_scikit_learn(data: Predictions) -> None:
    probabilities, labels = data
    names, predicted = ["a", "Trouser", "a class with a long name"], probabilities.argmax(axis=1)
    assume((predicted == labels).any())  # otherwise scikit-learn prints the numbers of images as 1.0
    expected = sklearn.metrics.classification_report(
        labels, predicted, labels=range(3), target_names=names, digits=4, zero_division=0
    )
    assert classification_report(confusion_counts(probabilities, labels, 3), names) == expected


def test_a_wrong_number_of_class_names_is_refused() -> None:
    with pytest.raises(LineupError, match="expected 3 names, found 2"):
        classification_metrics(*predictions(), ("a", "b"), "")


def test_a_class_without_images_does_not_count_in_the_macro_means() -> None:
    probabilities, labels = np.eye(3)[[0, 0, 1, 1]], np.array([0, 0, 0, 1])
    metrics = classification_metrics(probabilities, labels, ("a", "b", "c"), "")
    assert metrics["macro_recall"] == pytest.approx(balanced_accuracy_score(labels, probabilities.argmax(axis=1)))
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert metrics["recall/c"] == 0


def test_similar_class_names_have_different_metrics() -> None:
    metrics = classification_metrics(*predictions(), ("a b", "a-b", ".."), "")
    assert {"recall/a_b", "recall/a_b_2", "recall/class_3"} < metrics.keys()


def test_confusion_counts_need_the_right_number_of_classes() -> None:
    with pytest.raises(LineupError, match="expected 4 classes, found 3 columns"):
        confusion_counts(*predictions(), 4)


# R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_equals_published_values(correct: int, total: int, low: float, high: float) -> None:
    assert accuracy_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20_000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_equals_scipy_and_contains_the_share(total: int, share: float, confidence: float) -> None:
    correct = round(share * total)
    low, high = accuracy_interval(correct, total, confidence)
    expected = binomtest(correct, total).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= correct / total <= high <= 1


@pytest.mark.parametrize(("correct", "total", "confidence"), [(0, 0, 0.95), (-1, 2, 0.95), (3, 2, 0.95), (1, 2, 1.0)])
def test_the_interval_refuses_invalid_values(correct: int, total: int, confidence: float) -> None:
    with pytest.raises(LineupError, match="interval: "):
        accuracy_interval(correct, total, confidence)
