"""Every registered architecture: built, counted, trained, saved and loaded. A new one is picked up by itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lineup.config import Fit, Recipe
from lineup.errors import LineupError
from lineup.models.fit import Fitted, TrainingData, predict_network
from lineup.models.registry import Architecture, architecture, fit_model, list_architectures, register_model
from lineup.records.record import Epoch

ARCHITECTURES = list_architectures()


def recipe_of(entry: Architecture, epochs: int) -> Recipe:
    """Return a short recipe for an architecture."""
    return Recipe(
        epochs=epochs,
        batch_size=16,
        learning_rate=0.001,
        family=entry.family,
        architecture=entry.name,
        validation=0.2,
        seed=1,
        pretrain=Fit(epochs=1, batch_size=16, learning_rate=0.001) if entry.family == "autoencoder" else None,
    )


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda entry: entry.name)
def trained(request: pytest.FixtureRequest) -> tuple[Architecture, Fitted, list[Epoch]]:
    """An architecture after one epoch of a few steps on random images."""
    entry: Architecture = request.param
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (48, 28, 28), dtype=np.uint8)
    labels = np.arange(48, dtype=np.uint8) % 10
    data = TrainingData(images[:32], labels[:32], images[32:], labels[32:])
    recipe = recipe_of(entry, epochs=1)
    told: list[Epoch] = []
    return entry, fit_model(entry)(entry, recipe, data, told.append), told


def test_parameter_count_is_the_registered_one(trained: tuple[Architecture, Fitted, list[Epoch]]) -> None:
    entry, fitted, _ = trained
    assert fitted.network.count_params() == entry.parameters


def test_probabilities_of_raw_images(trained: tuple[Architecture, Fitted, list[Epoch]]) -> None:
    _, fitted, _ = trained
    images = np.random.default_rng(2).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    probabilities = predict_network(fitted.network, images)
    assert probabilities.shape == (5, 10)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_saved_model_answers_the_same(trained: tuple[Architecture, Fitted, list[Epoch]], tmp_path: Path) -> None:
    import keras

    _, fitted, _ = trained
    images = np.random.default_rng(3).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    fitted.network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(predict_network(loaded, images), predict_network(fitted.network, images))


def test_every_epoch_is_told_and_kept(trained: tuple[Architecture, Fitted, list[Epoch]]) -> None:
    _, fitted, told = trained
    assert told == fitted.history or [dataclasses.astuple(a)[:3] for a in told] == [
        dataclasses.astuple(b)[:3] for b in fitted.history
    ]
    assert fitted.history[-1].phase == "classifier"
    assert set(fitted.phase_seconds) == {row.phase for row in fitted.history}


def test_scaling_is_part_of_the_network() -> None:
    from lineup.models.registry import classifier

    images = np.array([0, 255], dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
    for scaling, expected in (("unit", [0, 1]), ("symmetric", [-1, 1])):
        scaled = predict_network(classifier("scaling_only", scaling, [], (28, 28)), images)
        np.testing.assert_allclose(scaled[:, 0, 0], expected, atol=1e-6)


def test_frozen_encoder_trains_its_head_alone() -> None:
    entry = architecture("autoencoder", "frozen_encoder")
    random = np.random.default_rng(4)
    images = random.integers(0, 256, (64, 28, 28), dtype=np.uint8)
    labels = np.arange(64, dtype=np.uint8) % 10
    data = TrainingData(images, labels, images[:16], labels[:16])
    fitted = []
    for epochs in (1, 5):
        import keras

        keras.utils.set_random_seed(7)
        fitted.append(fit_model(entry)(entry, recipe_of(entry, epochs), data, lambda row: None))
    encoders = [item.network.get_layer("encoder").get_weights() for item in fitted]
    heads = [item.network.get_layer("head").get_weights() for item in fitted]
    # Weights and the statistics of batch normalisation stay as the autoencoder left them, however long the head trains.
    assert all(np.array_equal(one, other) for one, other in zip(*encoders, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(*heads, strict=True))
    trainable = sum(int(np.prod(weight.shape)) for weight in fitted[0].network.trainable_weights)
    assert trainable == 17_226
    assert fitted[0].network.count_params() - trainable == 224_704


def test_head_on_codes_is_the_whole_network() -> None:
    """The codes are computed once; the network that is saved must answer as encoder and head together do."""
    entry = architecture("autoencoder", "frozen_encoder")
    images = np.random.default_rng(5).integers(0, 256, (32, 28, 28), dtype=np.uint8)
    labels = np.arange(32, dtype=np.uint8) % 10
    data = TrainingData(images, labels, images, labels)
    fitted = fit_model(entry)(entry, recipe_of(entry, 2), data, lambda row: None)
    accuracy = float((predict_network(fitted.network, images).argmax(axis=1) == labels).mean())
    assert accuracy == pytest.approx(fitted.history[-1].val_accuracy)


def test_a_name_is_registered_once() -> None:
    from lineup.models import dense

    with pytest.raises(ValueError, match="registered twice"):
        register_model(report="A", parameters=1)(dense.shallow_nn)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(LineupError, match="unknown family 'resnets'; known: dense, cnn, autoencoder"):
        list_architectures("resnets")
    with pytest.raises(LineupError, match="unknown architecture 'vgg' in family 'cnn'; known: basic_cnn, deeper_cnn"):
        architecture("cnn", "vgg")


def test_listing_imports_no_tensorflow() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from lineup.models.registry import list_architectures; assert list_architectures();"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules or 'mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
