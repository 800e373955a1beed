"""Build convolutional networks with skip connections (He et al., "Deep residual learning", 2016).

Examples
--------
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

    Report E does not state the number of blocks and their positions. Our network consists of one convolution, max
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


@register_model(parameters=429_816)
def resnet_9(shape: Shape, classes: int, width: int = 24) -> Layers:
    """Narrow ResNet-9 with global max pooling, for training with few epochs and a large learning rate.

    ResNet-9 has four convolutions and two residual blocks. The convolutions have ``width`` to ``8 * width`` filters.
    Each residual block has two convolutions (Page, "How to train your ResNet", 2018). Max pooling runs before batch
    normalisation and ReLU. Batch normalisation and ReLU are then four times as fast. The factor 1/8 before the softmax
    keeps the logits small at the start of training.
    """
    from keras import layers

    return [
        *_activated(width),
        *_activated(2 * width, pooling=True),
        lambda tensor: _identity_block(tensor, 2 * width),
        *_activated(4 * width, pooling=True),
        lambda tensor: _identity_block(tensor, 4 * width),
        *_activated(8 * width),
        layers.GlobalMaxPooling2D(),
        layers.Rescaling(0.125),
        layers.Dense(classes, use_bias=False, activation="softmax"),
    ]


def _activated(filters: int, *, pooling: bool = False) -> Layers:
    """Return a convolution, optional max pooling, batch normalisation and ReLU."""
    from keras import layers

    convolution, normalisation = _convolution(filters)
    return [convolution, *([layers.MaxPooling2D()] if pooling else []), normalisation, layers.ReLU()]


def _identity_block(tensor: Any, filters: int) -> Any:
    """Apply two convolutions with batch normalisation and ReLU, and add the input."""
    from keras import layers

    return layers.Add()([tensor, apply([*_activated(filters), *_activated(filters)], tensor)])


def _convolution(filters: int) -> Layers:
    from keras import layers

    return [layers.Conv2D(filters, 3, padding="same", use_bias=False), layers.BatchNormalization()]


def _residual(tensor: Any, filters: int) -> Any:
    """Apply a residual block of two convolutions to a tensor."""
    from keras import layers

    change = apply([*_convolution(filters), layers.ReLU(), *_convolution(filters)], tensor)
    return layers.ReLU()(layers.Add()([tensor, change]))
