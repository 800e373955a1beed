"""Build networks with a wide and a deep path (Cheng et al., "Wide & deep learning for recommender systems", 2016).

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("wide_deep", "wide_deep").options
('units', 'dropout')
"""

from __future__ import annotations

from typing import Any

from lineup.models.layers import Layers, Shape, apply, dense_end, hidden
from lineup.models.registry import register_model


@register_model(report="B", parameters=18_290)
def wide_deep(shape: Shape, classes: int, units: int = 30, dropout: float = 0.5) -> Layers:
    """Network with a wide path and a deep path. The deep path has two layers with 30 units each (report B).

    The wide path is the image itself. The layers of the deep path are applied to each row of pixels.
    """
    from keras import layers

    deep: Layers = []
    for _ in range(2):
        deep += [hidden(units), layers.BatchNormalization()]
    deep.append(layers.Dropout(dropout))

    def wide_and_deep(image: Any) -> Any:
        return layers.Concatenate()([image, apply(deep, image)])

    return [wide_and_deep, *dense_end(classes)]
