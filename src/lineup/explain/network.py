"""Compute Grad-CAM, feature maps, filters and latent vectors of a Keras network.

Examples
--------
>>> resize_maps(np.array([[0.0, 1.0]]), (2, 4)).tolist()  # one map over two rows of an image with four columns
[[[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lineup.batches import NETWORK_BATCH, in_batches
from lineup.errors import LineupError
from lineup.records.record import MODEL, Record
from lineup.training.network import NETWORK, inner_network, load_network

if TYPE_CHECKING:
    import keras

Floats = NDArray[np.floating]

ENCODER = "encoder"
"""Name of the part of an autoencoder that computes latent vectors; see `lineup.training.autoencoder`."""

SIDE_BY_SIDE = 4
"""Largest number of input channels of a filter that are shown side by side."""


class UnsuitableModelError(LineupError):
    """Raised if a figure does not exist for a model.

    For example, a network without convolutions has no feature maps.
    """


def open_network(record: Record) -> keras.Model:
    """Load the network of a record.

    Raises
    ------
    UnsuitableModelError
        If the model is not a network.
    LineupError
        If the file of the network is missing or damaged.
    """
    header = record.header
    if header.kind != "network":
        raise UnsuitableModelError(f"{header.label}: expected a network, found a {header.kind} model")
    return inner_network(load_network(record.folder / MODEL / NETWORK))


def convolutions(network: keras.Model) -> list[keras.Layer]:
    """Return all convolutional layers of a network in order. Layers of nested models are included.

    Raises
    ------
    UnsuitableModelError
        If there are none.
    """
    from keras import layers

    kinds = (
        *(layers.Conv1D, layers.SeparableConv1D, layers.DepthwiseConv1D),
        *(layers.Conv2D, layers.SeparableConv2D, layers.DepthwiseConv2D),
    )
    found = [layer for layer in _all_layers(network) if isinstance(layer, kinds)]
    if not found:
        raise UnsuitableModelError(f"{network.name}: this network has no convolutions")
    return found


def grad_cam(network: keras.Model, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Floats:
    """Compute which image regions increase the score of a class (Grad-CAM, Selvaraju et al., 2017).

    The score of a class is the input of the final softmax. Grad-CAM computes the gradient of the score with respect to
    the output of the last convolution. The weight of a channel is its mean gradient over all positions. The map is the
    weighted sum of the channels. Negative sums are set to zero.

    Parameters
    ----------
    network : keras.Model
        Classifier whose last layer has the activation softmax.
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
    labels : ndarray of int, shape (n,)
        Class of each image for which the map is computed.

    Returns
    -------
    ndarray of float, shape (n, rows, columns), or (n, rows) for a 1D convolution
        One value per position of the last convolution, at least 0, in arbitrary units; see `resize_maps`.

    Raises
    ------
    LineupError
        If there are no convolutions, or if the last layer has no softmax.
    """
    import tensorflow as tf

    layer = convolutions(network)[-1]
    tape = tf.GradientTape(watch_accessed_variables=False)
    with _without_softmax(network), tape, _recorded([layer], tape.watch) as outputs:
        logits = network(images, training=False)
        scores = tf.gather(logits, labels, batch_dims=1)
    output = outputs[id(layer)]
    zero = tf.UnconnectedGradients.ZERO  # a class may not depend on the convolution
    gradient = np.asarray(tape.gradient(scores, output, unconnected_gradients=zero), np.float32)
    positions = tuple(range(1, gradient.ndim - 1))
    weights = gradient.mean(axis=positions, keepdims=True)
    maps: Floats = np.maximum((weights * np.asarray(output, np.float32)).sum(axis=-1), 0)
    return maps


def resize_maps(maps: Floats, size: tuple[int, int]) -> Floats:
    """Resize maps to the size of an image, with linear interpolation between the centres of the cells.

    Parameters
    ----------
    maps : ndarray, shape (n, rows, columns) or (n, rows)
        Maps without columns have the same value in a whole row of the image.
    size : tuple of int
        Height and width of the image.

    Returns
    -------
    ndarray, shape (n, height, width)
    """
    cells = maps if maps.ndim == 3 else maps[:, :, None]
    down, right = (_interpolation(*sizes) for sizes in zip(cells.shape[1:], size, strict=True))
    result: Floats = np.einsum("hr,nrc,wc->nhw", down, cells, right)
    return result


def feature_maps(network: keras.Model, images: NDArray[np.uint8]) -> dict[str, Floats]:
    """Return the output of each convolution for a few images.

    Returns
    -------
    dict of str to ndarray
        By ``convolution 1`` and so on. The shape is (n, rows, columns, channels), or (n, rows, channels) for 1D
        convolutions.

    Raises
    ------
    UnsuitableModelError
        If there are no convolutions.
    """
    layers = convolutions(network)
    with _recorded(layers) as outputs:
        network(images, training=False)
    values = [np.asarray(outputs[id(layer)], np.float32) for layer in layers]
    return {f"convolution {number}": one for number, one in enumerate(values, start=1)}


def first_filters(network: keras.Model) -> Floats:
    """Return the weights of the first convolution.

    Returns
    -------
    ndarray, shape (filters, height, width)
        A filter of a 1D convolution is as wide as the image. If a filter has several input channels, they are side by
        side; of more than `SIDE_BY_SIDE` channels, the mean is returned.

    Raises
    ------
    UnsuitableModelError
        If there are no convolutions, or if the first one is of another kind, such as a separable convolution.
    """
    from keras import layers

    first = convolutions(network)[0]
    if not isinstance(first, (layers.Conv1D, layers.Conv2D)):
        raise UnsuitableModelError(f"{first.name}: filters of a {type(first).__name__} are not supported")
    weights = np.moveaxis(np.asarray(first.kernel, np.float32), -1, 0)
    if weights.ndim == 3:  # 1D convolution
        return weights
    if weights.shape[-1] > SIDE_BY_SIDE:
        mean: Floats = weights.mean(axis=-1)
        return mean
    return np.concatenate(list(np.moveaxis(weights, -1, 0)), axis=2)


def latent_vectors(network: keras.Model, images: NDArray[np.uint8]) -> Floats:
    """Return the output of the encoder of an autoencoder pipeline.

    Returns
    -------
    ndarray, shape (n, size of a latent vector)

    Raises
    ------
    UnsuitableModelError
        If the network has no encoder.
    """
    encoder = next((layer for layer in network.layers if layer.name == ENCODER), None)
    if encoder is None:
        raise UnsuitableModelError(f"{network.name}: this network has no encoder; expected a model of an autoencoder")

    def encode(batch: NDArray[Any]) -> Floats:
        with _recorded([encoder]) as outputs:
            network(batch, training=False)
        return np.asarray(outputs[id(encoder)], np.float32)

    return in_batches(encode, images, NETWORK_BATCH)


def _all_layers(network: keras.Model) -> Iterator[keras.Layer]:
    """Yield the layers of a network. If a layer contains other layers, return the inner layers instead."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from _all_layers(layer)
        else:
            yield layer


