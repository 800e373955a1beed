from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    auc,
    average_precision_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from lineup.errors import LineupError
from lineup.evaluation.curves import (
    cutoff_curves,
    per_class_table,
    precision_recall,
    roc,
    selective_accuracy,
)
from lineup.evaluation.metrics import classification_metrics

CLASSES = ("T-shirt/top", "Trouser", "Ankle boot")
THRESHOLDS = np.linspace(0, 1, 11)

Predictions = tuple[NDArray[np.float64], NDArray[np.uint8]]


def predictions(seed: int = 0, n: int = 200, k: int = 3, steps: int = 0) -> Predictions:
    """Predictions that are right more often than not; with ``steps`` in multiples of 1 / steps, so that many tie."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(k, 0.5), n)
    labels = np.array([rng.choice(k, p=row) for row in probabilities], dtype=np.uint8)
    if steps:
        probabilities = rng.multinomial(steps, probabilities) / steps
    return probabilities, labels


any_predictions = st.builds(
    predictions, seed=st.integers(0, 10_000), n=st.integers(1, 60), steps=st.sampled_from([0, 4])
)

NO_LAST_CLASS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1]]), np.array([0, 1, 1])


def test_selective_accuracy_by_hand() -> None:
    # Confidences .9 (right), .8 (wrong and right) and .6 (wrong).
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.2, 0.8]])
    curve = selective_accuracy(probabilities, np.array([1, 1, 1, 1]))
    assert curve.confidence.tolist() == [0.9, 0.8, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.accuracy == pytest.approx([1, 2 / 3, 1 / 2])


@settings(max_examples=60, deadline=None)
@given(any_predictions)
def test_selective_accuracy_equals_the_accuracy_above_a_confidence(data: Predictions) -> None:
    probabilities, labels = data
    curve = selective_accuracy(probabilities, labels)
    correct, sure = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    for confidence, coverage, accuracy in zip(curve.confidence, curve.coverage, curve.accuracy, strict=True):
        assert coverage == pytest.approx(np.mean(sure >= confidence))
        assert accuracy == pytest.approx(correct[sure >= confidence].mean())
    assert (np.diff(curve.coverage) > 0).all()
    assert curve.coverage[-1] == 1
    assert curve.accuracy[-1] == pytest.approx(correct.mean())


@settings(max_examples=25, deadline=None)
@given(any_predictions, st.randoms(use_true_random=False))
def test_curves_do_not_depend_on_the_order_of_the_images(data: Predictions, shuffler: random.Random) -> None:
    probabilities, labels = data
    order = list(range(len(labels)))
    shuffler.shuffle(order)
    again = probabilities[order], labels[order]
    for before, after in (
        (selective_accuracy(*data), selective_accuracy(*again)),
        (cutoff_curves(*data, THRESHOLDS), cutoff_curves(*again, THRESHOLDS)),
    ):
        for name, values in vars(before).items():
            np.testing.assert_array_equal(values, getattr(after, name))
    # The results include the area under the curve of each class.
    assert [vars(row) for row in per_class_table(*data, CLASSES)] == [
        pytest.approx(vars(row), nan_ok=True) for row in per_class_table(*again, CLASSES)
    ]


@pytest.mark.parametrize("steps", [0, 10])
def test_cutoff_curves_equal_scikit_learn(steps: int) -> None:
    probabilities, labels = predictions(steps=steps)
    curves = cutoff_curves(probabilities, labels, THRESHOLDS)
    for label in range(3):
        for index, threshold in enumerate(THRESHOLDS):
            actual, answer = labels == label, probabilities[:, label] >= threshold
            assert curves.accuracy[label, index] == pytest.approx(accuracy_score(actual, answer))
            assert curves.recall[label, index] == pytest.approx(recall_score(actual, answer))
            expected = precision_score(actual, answer, zero_division=np.nan)
            assert curves.precision[label, index] == pytest.approx(expected, nan_ok=True)
    assert curves.macro_accuracy == pytest.approx(curves.accuracy.mean(axis=0))
    assert curves.macro_recall == pytest.approx(curves.recall.mean(axis=0))
    assert curves.thresholds.tolist() == THRESHOLDS.tolist()


@pytest.mark.filterwarnings("error")
def test_cutoff_curves_are_undefined_for_a_denominator_of_zero() -> None:
    curves = cutoff_curves(*NO_LAST_CLASS, [0.0, 0.6, 0.75, 1.0])
    np.testing.assert_array_equal(curves.precision[:, 1:], [[1, np.nan, np.nan], [1, 1, np.nan], [np.nan] * 3])
    np.testing.assert_array_equal(curves.macro_precision[1:], [1, 1, np.nan])
    assert np.isnan(curves.recall[2]).all()
    np.testing.assert_allclose(curves.macro_recall, [1, 0.75, 0.25, 0])
    np.testing.assert_allclose(curves.accuracy[:, 0], [1 / 3, 2 / 3, 0])


@settings(max_examples=40, deadline=None)
@given(any_predictions, st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_recall_decreases_with_the_threshold(data: Predictions, thresholds: list[float]) -> None:
    recall = cutoff_curves(*data, sorted(thresholds)).macro_recall
    assert (np.diff(recall) <= 1e-12).all()
    assert cutoff_curves(*data, [0.0]).macro_recall.tolist() == [1.0]


def test_nan_thresholds_are_refused() -> None:
    with pytest.raises(LineupError, match="cutoff curves: expected numbers as thresholds"):
        cutoff_curves(*predictions(), [0.5, np.nan])


def test_roc_and_its_area_equal_scikit_learn() -> None:
    probabilities, labels = predictions()
    found = roc(probabilities, labels)
    for label, curve in enumerate(found.curves):
        x, y, _ = roc_curve(labels == label, probabilities[:, label], drop_intermediate=False)
        assert curve.area == pytest.approx(auc(x, y))
        assert set(zip(curve.x, curve.y, strict=True)) <= set(zip(x, y, strict=True))
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert found.macro == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr"))


def test_precision_recall_equals_scikit_learn() -> None:
    probabilities, labels = predictions()
    found = precision_recall(probabilities, labels)
    for label, curve in enumerate(found.curves):
        y, x, _ = precision_recall_curve(labels == label, probabilities[:, label])
        assert set(zip(curve.x, curve.y, strict=True)) <= set(zip(x, y, strict=True))
        assert (curve.x[0], curve.x[-1], curve.y[-1]) == (1, 0, 1)
    one_hot = np.eye(3)[labels]
    expected = average_precision_score(one_hot, probabilities, average=None)
    assert [curve.area for curve in found.curves] == pytest.approx(expected.tolist())
    assert found.macro == pytest.approx(average_precision_score(one_hot, probabilities, average="macro"))


@pytest.mark.filterwarnings("error")
def test_curves_of_a_class_without_images_are_undefined() -> None:
    for curves in (roc, precision_recall):
        found = curves(*NO_LAST_CLASS)
        *known, last = (curve.area for curve in found.curves)
        assert np.isnan(last)
        assert found.macro == pytest.approx(np.mean(known))
        assert found.curves[2].x.size == found.curves[2].y.size == 0
    assert np.isnan(roc(np.array([[0.5, 0.5]]), np.array([0])).macro)


def test_the_table_has_the_metrics_of_the_record() -> None:
    probabilities, labels = predictions()
    metrics = classification_metrics(probabilities, labels, CLASSES, "")
    curves = zip(roc(probabilities, labels).curves, precision_recall(probabilities, labels).curves, strict=True)
    rows = per_class_table(probabilities, labels, CLASSES)
    assert [row.name for row in rows] == list(CLASSES)
    assert [row.images for row in rows] == np.bincount(labels).tolist()
    for row, slug, curve in zip(rows, ("t_shirt_top", "trouser", "ankle_boot"), curves, strict=True):
        assert row.precision == metrics[f"precision/{slug}"]
        assert row.recall == metrics[f"recall/{slug}"]
        assert row.f1 == metrics[f"f1/{slug}"]
        assert (row.auc, row.average_precision) == tuple(area.area for area in curve)


@pytest.mark.filterwarnings("error")
def test_the_table_names_the_most_frequent_confusion() -> None:
    predicted, labels = np.array([1, 2, 2, 0, 1, 1]), np.array([0, 0, 0, 0, 1, 1])
    first, second, third = per_class_table(np.eye(3)[predicted], labels, CLASSES)
    assert (first.confused_with, first.confused) == ("Ankle boot", 2)
    assert (second.confused_with, second.confused) == ("", 0)
    assert (third.images, third.precision, third.recall) == (0, 0.0, 0.0)
    assert np.isnan([third.auc, third.average_precision]).all()


def test_invalid_probabilities_and_class_names_are_refused() -> None:
    bad = np.array([[0.5, 0.5], [0.5, 0.6]]), np.array([0, 1])
    for curves in (selective_accuracy, roc, precision_recall):
        with pytest.raises(LineupError, match="row 1 sums to"):
            curves(*bad)
    with pytest.raises(LineupError, match="row 1 sums to"):
        cutoff_curves(*bad, THRESHOLDS)
    with pytest.raises(LineupError, match="expected 2 classes, found 3 columns"):
        per_class_table(*predictions(), CLASSES[:2])
