"""Convolutional networks without shortcuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineup.models.fit import fit_classifier as fit_model
from lineup.models.registry import register_model

if TYPE_CHECKING:
    import keras

__all__ = ["IMAGE_SHAPE", "fit_model"]

IMAGE_SHAPE = (28, 28, 1)


@register_model(report="A", parameters=693_962, published_accuracy=0.9156)
def basic_cnn() -> list[keras.Layer]:
    """One convolution of 32 filters, pooling, 128 units: report A."""
    from keras import layers

    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]


@register_model(report="A", parameters=232_650, published_accuracy=0.9052)
def deeper_cnn(dropout: float = 0.5) -> list[keras.Layer]:
    """Two convolutions of 32 and 64 filters, pooling, 128 and 64 units with dropout between: report A."""
    from keras import layers

    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(dropout),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
