"""Every classical model: valid probabilities, saving, reproducibility; and the support vector machine."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineup.data.synthetic import generate
from lineup.errors import LineupError
from lineup.models.kernel_machine import KernelMachine, couple, fit_sigmoid
from lineup.models.registry import architecture, list_architectures
from lineup.models.settings import ClassicalRecipe
from lineup.training.backup import Backup
from lineup.training.estimator import fit_estimator, fit_model, libraries, predict_estimator
from lineup.training.fitted import TrainingData
from lineup.training.skops_file import arrays_sha256, load_estimator, save_estimator

pytestmark = pytest.mark.slow

SMALL: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "svm": {},
    "svm_linear": {},
    "svm_polynomial": {"degree": 2},
    "random_forest": {"trees": 5},
    "knn": {},
    "mlp": {"units": 32, "epochs": 20},
    "gradient_boosting": {"trees": 5, "leaves": 7},
}
RANDOM = {"svm", "svm_linear", "svm_polynomial", "random_forest", "mlp"}
GENERATED = generate(train_images=300, test_images=100, seed=1)


def fitted(name: str, seed: int) -> Any:
    """Return a small model of the generated images."""
    estimator = architecture("classical", name).make((28, 28, 1), 10, SMALL[name])
    return fit_estimator(estimator, GENERATED.train_images, GENERATED.train_labels, seed)


@pytest.fixture(scope="module", params=SMALL)
def model(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """Each model, fitted once."""
    return request.param, fitted(request.param, seed=1)


def test_every_registered_model_is_tested() -> None:
    assert [entry.name for entry in list_architectures("classical")] == list(SMALL)


def test_probabilities_are_valid_and_better_than_chance(model: tuple[str, Any]) -> None:
    probabilities = predict_estimator(model[1], GENERATED.test_images)
    assert probabilities.shape == (100, 10)
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == GENERATED.test_labels) > 0.5
    none = predict_estimator(model[1], GENERATED.test_images[:0])
    assert none.shape == (0, 10)
    assert none.dtype == np.float32


def test_predictions_do_not_depend_on_the_batch_size(model: tuple[str, Any]) -> None:
    images = GENERATED.test_images
    parts = [predict_estimator(model[1], images[start : start + 33]) for start in range(0, len(images), 33)]
    assert len(parts) > 1
    np.testing.assert_allclose(np.concatenate(parts), predict_estimator(model[1], images), atol=1e-6)


def test_a_saved_model_gives_the_same_predictions(model: tuple[str, Any], tmp_path: Path) -> None:
    save_estimator(tmp_path / "estimator.skops", model[1])
    loaded = load_estimator(tmp_path / "estimator.skops", 784)
    images = GENERATED.test_images
    np.testing.assert_array_equal(predict_estimator(loaded, images), predict_estimator(model[1], images))
    assert arrays_sha256(loaded) == arrays_sha256(model[1])


def test_equal_seeds_give_equal_models_and_files(model: tuple[str, Any], tmp_path: Path) -> None:
    name, first = model
    again = fitted(name, seed=1)
    assert arrays_sha256(again) == arrays_sha256(first)
    for file, estimator in (("first", first), ("again", again)):
        save_estimator(tmp_path / file, estimator)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_another_seed_gives_another_model(name: str) -> None:
    one, other = fitted(name, seed=1), fitted(name, seed=2)
    assert arrays_sha256(one) != arrays_sha256(other)
    assert not np.array_equal(
        predict_estimator(one, GENERATED.test_images), predict_estimator(other, GENERATED.test_images)
    )


def test_an_invalid_option_raises_a_one_line_error() -> None:
    with pytest.raises(LineupError, match=r"options of knn \(k=5\): .*unexpected keyword argument 'k'"):
        architecture("classical", "knn").make((28, 28, 1), 10, {"k": 5})


def test_classes_are_weighted_where_the_model_supports_it(tmp_path: Path) -> None:
    few = GENERATED.train_labels != 3
    few[np.flatnonzero(~few)[:4]] = True
    data = TrainingData(
        GENERATED.train_images[few],
        GENERATED.train_labels[few],
        GENERATED.test_images,
        GENERATED.test_labels,
        classes=10,
    )
    weights: tuple[Literal["balanced"] | None, ...] = (None, "balanced")
    for name in ("random_forest", "logistic_regression"):
        found = []
        for number, weight in enumerate(weights):
            recipe = ClassicalRecipe(
                family="classical", architecture=name, validation=0.2, options=SMALL[name], class_weight=weight
            )
            done = fit_model(architecture("classical", name), recipe, data, lambda row: None, Backup(None))
            (tmp_path / f"{name}{number}").mkdir()
            done.model.save(tmp_path / f"{name}{number}")
            loaded = load_estimator(tmp_path / f"{name}{number}" / "estimator.skops", 784)
            found.append(predict_estimator(loaded, GENERATED.test_images))
        assert found[1][:, 3].mean() > found[0][:, 3].mean(), name
    with pytest.raises(LineupError, match="class_weight = 'balanced': not supported by knn; remove the setting"):
        fit_model(
            architecture("classical", "knn"),
            ClassicalRecipe(family="classical", architecture="knn", validation=0.2, class_weight="balanced"),
            data,
            lambda row: None,
            Backup(None),
        )


def test_a_perceptron_stops_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("mlp", seed=1)


def test_libraries_are_named() -> None:
    import sklearn

    assert libraries()["scikit-learn"] == sklearn.__version__


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return scikit-learn's small digits: 400 for the fit and 200 others."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    return inputs[:400].astype(np.float32), labels[:400], inputs[400:600].astype(np.float32), labels[400:600]


@pytest.mark.parametrize(
    ("degree", "kernel"),
    [(None, {}), (1, {"kernel": "poly", "degree": 1}), (3, {"kernel": "poly", "degree": 3})],
)
def test_margins_equal_scikit_learn(degree: int | None, kernel: dict[str, Any]) -> None:
    from sklearn.svm import SVC

    inputs, labels, others, _ = digits()
    ours = KernelMachine(c=10, degree=degree, random_state=1).fit(inputs, labels)
    theirs = SVC(C=10, decision_function_shape="ovo", **kernel).fit(inputs, labels)
    np.testing.assert_allclose(ours.decision_function(others), theirs.decision_function(others), atol=0.01)
    assert ours.decision_function(others[:0]).shape == (0, 45)


def test_degree_1_is_the_linear_kernel() -> None:
    from sklearn.svm import SVC

    inputs, labels, others, _ = digits()
    ours = KernelMachine(c=10, degree=1, random_state=1).fit(inputs, labels)
    scale = np.sqrt(ours.gamma_)
    theirs = SVC(C=10, kernel="linear", decision_function_shape="ovo").fit(scale * inputs, labels)
    np.testing.assert_allclose(ours.decision_function(others), theirs.decision_function(scale * others), atol=0.01)


def test_probabilities_are_as_good_as_in_libsvm() -> None:
    from sklearn.metrics import log_loss
    from sklearn.svm import SVC

    inputs, labels, others, expected = digits()
    ours = KernelMachine(c=10, random_state=1).fit(inputs, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # probability=True is deprecated
        theirs = SVC(C=10, probability=True, random_state=1).fit(inputs, labels)
    assert log_loss(expected, ours.predict_proba(others)) < log_loss(expected, theirs.predict_proba(others)) + 0.03


def test_a_sigmoid_has_the_lowest_log_loss() -> None:
    from scipy.optimize import minimize

    random = np.random.default_rng(1)
    first = random.random(200) < 0.3
    margins = random.normal(size=200) + 2 * first
    targets = np.where(first, (first.sum() + 1) / (first.sum() + 2), 1 / ((~first).sum() + 2))

    def loss(line: np.ndarray) -> float:
        logits = line[0] * margins + line[1]
        return float(np.sum(np.logaddexp(0, logits) - targets * logits))

    np.testing.assert_allclose(fit_sigmoid(margins, first), minimize(loss, [0.0, 0.0]).x, atol=1e-3)


def test_a_sigmoid_of_separated_classes_is_finite() -> None:
    slope, offset = fit_sigmoid(np.linspace(-1, 1, 20), np.linspace(-1, 1, 20) > 0)
    assert 0 < slope < 100
    assert abs(offset) < 1


@given(weights=st.lists(st.floats(0.01, 1), min_size=3, max_size=10))
def test_consistent_pairs_give_the_original_probabilities(weights: list[float]) -> None:
    probabilities = np.array(weights) / np.sum(weights)
    rows, columns = np.triu_indices(len(weights), 1)
    pairwise = probabilities[rows] / (probabilities[rows] + probabilities[columns])
    np.testing.assert_allclose(couple(pairwise[None], len(weights))[0], probabilities, atol=1e-9)


@given(pairwise=st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_inconsistent_pairs_give_the_optimal_probabilities(pairwise: list[float]) -> None:
    k, rows, columns = 5, *np.triu_indices(5, 1)
    (found,) = couple(np.array([pairwise]), k)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    ours = np.clip(pairwise, 1e-7, 1 - 1e-7)

    def inconsistency(p: np.ndarray) -> float:
        return float(np.sum(((1 - ours) * p[rows] - ours * p[columns]) ** 2))

    for moved in np.random.default_rng(1).dirichlet(np.ones(k), 50):
        for step in (0.01, 0.3, 1):
            assert inconsistency(found) <= inconsistency(found + step * (moved - found)) + 1e-9
