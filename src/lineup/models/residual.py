"""Build convolutional networks with skip connections (He et al., "Deep residual learning", 2016).

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
    """Residual network with three blocks of 32 filters and global average pooling (report E).

    The report does not specify the number and the position of the blocks. This network consists of one convolution, max
    pooling, and three blocks with two convolutions each. A convolution before batch normalisation has no bias.
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
    """Apply a residual block of two convolutions to a tensor."""
    from keras import layers

    change = apply([*_convolution(filters), layers.ReLU(), *_convolution(filters)], tensor)
    return layers.ReLU()(layers.Add()([tensor, change]))
