"""Build networks with 1D convolutions over the rows of an image.

This module contains the baseline and models 1 to 3 of report C. Report C specifies the filters, the kernel sizes and
the dropout rates. Each block consists of a convolution, batch normalisation, pooling and dropout. The networks
therefore have the same number of layers as the networks in the report. There is no hidden dense layer. Report C does
not state the padding. With padding, which is the default, the networks reach the published accuracies.

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("conv1d", "conv1d_1").options
('dropout', 'padding')
"""

from __future__ import annotations

from lineup.models.layers import Layers, Shape, dense_end
from lineup.models.registry import register_model


@register_model(report="C", parameters=84_422)
def conv1d_baseline(shape: Shape, classes: int, dropout: float = 0.2, padding: str = "same") -> Layers:
    """Network with 1D convolutions of 236 and 128 filters and kernel size 2 (baseline of report C)."""
    return [*_blocks(shape, 236, 128, kernel=2, dropout=dropout, padding=padding), *dense_end(classes)]


@register_model(report="C", parameters=94_086)
def conv1d_1(shape: Shape, classes: int, dropout: float = 0.2, padding: str = "same") -> Layers:
    """Network with 1D convolutions of 236, 128 and 64 filters and kernel size 2 (report C, model 1)."""
    return [*_blocks(shape, 236, 128, 64, kernel=2, dropout=dropout, padding=padding), *dense_end(classes)]


@register_model(report="C", parameters=100_426)
def conv1d_2(shape: Shape, classes: int, dropout: float = 0.2, padding: str = "same") -> Layers:
    """Network with 1D convolutions of 256, 128 and 64 filters and kernel size 2 (report C, model 2)."""
    return [*_blocks(shape, 256, 128, 64, kernel=2, dropout=dropout, padding=padding), *dense_end(classes)]


@register_model(report="C", parameters=148_554)
def conv1d_3(shape: Shape, classes: int, dropout: float = 0.3, padding: str = "same") -> Layers:
    """Network with 1D convolutions of 256, 128 and 64 filters and kernel size 3 (report C, model 3)."""
    return [*_blocks(shape, 256, 128, 64, kernel=3, dropout=dropout, padding=padding), *dense_end(classes)]


def _blocks(shape: Shape, *filters: int, kernel: int, dropout: float, padding: str) -> Layers:
    """Return a block of layers for each convolution. If the input of a pooling layer has only one row, the layer is
    omitted.
    """
    from keras import layers

    blocks: Layers = []
    rows = shape[0]
    for count in filters:
        if padding == "valid":
            rows -= kernel - 1
        if rows < 1:
            raise ValueError(f"{shape[0]} rows of pixels are too few for {len(filters)} convolutions over rows")
        blocks += [layers.Conv1D(count, kernel, padding=padding, activation="relu"), layers.BatchNormalization()]
        if rows > 1:
            blocks.append(layers.MaxPooling1D())
            rows //= 2
        blocks.append(layers.Dropout(dropout))
    return blocks
