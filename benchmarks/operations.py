"""Count the arithmetic operations of a training step, and measure the speed of matrix multiplication."""

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
    """Return the number of floating-point operations of one training step per image.

    Parameters
    ----------
    network : keras.Model
        Network without nested networks.

    Returns
    -------
    int

    Notes
    -----
    Only convolutions and dense layers are counted, and a multiply-add counts as two operations, as in PyTorch's
    ``FlopCounterMode``. Multiplications with padding are included. The backward pass needs the same number of
    operations for the gradient of the weights, and again for the gradient of the input. The first layer does not need
    the gradient of its input. Pooling, normalisation, activations, the loss and the weight update are not counted.
    """
    weighted = [layer for layer in network.layers if type(layer).__name__ in WEIGHTED]
    products: list[int] = [math.prod(layer.output.shape[1:]) * math.prod(layer.kernel.shape[:-1]) for layer in weighted]
    return 2 * (3 * sum(products) - products[0])


def matrix_rate(size: int) -> float:
    """Return the operations per second of a multiplication of two float32 matrices in TensorFlow.

    The matrices have ``size`` rows and columns. The multiplication uses the default device and the configured number of
    threads. The result is the median of seven multiplications after a warm-up.
    """
    import tensorflow as tf

    left, right = tf.random.normal((size, size)), tf.random.normal((size, size))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(left, right)))
    float(product())
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        float(product())  # reading the sum waits until a GPU has finished
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds)
