"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from lineup.committee.temperature import TEMPERATURE_LIMITS, apply_temperature, fit_temperature
from tests.committee.strategies import log_loss, members, skilled_members


@given(members())
@settings(deadline=None)
def test_a_temperature_of_one_changes_nothing(probabilities: np.ndarray) -> None:
    exact = probabilities / probabilities.sum(axis=2, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), exact, rtol=0, atol=1e-12)


@given(members(), st.floats(*TEMPERATURE_LIMITS))
@settings(deadline=None)
def test_the_predicted_class_stays_and_rows_sum_to_one(probabilities: np.ndarray, temperature: float) -> None:
    scaled = apply_temperature(probabilities, temperature)
    np.testing.assert_allclose(scaled.sum(axis=2), 1, atol=1e-12)
    first = np.take_along_axis(scaled, probabilities.argmax(axis=2)[..., None], axis=2)
    assert (first[..., 0] == scaled.max(axis=2)).all()


def test_a_temperature_divides_the_logits() -> None:
    logits = np.array([[3.0, 1.0, -2.0], [-1.0, 0.5, 0.0]])
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(apply_temperature(probabilities, 2.5), expected)


@pytest.mark.parametrize("true_temperature", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_fitted_temperature_is_that_of_scipy(true_temperature: float, seed: int) -> None:
    (predictions,), labels = skilled_members(seed, (1.5,))
    predictions = apply_temperature(predictions, 1 / true_temperature)

    def loss(log_temperature: float) -> float:
        return log_loss(apply_temperature(predictions, float(np.exp(log_temperature))), labels)

    expected = minimize_scalar(loss, bounds=(np.log(0.01), np.log(100)), method="bounded", options={"xatol": 1e-9})
    found = fit_temperature(predictions, labels)
    assert found == pytest.approx(np.exp(expected.x), rel=1e-5)
    assert log_loss(apply_temperature(predictions, found), labels) <= expected.fun + 1e-12


def test_the_fit_finds_a_known_temperature() -> None:
    (predictions,), labels = skilled_members(0, (1.5,))
    right = fit_temperature(predictions, labels)
    assert fit_temperature(apply_temperature(predictions, 1 / 3), labels) == pytest.approx(3 * right)


def test_the_fitted_temperature_is_within_its_limits() -> None:
    confident = np.array([[0.9, 0.1], [0.2, 0.8]])
    low, high = TEMPERATURE_LIMITS
    assert low <= fit_temperature(confident, np.array([0, 1])) < 0.1
    assert fit_temperature(confident, np.array([1, 0])) == pytest.approx(high)
    saturated = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert low <= fit_temperature(saturated, np.array([0, 0, 1])) <= 1
    assert fit_temperature(saturated, np.array([1, 1, 0])) == pytest.approx(high)


def test_the_temperature_of_uniform_predictions_is_one() -> None:
    assert fit_temperature(np.full((4, 2), 0.5), np.array([0, 1, 1, 1])) == 1.0
