"""Define your own architectures in this file.

Each function with ``@register_model()`` is an architecture of the family ``project`` in ``params.yaml``. The function
takes the image shape (height, width, channels) and the number of classes. The function returns the Keras layers that
map scaled images to class probabilities. Set all other arguments under ``options`` in ``params.yaml``.

Import Keras inside the function, so that commands that do not train a model start quickly. If you change this file or a
file that it imports, ``dvc repro`` trains the models of the family ``project`` again.
"""

from __future__ import annotations

from lineup.models.layers import Layers, Shape, dense_end, hidden
from lineup.models.registry import register_model


@register_model()
def small_cnn(shape: Shape, classes: int, filters: int = 8) -> Layers:
    """A small network with two convolutions and a dense layer of 32 units."""
    from keras import layers

    return [
        layers.Conv2D(filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(2 * filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        *dense_end(classes, hidden(32)),
    ]
