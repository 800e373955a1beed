"""Train models of the family ``autoencoder``.

First, the autoencoder is trained. Then, a classifier is trained on the frozen encoder. Fine-tuning of both is optional.

Examples
--------
>>> from keras import layers
>>> encoder = _chain([layers.Dense(2)], (4,), "encoder")
>>> len(encoder.trainable_weights)
2
>>> _freeze(encoder, batch_norm=True)
>>> len(encoder.trainable_weights)
0
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lineup.models.layers import classifier
from lineup.training.fit import fit_network, libraries, phase_seconds
from lineup.training.fitted import Fitted, TrainingData, class_weights
from lineup.training.loop import predict
from lineup.training.losses import RECONSTRUCTION
from lineup.training.network import Network

if TYPE_CHECKING:
    import keras

    from lineup.models.autoencoder import Parts
    from lineup.models.layers import Shape
    from lineup.models.registry import Architecture
    from lineup.models.settings import NetworkRecipe
    from lineup.training.backup import Backup
    from lineup.training.fitted import OnEpoch

__all__ = ["fit_model", "libraries"]

EXAMPLES = 10
"""Number of validation images that are kept with their reconstructions."""


def fit_model(
    entry: Architecture, recipe: NetworkRecipe, data: TrainingData, on_epoch: OnEpoch, backup: Backup
) -> Fitted:
    """Train the autoencoder, freeze its encoder, and train a classifier on the latent vectors.

    Parameters
    ----------
    entry : Architecture
        Its builder returns `Parts`.
    recipe : NetworkRecipe
        ``recipe.pretrain`` contains the settings for the autoencoder, and ``recipe.finetune`` those for the last phase.
        If it is None, there is no last phase.
    data : TrainingData
        Training and validation images and labels.
    on_epoch : callable
        Called after every epoch of the phases ``autoencoder``, ``classifier`` and ``finetuning``.
    backup : Backup
        Saves the state, and restores it after an interruption.

    Returns
    -------
    Fitted
        The classifier. The parameters of the encoder count as frozen.
    """
    if recipe.pretrain is None:
        raise ValueError("the family autoencoder requires recipe.pretrain")
    parts = entry.make(data.shape, data.classes, recipe.options)
    random = np.random.default_rng(recipe.seed)
    fit = partial(fit_network, random=random, on_epoch=on_epoch, backup=backup)
    encoder, autoencoder = _networks(parts, data.shape)
    images = replace(data, labels=data.images, val_labels=data.val_images)
    history = fit(autoencoder, images, recipe.pretrain, phase="autoencoder", objective=RECONSTRUCTION).history

    weights = class_weights(data.labels, data.classes, recipe.class_weight)
    _freeze(encoder, batch_norm=parts.frozen_batch_norm)
    whole = classifier(entry.name, "unit", [encoder, *parts.head], data.shape)
    if parts.frozen_batch_norm:
        encode = classifier("encode", "unit", [encoder], data.shape)
        latent = replace(data, images=predict(encode, data.images), val_images=predict(encode, data.val_images))
        head = _chain(parts.head, latent.images.shape[1:], "head")
        history += fit(head, latent, recipe, phase="classifier", class_weights=weights).history
    else:
        history += fit(whole, data, recipe, phase="classifier", class_weights=weights).history
    if recipe.finetune is not None:
        _unfreeze_weights(encoder)
        history += fit(whole, data, recipe.finetune, phase="finetuning", class_weights=weights).history

    examples = data.val_images[:EXAMPLES]
    pictures = {"originals": examples, "reconstructions": predict(autoencoder, examples).reshape(examples.shape)}
    return Fitted(Network(whole), history, phase_seconds(history), pictures)


def _networks(parts: Parts, shape: Shape) -> tuple[keras.Model, keras.Model]:
    """Return two networks: the encoder, which takes scaled images, and the autoencoder, which takes raw images."""
    encoder = _chain(parts.encoder, shape, "encoder")
    decoder = _chain(parts.decoder, encoder.output_shape[1:], "decoder")
    return encoder, classifier("autoencoder", "unit", [encoder, decoder], shape)


def _chain(layers: list[keras.Layer], shape: tuple[int, ...], name: str) -> keras.Model:
    """Build a network that can be used as a layer of another network."""
    import keras

    return keras.Sequential([keras.Input(shape), *layers], name=name)


def _freeze(encoder: keras.Model, *, batch_norm: bool) -> None:
    """Freeze the weights of the encoder. In Keras, frozen batch normalisation runs in inference mode."""
    from keras import layers

    for layer in encoder.layers:
        layer.trainable = not batch_norm and isinstance(layer, layers.BatchNormalization)


def _unfreeze_weights(encoder: keras.Model) -> None:
    """Make all layers trainable except batch normalisation. Its statistics therefore stay constant."""
    from keras import layers

    for layer in encoder.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
