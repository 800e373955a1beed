"""The detector flags images that are far from the training images or that the models are uncertain about."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import cdist
from scipy.stats import entropy

from lineup.evaluation.novelty import fit_novelty, nearest_distances, uncertainty

RANDOM = np.random.default_rng(1)
TRAINING = RANDOM.integers(0, 256, (300, 6, 5), dtype=np.uint8)
VALIDATION = RANDOM.integers(0, 256, (200, 6, 5), dtype=np.uint8)


def members(count: int, images: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(4), (count, images)).astype(np.float32)


def test_the_distance_is_that_of_scipy() -> None:
    found = nearest_distances(VALIDATION, TRAINING.reshape(300, 30).astype(np.float32))
    expected = cdist(VALIDATION.reshape(200, 30).astype(float), TRAINING.reshape(300, 30).astype(float)).min(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    zero = nearest_distances(TRAINING[:5], TRAINING.reshape(300, 30).astype(np.float32))
    np.testing.assert_allclose(zero, 0, atol=0.5)


def test_the_uncertainty_of_one_model_is_its_entropy() -> None:
    one = members(1, 50)
    np.testing.assert_allclose(uncertainty(one), entropy(one[0], axis=1), rtol=1e-5)


def test_the_uncertainty_of_a_committee_is_its_mutual_information() -> None:
    several = members(5, 50)
    expected = entropy(several.mean(axis=0), axis=1) - entropy(several, axis=2).mean(axis=0)
    np.testing.assert_allclose(uncertainty(several), expected, rtol=1e-4)
    np.testing.assert_allclose(uncertainty(np.repeat(several[:1], 3, axis=0)), 0, atol=1e-6)


@pytest.mark.parametrize("kept", [0.5, 0.95, 1.0])
@pytest.mark.parametrize("count", [1, 3])
def test_the_threshold_keeps_a_share_of_the_validation_images(kept: float, count: int) -> None:
    predictions = members(count, 200)
    flagged = fit_novelty(TRAINING, VALIDATION, predictions, kept).is_novel(VALIDATION, predictions)
    assert 1 - kept - 0.01 <= flagged.mean() <= 1 - kept


def test_far_images_and_uncertain_predictions_raise_the_score() -> None:
    certain = np.tile(np.array([0.97, 0.01, 0.01, 0.01]), (1, 200, 1))
    detector = fit_novelty(TRAINING, VALIDATION, members(1, 200))
    near, far = TRAINING[:50], np.full((50, 6, 5), 255, np.uint8)
    assert (detector.score(far, certain[:, :50]) > detector.score(near, certain[:, :50])).all()
    torn = np.full((1, 50, 4), 0.25)
    assert (detector.score(near, torn) > detector.score(near, certain[:, :50])).all()
    assert detector.is_novel(far, torn).all()
    assert not detector.is_novel(near, certain[:, :50]).any()


def test_the_scores_of_no_images_are_empty() -> None:
    detector = fit_novelty(TRAINING, VALIDATION, members(2, 200))
    assert detector.score(VALIDATION[:0], members(2, 0)).shape == (0,)


@settings(max_examples=50, deadline=None)
@given(
    images=arrays.arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(6), st.just(5))),
    certain=st.booleans(),
)
def test_every_score_is_finite_and_not_negative(images: np.ndarray, certain: bool) -> None:
    row = [1.0, 0.0, 0.0, 0.0] if certain else [0.25] * 4
    detector = fit_novelty(TRAINING, VALIDATION, members(3, 200))
    scores = detector.score(images, np.tile(np.array(row), (3, len(images), 1)))
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
