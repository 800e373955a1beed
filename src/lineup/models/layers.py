"""Build Keras classifiers and the layers that several families share.

Examples
--------
>>> input_shape((28, 28, 1), channels=True)
(28, 28, 1)
>>> input_shape((32, 32, 3), channels=False)
(32, 96)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

Shape = tuple[int, int, int]
"""Height, width and channels of an image."""

_MOST_VALUES = 100_000
"""Largest number of values per image before a dense layer. With 128 units, the layer has 13 million parameters."""

Layers = list[Callable[[Any], Any]]
"""Keras layers or functions of a tensor, applied in this order."""


def dense_end(classes: int, *hidden: Callable[[Any], Any]) -> Layers:
    """Return the last layers of a classifier. The last layer is a softmax over the classes.

    The first layer flattens a feature map. This layer raises ValueError if the feature map is very large, because the
    next dense layer would require too much memory.
    """
    from keras import layers

    return [_flattened, *hidden, layers.Dense(classes, activation="softmax")]


def _flattened(tensor: Any) -> Any:
    from keras import layers

    values = math.prod(tensor.shape[1:])
    if values > _MOST_VALUES:
        raise ValueError(
            f"the flattened feature map has {values:,} values, expected at most {_MOST_VALUES:,}; choose smaller"
            " images (data.size), or a network with global pooling such as resnet"
        )
    return layers.Flatten()(tensor)


def hidden(units: int) -> keras.Layer:
    """Return a fully connected ReLU layer."""
    from keras import layers

    return layers.Dense(units, activation="relu")


def input_shape(shape: Shape, *, channels: bool) -> tuple[int, ...]:
    """Return the input shape of a network for images of a given shape.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels.
    channels : bool
        Whether the layers take images with a separate channel axis, as 2D convolutions do.

    Returns
    -------
    tuple of int
        ``shape`` itself, or (height, width * channels) for rows of pixels.
    """
    height, width, count = shape
    return shape if channels else (height, width * count)


def classifier(
    name: str, scaling: str, layers: Sequence[Callable[[Any], Any]], shape: Shape, *, channels: bool = True
) -> Any:
    """Build a Keras model that first scales raw images, and then applies the given layers.

    The scaling is part of the model, so a saved model accepts raw images.

    Parameters
    ----------
    name : str
        Name of the Keras model.
    scaling : {"unit", "symmetric"}
        Scale pixels to [0, 1] or to [-1, 1].
    layers : sequence of callable
        Layers that are applied to the scaled images, whose shape is given by `input_shape`.
    shape : tuple of int
        Height, width and channels of the images.
    channels : bool
        See `input_shape`. Default True.

    Returns
    -------
    keras.Model
        Its input is uint8 of shape (n, height, width) for one channel, otherwise (n, height, width, channels).
    """
    import keras

    stored = shape[:2] if shape[2] == 1 else shape
    images = keras.Input(stored, dtype="uint8", name="images")
    scaled = apply(_scaling(scaling, stored, input_shape(shape, channels=channels)), images)
    return keras.Model(images, apply(layers, scaled), name=name)


def apply(layers: Sequence[Callable[[Any], Any]], tensor: Any) -> Any:
    """Apply layers one after another and return the output of the last layer."""
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def _scaling(scaling: str, stored: tuple[int, ...], target: tuple[int, ...]) -> list[keras.Layer]:
    """Return layers that scale raw images and change their shape from ``stored`` to ``target``."""
    from keras import layers

    scale, offset = {"unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}[scaling]
    rescale = layers.Rescaling(scale, offset, name="scaling")
    return [rescale] if stored == target else [rescale, layers.Reshape(target, name="channels")]
