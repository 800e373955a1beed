"""Convolutional networks with identity shortcuts (He et al., "Deep residual learning", 2016).

>>> from lineup.models.registry import architecture
>>> architecture("residual", "resnet").options
('filters', 'blocks')
"""

from __future__ import annotations

from typing import Any

from lineup.models.layers import Layers, Shape, apply
from lineup.models.registry import register_model


@register_model(report="E", parameters=56_810)
def resnet(shape: Shape, classes: int, filters: int = 32, blocks: int = 3) -> Layers:
    """A convolution, pooling, three residual blocks and the mean over the image, 32 filters throughout: report E.

    The report gives neither the number of blocks nor their place. This network has one convolution of the whole image,
    pooling, and three blocks of two convolutions at half its size. Convolutions before batch normalisation have no
    bias.
    """
    from keras import layers

    return [
        *_convolution(filters),
        layers.ReLU(),
        layers.MaxPooling2D(),
        *([lambda tensor: _residual(tensor, filters)] * blocks),
        layers.GlobalAveragePooling2D(),
        layers.Dense(classes, activation="softmax"),
    ]


def _convolution(filters: int) -> Layers:
    from keras import layers

    return [layers.Conv2D(filters, 3, padding="same", use_bias=False), layers.BatchNormalization()]


def _residual(tensor: Any, filters: int) -> Any:
    """Return the ReLU of the tensor plus the output of two convolutions of it."""
    from keras import layers

    change = apply([*_convolution(filters), layers.ReLU(), *_convolution(filters)], tensor)
    return layers.ReLU()(layers.Add()([tensor, change]))
