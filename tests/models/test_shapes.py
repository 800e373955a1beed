"""Every family works with colour images and with two classes: build, train one step, save, load and predict."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.models.layers import Shape, classifier
from lineup.models.registry import FAMILIES, PROJECT, Architecture, architecture, list_architectures
from lineup.models.settings import Augmentation, ClassicalRecipe, Fit, NetworkRecipe
from lineup.serving.predictor import load_predictor
from lineup.training.backup import Backup
from lineup.training.fitted import TrainingData
from lineup.training.trainers import trainer_of

pytestmark = pytest.mark.slow

CASES: list[tuple[Shape, int]] = [((32, 32, 3), 3), ((20, 24, 1), 2)]
IDS = ["colour", "two classes"]
SMALL: dict[str, dict[str, int | float | str | bool]] = {
    "random_forest": {"trees": 3},
    "mlp": {"units": 8, "epochs": 2},
    "gradient_boosting": {"trees": 2},
}
# One architecture per family of networks, and all classical models: each of those is an estimator of its own.
FIRST = [
    list_architectures(family)[0]
    for family in FAMILIES
    if FAMILIES[family].kind == "network" and family not in (PROJECT, "transfer")  # see test_transfer.py
]
TRAINED = [*FIRST, *list_architectures("classical")]


def data(shape: Shape, classes: int) -> TrainingData:
    """Return random images whose brightness depends on the class, 24 to train on and 12 to validate on."""
    random = np.random.default_rng(1)
    labels = (np.arange(36) % classes).astype(np.uint8)
    stored = shape[:2] if shape[2] == 1 else shape
    images = random.integers(0, 100, (36, *stored)) + 70 * labels.reshape(-1, *[1] * len(stored))
    images = images.astype(np.uint8)
    return TrainingData(images[:24], labels[:24], images[24:], labels[24:], classes)


def recipe_of(entry: Architecture) -> NetworkRecipe | ClassicalRecipe:
    """Return a recipe of one step per phase."""
    if entry.kind == "classical":
        options = SMALL.get(entry.name, {})
        return ClassicalRecipe(family=entry.family, architecture=entry.name, validation=0.2, options=options)
    pretrain = Fit(epochs=1, batch_size=24, learning_rate=0.001) if entry.family == "autoencoder" else None
    return NetworkRecipe(
        epochs=1,
        batch_size=24,
        learning_rate=0.001,
        augment=None if pretrain else Augmentation(shift=2, mirror=True, cutout=4),
        family=entry.family,
        architecture=entry.name,
        validation=0.2,
        pretrain=pretrain,
    )


@pytest.mark.parametrize(("shape", "classes"), CASES, ids=IDS)
@pytest.mark.parametrize("entry", TRAINED, ids=lambda entry: entry.name)
def test_every_family_trains_and_predicts(entry: Architecture, shape: Shape, classes: int, tmp_path: Path) -> None:
    images = data(shape, classes)
    fitted = trainer_of(entry).fit(entry, recipe_of(entry), images, lambda row: None, Backup(None))
    expected = fitted.model.predict(images.val_images)
    assert expected.shape == (12, classes)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    fitted.model.save(tmp_path)
    found = load_predictor(tmp_path, shape)(images.val_images)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("shape", "classes"), CASES, ids=IDS)
@pytest.mark.parametrize(
    "entry",
    [entry for entry in list_architectures() if entry.kind == "network" and entry.family != "autoencoder"],
    ids=lambda entry: entry.name,
)
def test_every_network_is_built(entry: Architecture, shape: Shape, classes: int) -> None:
    layers = entry.make(shape, classes, {})
    network = classifier(entry.name, "unit", layers, shape, channels=entry.channels)
    assert network.input_shape[1:] == (shape if shape[2] > 1 else shape[:2])
    assert network.output_shape == (None, classes)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (20, 24, 1), (17, 5, 2), (1, 1, 1)], ids=str)
def test_the_autoencoder_reconstructs_images_of_any_size(shape: Shape) -> None:
    import keras

    parts = architecture("autoencoder", "frozen_encoder").make(shape, 2, {"latent_size": 4})
    autoencoder = keras.Sequential([keras.Input(shape), *parts.encoder, *parts.decoder])
    assert autoencoder.output_shape == (None, *shape)


def test_reconstructions_have_the_shape_of_the_images() -> None:
    entry = architecture("autoencoder", "frozen_encoder")
    images = data((20, 24, 3), 2)
    fitted = trainer_of(entry).fit(entry, recipe_of(entry), images, lambda row: None, Backup(None))
    assert fitted.arrays["originals"].shape == fitted.arrays["reconstructions"].shape == (10, 20, 24, 3)


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("cnn", "conv2d_4", "8 x 8 pixels are too few for 3 convolutions"),
        ("conv1d", "conv1d_3", "8 rows of pixels are too few for 3 convolutions over rows"),
    ],
)
def test_images_that_are_too_small_raise_a_one_line_error(family: str, name: str, message: str) -> None:
    with pytest.raises(LineupError, match=rf"^options of {name} \(padding='valid'\): {message}$"):
        architecture(family, name).make((8, 8, 1), 2, {"padding": "valid"})


@pytest.mark.parametrize(("family", "name"), [("cnn", "conv2d_4"), ("conv1d", "conv1d_3")])
def test_an_unknown_padding_raises_a_one_line_error(family: str, name: str) -> None:
    with pytest.raises(LineupError, match=rf"^options of {name} \(padding='full'\): .*full"):
        architecture(family, name).make((28, 28, 1), 10, {"padding": "full"})


@pytest.mark.parametrize(
    ("family", "name", "parameters"),
    [
        ("cnn", "conv2d_4", 60_554),
        ("cnn", "conv2d_5", 110_474),
        ("conv1d", "conv1d_baseline", 83_142),
        ("conv1d", "conv1d_1", 93_446),
        ("conv1d", "conv1d_2", 99_786),
        ("conv1d", "conv1d_3", 147_274),
    ],
)
def test_a_network_without_padding_has_fewer_parameters(family: str, name: str, parameters: int) -> None:
    entry = architecture(family, name)
    layers = entry.make((28, 28, 1), 10, {"padding": "valid"})
    network = classifier(name, "unit", layers, (28, 28, 1), channels=entry.channels)
    assert network.count_params() == parameters < entry.parameters


def test_margins_of_two_classes_are_those_of_the_first_one() -> None:
    from sklearn.svm import SVC

    from lineup.models.kernel_machine import KernelMachine

    images = data((20, 24, 1), 2)
    inputs = images.images.reshape(24, math.prod(images.shape)).astype(np.float32)
    ours = KernelMachine(random_state=1).fit(inputs, images.labels)
    theirs = SVC(C=10).fit(inputs, images.labels)
    margins = ours.decision_function(inputs)
    np.testing.assert_allclose(margins[:, 0], -theirs.decision_function(inputs), atol=1e-6)
    np.testing.assert_array_equal(ours.predict_proba(inputs).argmax(axis=1), images.labels)
    assert (margins[images.labels == 0] > 0).all()


def test_the_error_for_a_huge_feature_map_suggests_a_change() -> None:
    entry, shape = architecture("cnn", "basic_cnn"), (224, 224, 3)
    message = (
        r"^cnn basic_cnn: .*394,272 values, expected at most 100,000; choose smaller images \(data.size\), or a network"
        " with global pooling such as resnet"
    )
    images = np.zeros((2, *shape), np.uint8)
    data = TrainingData(images, np.zeros(2, np.uint8), images, np.zeros(2, np.uint8), 2)
    with pytest.raises(LineupError, match=message):
        trainer_of(entry).fit(entry, recipe_of(entry), data, lambda row: None, Backup(None))


@pytest.mark.parametrize("edge", [64, 96])
@pytest.mark.parametrize("name", ["basic_cnn", "conv2d_5", "depth_2"])
def test_networks_with_dense_layers_take_colour_images_of_this_size(edge: int, name: str) -> None:
    layers = architecture("cnn", name).make((edge, edge, 3), 5, {})
    assert classifier(name, "unit", layers, (edge, edge, 3)).output_shape == (None, 5)
