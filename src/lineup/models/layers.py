"""What networks are made of: stacks of layers, their common ends, and the scaling of pixels inside the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

Stack = list[Callable[[Any], Any]]
"""What a builder returns: Keras layers, or functions of a tensor where the graph is no chain, applied in order."""


def dense_end(*hidden: Callable[[Any], Any]) -> Stack:
    """Return the end of a classifier: flatten, hidden layers, a softmax over ten classes."""
    from keras import layers

    return [layers.Flatten(), *hidden, layers.Dense(10, activation="softmax")]


def hidden(units: int) -> keras.Layer:
    """Return a fully connected ReLU layer."""
    from keras import layers

    return layers.Dense(units, activation="relu")


def classifier(name: str, scaling: str, stack: Sequence[Callable[[Any], Any]], image_shape: tuple[int, ...]) -> Any:
    """Return a Keras model from raw images to class probabilities.

    The scaling is part of the network, so that a saved model takes the images as they are stored.

    Parameters
    ----------
    name : str
        Name of the Keras model.
    scaling : {"unit", "symmetric"}
        Pixels to [0, 1] (reports A, B, C, E) or to [-1, 1] (report D).
    stack : sequence of callable
        From scaled images of ``image_shape`` to the softmax.
    image_shape : tuple of int
        (28, 28) for networks over rows, (28, 28, 1) for convolutions.

    Returns
    -------
    keras.Model
        Input uint8 (n, 28, 28), output float32 (n, 10).
    """
    import keras

    images = keras.Input((28, 28), dtype="uint8", name="images")
    return keras.Model(images, apply([*scaling_layers(scaling, image_shape), *stack], images), name=name)


def apply(stack: Sequence[Callable[[Any], Any]], tensor: Any) -> Any:
    """Return what a stack makes of a tensor."""
    for layer in stack:
        tensor = layer(tensor)
    return tensor


def scaling_layers(scaling: str, image_shape: tuple[int, ...]) -> list[keras.Layer]:
    """Return the layers from raw uint8 images (n, 28, 28) to scaled float32 images (n, *image_shape)."""
    from keras import layers

    scale, offset = {"unit": (1 / 255, 0.0), "symmetric": (1 / 127.5, -1.0)}[scaling]
    rescale = layers.Rescaling(scale, offset, name="scaling")
    return [rescale] if image_shape == (28, 28) else [rescale, layers.Reshape(image_shape, name="channels")]
