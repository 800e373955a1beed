"""Grad-CAM, feature maps, filters and latent vectors, compared with values that are computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.explain.network import (
    UnsuitableModelError,
    convolutions,
    feature_maps,
    first_filters,
    grad_cam,
    latent_vectors,
    resize_maps,
)
from lineup.explain.projection import projections
from lineup.models.layers import classifier
from lineup.models.registry import architecture
from lineup.training.devices import quiet_stderr
from tests.networks import random_images, tiny_network

with quiet_stderr():
    import keras

if TYPE_CHECKING:
    from collections.abc import Sequence

layers = keras.layers

IMAGE = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 0, 0, 8], [0, 0, 0, 0]], np.uint8)
SUMS, FIRSTS = [[4, 8], [3, 8]], [[1, 2], [3, 0]]
"""Output of the convolution of `by_hand`: the sum of each 2 x 2 block of `IMAGE`, and its first pixel."""


def by_hand(*, nested: bool = False, bias: Sequence[float] = (0, 0)) -> Any:
    """Return a network with known weights: blocks of 2 x 2 pixels, their mean over the image, two classes."""
    convolution = layers.Conv2D(2, 2, strides=2)
    parts = [convolution, layers.GlobalAveragePooling2D()]
    inner = [keras.Sequential([keras.Input((4, 4, 1)), *parts], name="encoder")] if nested else parts
    last = layers.Dense(2, activation="softmax")
    start = [keras.Input((4, 4), dtype="uint8"), layers.Rescaling(1.0), layers.Reshape((4, 4, 1))]
    network = keras.Sequential([*start, *inner, last])
    kernel = np.zeros((2, 2, 1, 2))
    kernel[:, :, 0, 0], kernel[0, 0, 0, 1] = 1, 1
    convolution.set_weights([kernel, np.zeros(2)])
    last.set_weights([np.array([[1, -1], [-2, 4]]), np.array(bias)])
    if nested:
        inner[0].trainable = False
    return network


@pytest.mark.parametrize("nested", [False, True])
def test_grad_cam_is_the_one_computed_by_hand(nested: bool) -> None:
    # The gradient of a score is a quarter of the weight of the channel at each of the four positions.
    network = by_hand(nested=nested)
    maps = grad_cam(network, np.stack([IMAGE, IMAGE]), np.array([0, 1]))
    sums, firsts = np.array(SUMS), np.array(FIRSTS)
    assert maps[0].tolist() == ((sums - 2 * firsts) / 4).clip(0).tolist() == [[0.5, 1.0], [0.0, 2.0]]
    assert maps[1].tolist() == ((4 * firsts - sums) / 4).clip(0).tolist() == [[0.0, 0.0], [2.25, 0.0]]


def test_grad_cam_uses_the_score_before_the_softmax() -> None:
    network = by_hand(bias=(1000, 0))  # the probability is exactly 1, and its gradient is 0
    assert np.asarray(network(IMAGE[None])).tolist() == [[1.0, 0.0]]
    assert grad_cam(network, IMAGE[None], np.array([0])).tolist() == [[[0.5, 1.0], [0.0, 2.0]]]
    assert np.asarray(network(IMAGE[None])).tolist() == [[1.0, 0.0]]  # the softmax is back
    assert "call" not in vars(convolutions(network)[0])


def test_grad_cam_of_a_convolution_over_rows_is_the_one_computed_by_hand() -> None:
    convolution, last = layers.Conv1D(1, 1), layers.Dense(2, activation="softmax")
    network = keras.Sequential(
        [keras.Input((3, 2), dtype="uint8"), layers.Rescaling(1.0), convolution, layers.Flatten(), last]
    )
    convolution.set_weights([np.ones((1, 2, 1)), np.zeros(1)])
    last.set_weights([np.array([[1, -1], [2, -1], [3, -1]]), np.zeros(2)])
    images = np.array([[[1, 1], [2, 2], [0, 3]]] * 2, np.uint8)
    maps = grad_cam(network, images, np.array([0, 1]))
    assert maps.tolist() == [[4, 8, 6], [0, 0, 0]]  # the row sums 2, 4, 3 times the mean gradient 2
    assert resize_maps(maps, (3, 2))[0].tolist() == [[4, 4], [8, 8], [6, 6]]


def test_a_map_is_stretched_between_the_centres_of_its_cells() -> None:
    maps = np.array([[[0.0, 4.0], [8.0, 12.0]]])
    rows = [0.0, 1.0, 3.0, 4.0]
    assert resize_maps(maps, (4, 4))[0].tolist() == [[value + down for value in rows] for down in (0, 2, 6, 8)]
    assert resize_maps(maps, (2, 2)).tolist() == maps.tolist()


def of_family(family: str, name: str, shape: tuple[int, int, int]) -> Any:
    """Return a network of a family, as training builds it, with random weights."""
    entry = architecture(family, name)
    keras.utils.set_random_seed(1)
    built = entry.make(shape, 3, {})
    if family == "autoencoder":
        built = [keras.Sequential([keras.Input(shape), *built.encoder], name="encoder"), *built.head]
    return classifier(name, "unit", built, shape, channels=entry.channels)


@pytest.mark.parametrize(
    ("family", "name", "convolution", "filters"),
    [
        ("cnn", "basic_cnn", (10, 14), (32, 3, 9)),
        ("conv1d", "conv1d_1", (3,), (236, 2, 48)),
        ("residual", "resnet", (6, 8), (32, 3, 9)),
        ("autoencoder", "frozen_encoder", (2, 2), (32, 3, 9)),
    ],
)
def test_every_convolutional_family_has_its_arrays(
    family: str, name: str, convolution: tuple[int, ...], filters: tuple[int, ...]
) -> None:
    network = of_family(family, name, (12, 16, 3))
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
    maps = grad_cam(network, images, np.array([0, 2]))
    assert maps.shape == (2, *convolution)
    assert np.isfinite(maps).all()
    assert (maps >= 0).all()
    assert first_filters(network).shape == filters
    found = feature_maps(network, images)
    assert list(found) == [f"convolution {number + 1}" for number in range(len(convolutions(network)))]
    assert list(found.values())[-1].shape[:-1] == (2, *convolution)


def test_feature_maps_are_the_outputs_of_the_convolutions() -> None:
    maps = feature_maps(by_hand(nested=True), IMAGE[None])
    assert list(maps) == ["convolution 1"]
    assert np.moveaxis(maps["convolution 1"][0], -1, 0).tolist() == [SUMS, FIRSTS]


def test_filters_are_the_weights_of_the_first_convolution() -> None:
    assert first_filters(by_hand()).tolist() == [[[1, 1], [1, 1]], [[1, 0], [0, 0]]]
    deep = keras.Sequential([keras.Input((4, 4, 5)), layers.Conv2D(2, 2)])
    kernel = np.asarray(deep.layers[0].kernel)
    assert np.allclose(first_filters(deep), kernel.mean(axis=2).transpose(2, 0, 1))


def test_latent_vectors_are_the_outputs_of_the_encoder() -> None:
    vectors = latent_vectors(by_hand(nested=True), np.repeat(IMAGE[None], 1003, axis=0))
    assert vectors.shape == (1003, 2)  # more than one batch
    assert (vectors == [np.mean(SUMS), np.mean(FIRSTS)]).all()


def test_other_networks_are_refused() -> None:
    flat = tiny_network(1)
    for compute in (feature_maps, latent_vectors):
        with pytest.raises(UnsuitableModelError, match="this network has no "):
            compute(flat, random_images(1))
    separable = keras.Sequential([keras.Input((4, 4, 1)), layers.SeparableConv2D(2, 2)])
    with pytest.raises(UnsuitableModelError, match="filters of a SeparableConv2D are not supported"):
        first_filters(separable)
    with pytest.raises(LineupError, match="expected a last layer with the activation softmax, found separable_conv2d"):
        grad_cam(separable, np.zeros((1, 4, 4, 1), np.uint8), np.array([0]))


def test_projections_separate_two_clusters_and_are_repeatable() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    vectors[30:, 1] += 40
    found, again = projections(vectors), projections(vectors)
    assert list(found) == ["PCA, 99 % of the variance", "t-SNE, perplexity 20"]
    for name, points in found.items():
        assert points.tobytes() == again[name].tobytes()
        first, second = points[:30], points[30:]
        assert np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)) > first.std() + second.std()
    with pytest.raises(LineupError, match=r"expected 4 vectors of at least 2 numbers, found \(3, 5\)"):
        projections(vectors[:3])
