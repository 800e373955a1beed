"""Convolutional networks with identity shortcuts (He et al., "Deep residual learning", 2016)."""

from __future__ import annotations

from typing import Any

from lineup.models.layers import Stack, apply
from lineup.models.registry import register_model


@register_model(report="E", parameters=56_810)
def resnet(filters: int = 32, blocks: int = 3) -> Stack:
    """A convolution, pooling, three residual blocks and the mean over the image, 32 filters throughout: report E.

    The report gives neither the number of blocks nor their place. A convolution of the whole image, pooling, and
    three blocks of two convolutions at half its size; convolutions before batch normalisation have no bias.
    """
    from keras import layers

    return [
        *_convolution(filters),
        layers.ReLU(),
        layers.MaxPooling2D(),
        *([lambda tensor: _residual(tensor, filters)] * blocks),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]


def _convolution(filters: int) -> Stack:
    from keras import layers

    return [layers.Conv2D(filters, 3, padding="same", use_bias=False), layers.BatchNormalization()]


def _residual(tensor: Any, filters: int) -> Any:
    """Return the tensor plus what two convolutions make of it, after a ReLU."""
    from keras import layers

    change = apply([*_convolution(filters), layers.ReLU(), *_convolution(filters)], tensor)
    return layers.ReLU()(layers.Add()([tensor, change]))
