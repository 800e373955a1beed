"""The settings precision and mirror_predictions of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.explain.network import grad_cam
from lineup.models.registry import architecture
from lineup.models.settings import NetworkRecipe
from lineup.training.backup import Backup
from lineup.training.classifier import fit_model
from lineup.training.fitted import Fitted, TrainingData
from lineup.training.loop import predict
from lineup.training.network import NETWORK, inner_network, load_network, weights_sha256


def trained(**settings: Any) -> tuple[Fitted, np.ndarray]:
    """Train a small ResNet-9 on images whose brightness depends on the class. Return it and the images."""
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    labels = (np.arange(60) % 3).astype(np.uint8)
    images = (random.integers(0, 100, (60, 12, 12)) + 70 * labels[:, None, None]).astype(np.uint8)
    given: dict[str, Any] = {"epochs": 3, "batch_size": 12, "learning_rate": 0.02, "validation": 0.2} | settings
    recipe = NetworkRecipe(family="residual", architecture="resnet_9", options={"width": 4}, **given)
    data = TrainingData(images[:48], labels[:48], images[48:], labels[48:], classes=3)
    entry = architecture("residual", "resnet_9")
    return fit_model(entry, recipe, data, lambda row: None, Backup(None)), images


@pytest.fixture(scope="module")
def plain() -> Fitted:
    """The network with the default settings."""
    return trained()[0]


def test_mirrored_images_give_the_same_probabilities(plain: Fitted, tmp_path: Path) -> None:
    fitted, images = trained(mirror_predictions=True)
    expected = (plain.model.predict(images) + plain.model.predict(images[:, :, ::-1])) / 2
    np.testing.assert_allclose(fitted.model.predict(images), expected, atol=1e-6)
    fitted.model.save(tmp_path)
    loaded = load_network(tmp_path / NETWORK)
    np.testing.assert_allclose(np.asarray(loaded(images)), expected, atol=1e-6)
    # The figures of a network show the inner network, which was trained.
    inner = inner_network(loaded)
    assert weights_sha256(inner) == plain.model.weights.sha256
    assert grad_cam(inner, images[:2], np.array([0, 1])).shape == (2, 3, 3)


def test_snapshots_are_the_networks_at_the_end_of_each_cycle(tmp_path: Path) -> None:
    first, images = trained(epochs=2, schedule="cosine")
    fitted, _ = trained(epochs=4, schedule="cosine", snapshots=2)
    rates = [row.learning_rate for row in fitted.history]
    assert rates[:2] == pytest.approx(rates[2:])
    fitted.model.save(tmp_path)
    loaded = load_network(tmp_path / NETWORK)
    copies = [loaded.get_layer(f"resnet_9_{number}") for number in (1, 2)]
    assert weights_sha256(copies[0]) == first.model.weights.sha256
    assert weights_sha256(copies[1]) != first.model.weights.sha256
    mean = sum(predict(copy, images) for copy in copies) / 2
    np.testing.assert_allclose(fitted.model.predict(images), mean, atol=1e-6)
    assert fitted.model.weights.parameters == 2 * first.model.weights.parameters
    assert inner_network(loaded) is copies[1]


def test_mixed_precision_keeps_weights_and_probabilities_in_float32(plain: Fitted, tmp_path: Path) -> None:
    fitted, images = trained(precision="mixed_bfloat16")
    fitted.model.save(tmp_path)
    network = load_network(tmp_path / NETWORK)
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network.layers[2].compute_dtype == "bfloat16"
    found = fitted.model.predict(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert fitted.model.weights.sha256 != plain.model.weights.sha256
    assert fitted.history[0].loss == pytest.approx(plain.history[0].loss, rel=0.05)
    # The policy does not remain for the next network of the process.
    assert trained()[0].model.weights.sha256 == plain.model.weights.sha256


def test_mixed_precision_needs_a_layer_at_the_end() -> None:
    from lineup.training.classifier import _float32_output

    with pytest.raises(
        LineupError, match="precision: expected a Keras layer at the end of the network, found function"
    ):
        _float32_output([lambda tensor: tensor])
