"""Evaluate members one after another, and fit the threshold for the confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineup.committee.cascade import apply_cascade, count_evaluated, fit_threshold
from lineup.committee.fitting import fit_rule
from lineup.committee.pooling import average
from lineup.committee.rules import CostSettings
from tests.committee.strategies import members, skilled_members

HOLDOUT, LABELS = skilled_members(0, (1.5, 2.0, 2.5), images=300)
LOSSES = st.sampled_from([0.0, 0.001, 0.02, 0.3])


def right(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> int:
    return int((apply_cascade(probabilities, threshold).argmax(axis=1) == labels).sum())


@given(members(), st.floats(0, 1))
@settings(deadline=None)
def test_members_are_averaged_until_the_confidence_is_above_the_threshold(
    probabilities: np.ndarray, threshold: float
) -> None:
    combined, counts = apply_cascade(probabilities, threshold), count_evaluated(probabilities, threshold)
    for image in range(probabilities.shape[1]):
        means = [probabilities[: step + 1, image].astype(np.float64).mean(axis=0) for step in range(len(probabilities))]
        sure = [step for step, mean in enumerate(means, 1) if mean.max() > threshold + 1e-6]
        unsure = [step for step, mean in enumerate(means, 1) if mean.max() < threshold - 1e-6]
        assert counts[image] <= min([*sure, len(means)])
        assert counts[image] == len(means) or counts[image] not in unsure
        np.testing.assert_allclose(combined[image], means[counts[image] - 1], atol=1e-12)


@given(members())
@settings(deadline=None)
def test_the_thresholds_0_and_1_give_the_first_member_and_the_mean_of_all(probabilities: np.ndarray) -> None:
    np.testing.assert_array_equal(apply_cascade(probabilities, 0), probabilities[0])
    np.testing.assert_allclose(apply_cascade(probabilities, 1), average(probabilities), atol=1e-12)


@given(members(), LOSSES, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_threshold_is_the_lowest_that_keeps_the_accuracy(
    probabilities: np.ndarray, accuracy_loss: float, random: Any
) -> None:
    """Only the confidences are tried, because all thresholds between two confidences give the same predictions."""
    images, classes = probabilities.shape[1:]
    labels = np.array([random.randrange(classes) for _ in range(images)])
    found = fit_threshold(probabilities, labels, accuracy_loss)
    counts = np.arange(1, len(probabilities) + 1)[:, None, None]
    means = np.cumsum(probabilities, axis=0, dtype=np.float64) / counts
    thresholds = np.unique(np.minimum([0.0, 1.0, *means.max(axis=2).ravel()], 1.0))
    needed = right(probabilities, labels, 1.0) - accuracy_loss * images - 1e-9
    kept = np.array([right(probabilities, labels, threshold) >= needed for threshold in thresholds])
    assert kept[thresholds >= found].all()
    lower = thresholds < found
    assert not lower.any() or not kept[lower][-1]


def test_a_larger_loss_saves_more() -> None:
    found = [fit_threshold(HOLDOUT, LABELS, loss) for loss in (0.0, 0.01, 0.05, 0.9)]
    shares = [float((count_evaluated(HOLDOUT, threshold) == 1).mean()) for threshold in found]
    assert found == sorted(found, reverse=True)
    assert 0 < shares[0] < shares[1] < shares[2] < shares[3] == 1.0
    assert found[-1] == 0
    assert right(HOLDOUT, LABELS, found[1]) >= right(HOLDOUT, LABELS, 1.0) - 3


def test_the_fit_describes_the_share_of_each_step() -> None:
    fitted = fit_rule("cascade", HOLDOUT, LABELS, temperature="before", cost=CostSettings(accuracy_loss=0.02))
    counts = count_evaluated(fitted.scale(HOLDOUT), fitted.parameters["threshold"])
    assert fitted.details == pytest.approx({f"share_{step}": np.mean(counts == step) for step in (1, 2, 3)})


def test_one_member_needs_no_threshold() -> None:
    assert fit_threshold(HOLDOUT[:1], LABELS, 0.0) == 0
