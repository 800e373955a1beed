from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss

from lineup.errors import LineupError
from lineup.evaluation.calibration import (
    brier_score,
    check_probabilities,
    expected_calibration_error,
    reliability_bins,
)

Predictions = tuple[NDArray[np.float64], NDArray[np.uint8]]


def predictions(seed: int = 0, n: int = 200, k: int = 3, steps: int = 0) -> Predictions:
    """Random predictions; with ``steps`` in multiples of 1 / steps, so that many are equal."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(k, 0.7), n)
    if steps:
        probabilities = rng.multinomial(steps, probabilities) / steps
    return probabilities, rng.integers(0, k, n).astype(np.uint8)


any_predictions = st.builds(
    predictions, seed=st.integers(0, 10_000), n=st.integers(1, 60), steps=st.sampled_from([0, 4])
)


GOOD = np.array([[0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.array([0.5, 0.5]), np.array([0]), r"expected floats of shape \(n, k\), found float64 \(2,\)"),
        (np.array([[1, 0]]), np.array([0]), "found int64"),
        (np.empty((0, 3)), np.array([], dtype=int), r"found float64 \(0, 3\)"),
        (GOOD, np.array([0]), r"labels: expected integers of shape \(2,\), found int64 \(1,\)"),
        (GOOD, np.array([0.0, 1.0]), "labels: expected integers"),
        (GOOD, np.array([0, 2]), "labels: row 1 is 2; the 2 classes are 0 to 1"),
        (GOOD, np.array([-1, 2]), "labels: row 0 is -1"),
        (np.array([[0.5, 0.5], [0.5, 0.6]]), np.array([0, 1]), "row 1 sums to 1.1"),
        (np.array([[0.5, 0.5], [np.nan, 1.0], [2.0, -1.0]]), np.array([0, 1, 1]), "row 1 has a value outside"),
        (np.array([[-0.1, 1.1]]), np.array([0]), "row 0 has a value outside 0 to 1"),
        (np.array([[np.inf, 0.0]]), np.array([0]), "row 0 has a value outside 0 to 1"),
    ],
)
def test_the_first_wrong_row_is_named(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], message: str
) -> None:
    with pytest.raises(LineupError, match=message) as error:
        check_probabilities(probabilities, labels)
    assert "\n" not in str(error.value)


def test_rounding_errors_are_accepted() -> None:
    check_probabilities(np.array([[1.0005, -1e-7]]) / 1.0005, np.array([0]))
    check_probabilities(np.array([[0.5, 0.5009]]), np.array([0]))


def test_brier_score_equals_scikit_learn() -> None:
    probabilities, labels = predictions()
    assert brier_score(probabilities, labels) == pytest.approx(brier_score_loss(labels, probabilities))
    single = brier_score(probabilities.astype(np.float32), labels)
    assert single == pytest.approx(brier_score_loss(labels, probabilities), abs=1e-6)


@pytest.mark.parametrize(("row", "score"), [([1.0, 0.0, 0.0], 0.0), ([0.0, 1.0, 0.0], 2.0), ([0.25, 0.25, 0.5], 0.875)])
def test_brier_score_of_one_image(row: list[float], score: float) -> None:
    assert brier_score(np.array([row]), np.array([0])) == pytest.approx(score)


def test_bins_of_equal_numbers_of_images_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    bins = reliability_bins(probabilities, np.array([0, 0, 1, 1]), bins=2)
    assert bins.images.tolist() == [2, 2]
    assert bins.confidence == pytest.approx([0.65, 0.85])
    assert bins.accuracy == pytest.approx([0.5, 0.5])
    error = expected_calibration_error(probabilities, np.array([0, 0, 1, 1]), bins=2)
    assert error == pytest.approx((0.15 + 0.35) / 2)


def test_equal_confidences_share_a_bin() -> None:
    probabilities = np.array([[0.6, 0.4], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    bins = reliability_bins(probabilities, np.array([0, 0, 0, 0, 1]), bins=5)
    assert bins.images.tolist() == [1, 4]
    assert bins.accuracy.tolist() == [1.0, 0.75]


def test_a_calibrated_model_has_a_small_error() -> None:
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.5, 1, 200_000)
    labels = (rng.uniform(size=sure.size) > sure).astype(int)
    assert expected_calibration_error(np.stack([sure, 1 - sure], axis=1), labels) < 0.005
    overconfident = np.stack([np.sqrt(sure), 1 - np.sqrt(sure)], axis=1)
    expected = float(np.mean(np.sqrt(sure) - sure))
    assert expected_calibration_error(overconfident, labels) == pytest.approx(expected, abs=0.005)


@settings(max_examples=60, deadline=None)
@given(any_predictions, st.integers(1, 20))
def test_bin_sizes_differ_by_at_most_one_without_ties(data: Predictions, bins: int) -> None:
    probabilities, labels = data
    images = reliability_bins(probabilities, labels, bins).images
    assert images.sum() == len(labels)
    assert images.min() >= 1
    if len(set(probabilities.max(axis=1))) == len(labels):
        assert len(images) == min(bins, len(labels))
        assert images.max() - images.min() <= 1


@settings(max_examples=60, deadline=None)
@given(any_predictions)
def test_bins_keep_the_means_and_are_ordered_by_confidence(data: Predictions) -> None:
    probabilities, labels = data
    bins = reliability_bins(probabilities, labels)
    assert np.average(bins.confidence, weights=bins.images) == pytest.approx(probabilities.max(axis=1).mean())
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    assert np.average(bins.accuracy, weights=bins.images) == pytest.approx(accuracy)
    assert (np.diff(bins.confidence) > 0).all()
    # The triangle inequality: one bin alone has the least error.
    error = expected_calibration_error(probabilities, labels)
    assert expected_calibration_error(probabilities, labels, bins=1) <= error + 1e-12 <= 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(any_predictions, st.randoms(use_true_random=False))
def test_calibration_does_not_depend_on_the_order_of_the_images(data: Predictions, shuffler: random.Random) -> None:
    probabilities, labels = data
    order = list(range(len(labels)))
    shuffler.shuffle(order)
    error = expected_calibration_error(probabilities, labels)
    assert expected_calibration_error(probabilities[order], labels[order]) == pytest.approx(error)
    assert brier_score(probabilities[order], labels[order]) == pytest.approx(brier_score(probabilities, labels))


def test_invalid_bins_and_probabilities_are_refused() -> None:
    with pytest.raises(LineupError, match="calibration: 0 bins; expected at least 1"):
        reliability_bins(*predictions(), bins=0)
    for score in (brier_score, expected_calibration_error, reliability_bins):
        with pytest.raises(LineupError, match="row 1 sums to"):
            score(np.array([[0.5, 0.5], [0.5, 0.6]]), np.array([0, 1]))
