"""Count the arithmetic of a training step, and measure the rate at which the machine multiplies matrices."""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

WEIGHTED = ("Conv1D", "Conv2D", "Dense")
REPEATS = 7


def training_operations(network: keras.Model) -> int:
    """Return the floating-point operations of one training step, for each image of its batch.

    Parameters
    ----------
    network : keras.Model
        A graph of layers, not of networks.

    Returns
    -------
    int

    Notes
    -----
    The convention is the usual one (as PyTorch's ``FlopCounterMode`` counts): convolutions and dense layers alone, two
    operations a multiply-add, whether or not padding makes one of its factors zero. Going back costs as much again for
    the gradient of the weights, and as much again for that of the input, which the first layer does not need.
    Pooling, normalisation, activations, the loss and the update of the weights are left out.
    """
    weighted = [layer for layer in network.layers if type(layer).__name__ in WEIGHTED]
    products: list[int] = [math.prod(layer.output.shape[1:]) * math.prod(layer.kernel.shape[:-1]) for layer in weighted]
    return 2 * (3 * sum(products) - products[0])


def matrix_rate(size: int) -> float:
    """Return the operations a second of a product of two float32 matrices of ``size`` by ``size`` in TensorFlow.

    On the default device, with the threads that TensorFlow is set to; the median of seven after one that warms up.
    """
    import tensorflow as tf

    left, right = tf.random.normal((size, size)), tf.random.normal((size, size))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(left, right)))
    float(product())
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        float(product())  # the sum brings one number back, so that a GPU has to be done
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds)
