"""Fully connected networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineup.models.fit import fit_classifier as fit_model
from lineup.models.registry import register_model

if TYPE_CHECKING:
    import keras

__all__ = ["IMAGE_SHAPE", "fit_model"]

IMAGE_SHAPE = (28, 28)


@register_model(report="A", parameters=101_770, published_accuracy=0.8760)
def shallow_nn() -> list[keras.Layer]:
    """One hidden layer of 128 units: the baseline of report A."""
    from keras import layers

    return [
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
