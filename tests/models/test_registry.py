"""Build, train, save and load every registered architecture, and count its parameters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.models.registry import (
    Architecture,
    architecture,
    list_architectures,
    register_model,
)
from lineup.models.settings import Fit, NetworkRecipe
from lineup.records.history import Epoch
from lineup.training.backup import Backup
from lineup.training.fitted import Fitted, TrainingData
from lineup.training.loop import predict
from lineup.training.network import Network
from lineup.training.trainers import trainer_of

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    import keras

# The family transfer has large networks and its own tests.
NETWORKS = [entry for entry in list_architectures() if entry.kind == "network" and entry.family != "transfer"]


NO_BACKUP = Backup(None)


def recipe_of(entry: Architecture, epochs: int) -> NetworkRecipe:
    """Return a short recipe for an architecture."""
    return NetworkRecipe(
        epochs=epochs,
        batch_size=16,
        learning_rate=0.001,
        family=entry.family,
        architecture=entry.name,
        validation=0.2,
        seeds=[1],
        pretrain=Fit(epochs=1, batch_size=16, learning_rate=0.001) if entry.family == "autoencoder" else None,
    )


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda entry: entry.name)
def trained(request: pytest.FixtureRequest) -> tuple[Architecture, Fitted, list[Epoch]]:
    """An architecture after one epoch of a few steps on random images."""
    entry: Architecture = request.param
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (48, 28, 28), dtype=np.uint8)
    labels = np.arange(48, dtype=np.uint8) % 10
    data = TrainingData(images[:32], labels[:32], images[32:], labels[32:], 10)
    recipe = recipe_of(entry, epochs=1)
    reported: list[Epoch] = []
    return entry, trainer_of(entry).fit(entry, recipe, data, reported.append, NO_BACKUP), reported


def test_parameter_count_is_the_registered_one(trained: tuple[Architecture, Fitted, list[Epoch]]) -> None:
    entry, fitted, _ = trained
    assert fitted.model.weights.parameters == entry.parameters


def test_probabilities_of_raw_images(trained: tuple[Architecture, Fitted, list[Epoch]]) -> None:
    _, fitted, _ = trained
    images = np.random.default_rng(2).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    probabilities = fitted.model.predict(images)
    assert probabilities.shape == (5, 10)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    none = fitted.model.predict(images[:0])
    assert none.shape == (0, 10)
    assert none.dtype == np.float32


def test_a_saved_model_gives_the_same_predictions(
    trained: tuple[Architecture, Fitted, list[Epoch]], tmp_path: Path
) -> None:
    import keras

    _, fitted, _ = trained
    images = np.random.default_rng(3).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    fitted.model.save(tmp_path)
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(predict(loaded, images), fitted.model.predict(images))


def test_every_epoch_is_reported_and_kept(trained: tuple[Architecture, Fitted, list[Epoch]]) -> None:
    _, fitted, reported = trained
    assert reported == fitted.history or [dataclasses.astuple(a)[:3] for a in reported] == [
        dataclasses.astuple(b)[:3] for b in fitted.history
    ]
    assert fitted.history[-1].phase == "classifier"
    assert set(fitted.phase_seconds) == {row.phase for row in fitted.history}


def test_scaling_is_part_of_the_network() -> None:
    from lineup.models.layers import classifier

    images = np.array([0, 255], dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
    for scaling, expected in (("unit", [0, 1]), ("symmetric", [-1, 1])):
        scaled = predict(classifier("scaling_only", scaling, [], (28, 28, 1), channels=False), images)
        np.testing.assert_allclose(scaled[:, 0, 0], expected, atol=1e-6)


def fit_encoder(**settings: Any) -> Network:
    """Return a network of the frozen-encoder pipeline, always from the same seed."""
    import keras

    entry = architecture("autoencoder", "frozen_encoder")
    images = np.random.default_rng(4).integers(0, 256, (64, 28, 28), dtype=np.uint8)
    labels = np.arange(64, dtype=np.uint8) % 10
    keras.utils.set_random_seed(7)
    recipe = dataclasses.replace(recipe_of(entry, 1), **settings)
    data = TrainingData(images, labels, images[:16], labels[:16], 10)
    model = trainer_of(entry).fit(entry, recipe, data, lambda row: None, NO_BACKUP).model
    assert isinstance(model, Network)
    assert model.weights.parameters == model.weights.trainable + model.weights.frozen
    return model


@pytest.fixture(scope="module")
def frozen() -> Network:
    """A network with a frozen encoder, after one epoch."""
    return fit_encoder()


def changed(one: keras.Model, other: keras.Model) -> dict[str, bool]:
    """Return, for each kind of weight, whether two encoders differ."""
    found: dict[str, bool] = {}
    weights = zip(one.get_layer("encoder").weights, other.get_layer("encoder").weights, strict=True)
    for left, right in weights:
        kind = left.path.rpartition("/")[2]
        found[kind] = found.get(kind, False) or not np.array_equal(left.numpy(), right.numpy())
    return found


def test_a_frozen_encoder_trains_only_its_head(frozen: Network) -> None:
    long = fit_encoder(epochs=5)
    # The number of epochs of the head changes neither the weights of the encoder nor its statistics.
    assert not any(changed(frozen.keras_model, long.keras_model).values())
    assert frozen.weights.sha256 != long.weights.sha256
    assert (frozen.weights.trainable, frozen.weights.frozen) == (17_226, 224_704)


def test_unfrozen_batch_normalisation_continues_to_learn(frozen: Network) -> None:
    unfrozen = fit_encoder(options={"frozen_batch_norm": False})
    differences = changed(frozen.keras_model, unfrozen.keras_model)
    assert {kind for kind, differs in differences.items() if differs} == {
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    }


def test_finetuning_changes_the_encoder_but_not_its_statistics(frozen: Network) -> None:
    tuned = fit_encoder(finetune=Fit(epochs=1, batch_size=16, learning_rate=0.001))
    differences = changed(frozen.keras_model, tuned.keras_model)
    assert {kind for kind, differs in differences.items() if differs} == {"kernel", "bias"}


def test_running_statistics_are_not_trainable() -> None:
    from lineup.models.layers import classifier

    entry = architecture("wide_deep", "wide_deep")
    layers = entry.make((28, 28, 1), 10, {})
    network = Network(classifier("wide_deep", "unit", layers, (28, 28, 1), channels=False))
    assert (network.weights.trainable, network.weights.frozen) == (18_170, 120)


def test_linear_probe() -> None:
    assert fit_encoder(options={"probe": "linear"}).weights.trainable == 650
    with pytest.raises(LineupError, match="probe = 'deep': expected one of mlp, linear"):
        fit_encoder(options={"probe": "deep"})


def test_the_head_on_latent_vectors_equals_the_whole_network() -> None:
    """The latent vectors are computed once; the saved network contains encoder and head."""
    entry = architecture("autoencoder", "frozen_encoder")
    images = np.random.default_rng(5).integers(0, 256, (32, 28, 28), dtype=np.uint8)
    labels = np.arange(32, dtype=np.uint8) % 10
    data = TrainingData(images, labels, images, labels, 10)
    fitted = trainer_of(entry).fit(entry, recipe_of(entry, 2), data, lambda row: None, NO_BACKUP)
    accuracy = float((fitted.model.predict(images).argmax(axis=1) == labels).mean())
    assert accuracy == pytest.approx(fitted.history[-1].val_accuracy)


def test_a_name_can_be_registered_only_once() -> None:
    from lineup.models import dense

    with pytest.raises(ValueError, match="registered twice"):
        register_model(report="A", parameters=1)(dense.shallow_nn)


def test_a_builder_without_shape_and_classes_is_refused() -> None:
    def build(units: int = 3) -> None:
        """Return nothing."""

    with pytest.raises(ValueError, match="build: expected the arguments shape and classes first, found units"):
        register_model()(build)


def test_shape_and_classes_are_not_options() -> None:
    assert architecture("cnn", "deeper_cnn").options == ("dropout",)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(LineupError, match="unknown family 'resnets'; expected one of dense, wide_deep, conv1d, cnn"):
        list_architectures("resnets")
    with pytest.raises(
        LineupError, match="unknown architecture 'vgg' in family 'cnn'; expected one of basic_cnn, deeper"
    ):
        architecture("cnn", "vgg")


def test_listing_imports_no_tensorflow() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from lineup.models.registry import list_architectures; assert list_architectures();"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules or 'mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
