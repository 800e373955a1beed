"""Networks that convolve over the 28 rows of an image, each a vector of 28 pixels: report C's baseline and models 1-3.

The report gives filters, kernel and dropout. Convolution, batch normalisation, pooling, dropout is the order of a block
with which the layers can be counted; no hidden dense layer follows.
"""

from __future__ import annotations

from lineup.models.layers import Stack, dense_end
from lineup.models.registry import register_model


@register_model(report="C", parameters=83_142)
def conv1d_baseline(dropout: float = 0.2) -> Stack:
    """Two convolutions over rows, of 236 and 128 filters, kernel 2: report C, the baseline."""
    return _blocks(236, 128, kernel=2, dropout=dropout)


@register_model(report="C", parameters=93_446)
def conv1d_1(dropout: float = 0.2) -> Stack:
    """Three convolutions over rows, of 236, 128 and 64 filters, kernel 2: report C, model 1."""
    return _blocks(236, 128, 64, kernel=2, dropout=dropout)


@register_model(report="C", parameters=99_786)
def conv1d_2(dropout: float = 0.2) -> Stack:
    """Three convolutions over rows, of 256, 128 and 64 filters, kernel 2: report C, model 2."""
    return _blocks(256, 128, 64, kernel=2, dropout=dropout)


@register_model(report="C", parameters=147_274)
def conv1d_3(dropout: float = 0.3) -> Stack:
    """Three convolutions over rows, of 256, 128 and 64 filters, kernel 3: report C, model 3."""
    return _blocks(256, 128, 64, kernel=3, dropout=dropout)


def _blocks(*filters: int, kernel: int, dropout: float) -> Stack:
    from keras import layers

    stack: Stack = []
    for count in filters:
        stack += [
            layers.Conv1D(count, kernel, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(),
            layers.Dropout(dropout),
        ]
    return [*stack, *dense_end()]
