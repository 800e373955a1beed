"""Build convolutional networks without skip connections.

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("cnn", "deeper_cnn").options
('dropout',)
>>> architecture("cnn", "conv2d_4").options
('dropout', 'padding')
"""

from __future__ import annotations

from collections.abc import Sequence

from lineup.models.layers import Layers, Shape, dense_end, hidden
from lineup.models.registry import register_model


@register_model(report="A", parameters=693_962)
def basic_cnn(shape: Shape, classes: int) -> Layers:
    """CNN with one convolution of 32 filters, and a dense layer of 128 units (report A)."""
    return [*_convolutions(shape, (32,)), *dense_end(classes, hidden(128))]


@register_model(report="A", parameters=232_650)
def deeper_cnn(shape: Shape, classes: int, dropout: float = 0.5) -> Layers:
    """CNN with convolutions of 32 and 64 filters, and dense layers of 128 and 64 units (report A)."""
    from keras import layers

    return [*_convolutions(shape, (32, 64)), *dense_end(classes, hidden(128), layers.Dropout(dropout), hidden(64))]


@register_model(report="C", parameters=93_322)
def conv2d_4(shape: Shape, classes: int, dropout: float = 0.2, padding: str = "same") -> Layers:
    """CNN with convolutions of 32, 64 and 64 filters, and a dense layer of 64 units (report C, model 4).

    The report does not state whether the convolutions are padded. With ``padding="valid"``, the network has 60,554
    parameters, and the accuracy is lower than the published accuracy.
    """
    from keras import layers

    convolutions = _convolutions(shape, (32, 64, 64), padding=padding)
    return [*convolutions, *dense_end(classes, hidden(64), layers.Dropout(dropout))]


@register_model(report="C", parameters=241_546)
def conv2d_5(shape: Shape, classes: int, dropout: float = 0.2, padding: str = "same") -> Layers:
    """CNN with convolutions of 32, 64 and 128 filters, and a dense layer of 128 units (report C, models 5 and 6).

    The report says that model 5 "adds a fourth convolution", but the report lists only three convolutions. Model 6 of
    the report is the same network, but is trained for 25 epochs instead of 10. With ``padding="valid"``, the network
    has 110,474 parameters.
    """
    from keras import layers

    convolutions = _convolutions(shape, (32, 64, 128), padding=padding)
    return [*convolutions, *dense_end(classes, hidden(128), layers.Dropout(dropout))]


@register_model(report="D", parameters=421_642)
def depth_2(shape: Shape, classes: int, dropout: float = 0.5) -> Layers:
    """CNN with padded convolutions of 32 and 64 filters, and a dense layer of 128 units (baseline of report D)."""
    from keras import layers

    return [*_convolutions(shape, (32, 64), padding="same"), *dense_end(classes, hidden(128), layers.Dropout(dropout))]


@register_model(report="D", parameters=1_701_130)
def depth_3(shape: Shape, classes: int, dropout: float = 0.5) -> Layers:
    """CNN with padded convolutions of 32, 64 and 128 filters, and a dense layer of 256 units (report D).

    Only the first two convolutions are followed by a max pooling layer.
    """
    from keras import layers

    convolutions = _convolutions(shape, (32, 64, 128), padding="same", pools=2)
    return [*convolutions, *dense_end(classes, hidden(256), layers.Dropout(dropout))]


@register_model(report="E", parameters=241_546)
def cnn_32_64_128(shape: Shape, classes: int) -> Layers:
    """CNN with convolutions of 32, 64 and 128 filters, and a dense layer of 128 units (report E).

    Only the first two convolutions are followed by a max pooling layer.
    """
    return [*_convolutions(shape, (32, 64, 128), pools=2), *dense_end(classes, hidden(128))]


def _convolutions(shape: Shape, filters: Sequence[int], padding: str = "valid", pools: int = 3) -> Layers:
    """Return the convolutional layers of a network: 3x3 convolutions, ReLU and max pooling.

    Only the first ``pools`` convolutions are followed by a 2x2 max pooling layer. If the output of a convolution has
    only one row or one column, the max pooling layer is omitted.
    """
    from keras import layers

    found: Layers = []
    height, width = shape[:2]
    for number, count in enumerate(filters):
        if padding == "valid":
            height, width = height - 2, width - 2
        if min(height, width) < 1:
            raise ValueError(f"{shape[0]} x {shape[1]} pixels are too few for {len(filters)} convolutions")
        found.append(layers.Conv2D(count, 3, padding=padding, activation="relu"))
        if number < pools and min(height, width) > 1:
            found.append(layers.MaxPooling2D())
            height, width = height // 2, width // 2
    return found