@contextmanager
def _recorded(layers: Sequence[keras.Layer], watch: Callable[[Any], None] | None = None) -> Iterator[dict[int, Any]]:
    """Run a network, and record the outputs of the given layers.

    Keras cannot build a network whose last layer is inside a nested encoder. The outputs of such layers are therefore
    recorded while the network runs.

    Parameters
    ----------
    layers : sequence of keras.Layer
    watch : callable, optional
        Called with each output. Default: none.

    Yields
    ------
    dict of int to tensor
        The last output of each layer, by the ``id`` of the layer.
    """
    outputs: dict[int, Any] = {}

    def recording(layer: Any) -> Callable[..., Any]:
        call = layer.call

        def recorded_call(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            if watch is not None:
                watch(output)
            outputs[id(layer)] = output
            return output

        return recorded_call

    for layer in layers:
        layer.call = recording(layer)
    try:
        yield outputs
    finally:
        for layer in layers:
            del layer.call


@contextmanager
def _without_softmax(network: keras.Model) -> Iterator[None]:
    """Change a network so that it returns logits, which are the inputs of the softmax.

    Logits are used because the gradient of a probability near one is almost zero.
    """
    import keras

    last: Any = network.layers[-1]
    if getattr(last, "activation", None) is not keras.activations.softmax:
        raise LineupError(f"{network.name}: expected a last layer with the activation softmax, found {last.name}")
    last.activation = keras.activations.linear
    try:
        yield
    finally:
        last.activation = keras.activations.softmax


def _interpolation(cells: int, pixels: int) -> Floats:
    """Return a weight for each pair of a pixel and a cell. Each row is a pixel, and each column is a cell. Pixels near
    the border of the image have the value of the nearest cell.
    """
    centres = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    return np.stack([np.interp(centres, np.arange(cells), one) for one in np.eye(cells)], axis=1)
