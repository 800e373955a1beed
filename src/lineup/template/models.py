"""Your own architectures. Each builder here is an architecture of the family ``project`` in ``params.yaml``.

A builder gets the shape of an image (height, width, channels) and the number of classes. It returns a list of Keras
layers from scaled images to class probabilities. Its other arguments are the ``options`` of a model in ``params.yaml``.

Import Keras inside of the builder: this file is also read when nothing is trained. When you change this file, or a file
of this folder that it imports, ``dvc repro`` trains the models of the family ``project`` again.
"""

from __future__ import annotations

from lineup.models.layers import Layers, Shape, dense_end, hidden
from lineup.models.registry import register_model


@register_model()
def small_cnn(shape: Shape, classes: int, filters: int = 8) -> Layers:
    """Two small convolutions with pooling, and 32 units."""
    from keras import layers

    return [
        layers.Conv2D(filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        *dense_end(classes, hidden(32)),
    ]
