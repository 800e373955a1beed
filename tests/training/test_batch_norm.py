"""Batch normalisation with one operation of TensorFlow, compared with the layer of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.training.batch_norm import fused_batch_norm


def one_step(layer: Any, inputs: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Return the outputs, the gradients and the moving statistics of a training step."""
    import tensorflow as tf

    values = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = layer(values, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    gradients = tape.gradient(loss, [values, *(weight.value for weight in layer.trainable_variables)])
    return [np.asarray(value, np.float32) for value in (outputs, *gradients, *layer.non_trainable_variables)]


@pytest.mark.parametrize("shape", [(64, 6), (16, 5, 6), (8, 4, 5, 6)])
@pytest.mark.parametrize("scale", [True, False])
def test_the_fused_operation_computes_what_keras_computes(shape: tuple[int, ...], scale: bool) -> None:
    import keras

    random = np.random.default_rng(1)
    inputs = random.normal(3, 2, shape).astype(np.float32)
    weights = random.normal(size=shape).astype(np.float32)
    steps = []
    for fused in (False, True):
        layer = keras.layers.BatchNormalization(scale=scale, momentum=0.9)
        layer.build(shape)
        layer.beta.assign(np.arange(6))
        if fused:
            with fused_batch_norm():
                steps.append(one_step(layer, inputs, weights))
        else:
            steps.append(one_step(layer, inputs, weights))
    for plain, found in zip(*steps, strict=True):
        np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-4)


def test_a_layer_that_is_frozen_keeps_its_statistics() -> None:
    import keras

    layer = keras.layers.BatchNormalization(trainable=False)
    layer.build((None, 3))
    with fused_batch_norm():
        outputs = layer(np.full((4, 3), 2.0, np.float32), training=True)
    np.testing.assert_allclose(outputs, 2.0, atol=0.01)
    assert np.array_equal(layer.moving_mean, np.zeros(3))


def test_bfloat16_gives_bfloat16_and_statistics_in_float32() -> None:
    import keras
    import tensorflow as tf

    inputs = np.random.default_rng(1).normal(5, 2, (256, 4, 4, 3)).astype(np.float32)
    layer = keras.layers.BatchNormalization(momentum=0.0, dtype="mixed_bfloat16")
    layer.build(inputs.shape)
    with fused_batch_norm():
        outputs = layer(tf.constant(inputs), training=True)
    assert outputs.dtype == tf.bfloat16
    assert layer.moving_mean.dtype == "float32"
    np.testing.assert_allclose(layer.moving_mean, inputs.mean(axis=(0, 1, 2)), rtol=0.01)
    np.testing.assert_allclose(layer.moving_variance, inputs.var(axis=(0, 1, 2)), rtol=0.02)


def test_a_network_that_was_trained_with_it_is_saved_as_a_network_of_keras(tmp_path: Path) -> None:
    import keras

    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.BatchNormalization()])
    with fused_batch_norm():
        network(np.zeros((2, 4, 4, 1), np.float32), training=True)
        network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    assert type(loaded.layers[0]) is keras.layers.BatchNormalization
