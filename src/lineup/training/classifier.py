"""Train networks that are defined by a list of layers.

Examples
--------
>>> from lineup.models.registry import architecture
>>> from lineup.models.settings import NetworkRecipe
>>> from lineup.training.backup import Backup
>>> recipe = NetworkRecipe(
...     family="dense", architecture="shallow_nn", validation=0.5, epochs=1, batch_size=2, learning_rate=0.01
... )
>>> images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
>>> data = TrainingData(images, labels, images, labels, classes=2)
>>> fitted = fit_model(architecture("dense", "shallow_nn"), recipe, data, lambda row: None, Backup(None))
>>> fitted.model.predict(images).shape
(4, 2)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.models.layers import Layers, classifier
from lineup.training.fit import fit_network, libraries, phase_seconds
from lineup.training.fitted import Fitted, TrainingData, class_weights
from lineup.training.network import Network, average_of_snapshots, with_mirrored_images

if TYPE_CHECKING:
    from lineup.models.registry import Architecture
    from lineup.models.settings import NetworkRecipe
    from lineup.training.backup import Backup
    from lineup.training.fitted import OnEpoch

__all__ = ["fit_model", "libraries"]


def fit_model(
    entry: Architecture, recipe: NetworkRecipe, data: TrainingData, on_epoch: OnEpoch, backup: Backup
) -> Fitted:
    """Build a network and train it in one phase.

    The arguments are described in `lineup.training.trainers.Trainer`.

    Raises
    ------
    LineupError
        If the layers do not fit together, or do not end in one probability per class.
    """
    with _precision(recipe.precision):
        layers = entry.make(data.shape, data.classes, recipe.options)
        if recipe.precision != "float32":
            layers = _float32_output(layers)
        try:
            network = classifier(entry.name, recipe.scaling, layers, data.shape, channels=entry.channels)
        except (TypeError, ValueError) as error:  # incompatible layers or image shape
            raise LineupError(f"{entry.family} {entry.name}: {shortened(error)}") from error
    if network.output_shape != (None, data.classes):
        found = network.output_shape[1:]
        raise LineupError(
            f"{entry.family} {entry.name}: expected {data.classes} probabilities per image, found {found}"
        )
    random = np.random.default_rng(recipe.seed)
    result = fit_network(
        network,
        data,
        recipe,
        random,
        phase="classifier",
        on_epoch=on_epoch,
        backup=backup,
        class_weights=class_weights(data.labels, data.classes, recipe.class_weight),
    )
    trained = average_of_snapshots(network, result.snapshots) if result.snapshots else network
    trained = with_mirrored_images(trained) if recipe.mirror_predictions else trained
    return Fitted(Network(trained), result.history, phase_seconds(result.history))


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers with a Keras dtype policy: ``float32`` or ``mixed_bfloat16``."""
    import keras

    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)


def _float32_output(layers: Layers) -> Layers:
    """Compute the last layer, which contains the softmax, in float32. bfloat16 is too coarse for probabilities."""
    import keras

    *others, last = layers
    if not isinstance(last, keras.Layer):
        raise LineupError(f"precision: expected a Keras layer at the end of the network, found {type(last).__name__}")
    last.dtype_policy = keras.DTypePolicy("float32")
    return [*others, last]
