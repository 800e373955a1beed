"""Your own architectures. Each builder in this file is an architecture of the family ``project`` in ``params.yaml``.

A builder takes the image shape (height, width, channels) and the number of classes. It returns Keras layers from the
scaled image to the class probabilities. Set its other arguments under ``options`` in ``params.yaml``.

Import Keras inside the builder, because lineup also imports this file for commands that do not train. If you change
this file, or a file in this folder that it imports, ``dvc repro`` trains the models of the family ``project`` again.
"""

from __future__ import annotations

from lineup.models.layers import Layers, Shape, dense_end, hidden
from lineup.models.registry import register_model


@register_model()
def small_cnn(shape: Shape, classes: int, filters: int = 8) -> Layers:
    """Two small convolutions with pooling, then a dense layer with 32 units."""
    from keras import layers

    return [
        layers.Conv2D(filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        *dense_end(classes, hidden(32)),
    ]
