"""Fit the family ``autoencoder``: pretrain, freeze, train the head, and perhaps fine-tune."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lineup.models.layers import classifier
from lineup.training.fit import fit_network, libraries, phase_seconds
from lineup.training.fitted import Fitted, TrainingData
from lineup.training.loop import RECONSTRUCTION, predict
from lineup.training.network import Network

if TYPE_CHECKING:
    import keras

    from lineup.models.autoencoder import Parts
    from lineup.models.registry import Architecture
    from lineup.models.settings import NetworkRecipe
    from lineup.training.backup import Backup
    from lineup.training.fitted import OnEpoch

__all__ = ["fit_model", "libraries"]

IMAGE_SHAPE = (28, 28, 1)
EXAMPLES = 10
"""How many validation images are kept beside their reconstructions."""


def fit_model(
    entry: Architecture, recipe: NetworkRecipe, data: TrainingData, on_epoch: OnEpoch, backup: Backup
) -> Fitted:
    """Train the autoencoder, freeze its encoder, train the head on its codes, and perhaps tune both.

    Parameters
    ----------
    entry : Architecture
        Its builder returns `Parts`.
    recipe : NetworkRecipe
        ``recipe.pretrain`` holds the autoencoder's epochs, batch size and learning rate, ``recipe.finetune`` those of
        the last phase if there is to be one.
    data : TrainingData
        Training and validation images and labels.
    on_epoch : callable
        Told of every epoch of the phases ``autoencoder``, ``classifier`` and ``finetuning``.
    backup : Backup
        Where an interrupted training goes on.

    Returns
    -------
    Fitted
        The classifier, with the encoder's parameters counted as frozen.
    """
    if recipe.pretrain is None:
        raise ValueError("the family autoencoder needs recipe.pretrain; config.py checks that it is there")
    parts = entry.make(recipe.options)
    random = np.random.default_rng(recipe.seed)
    fit = partial(fit_network, random=random, on_epoch=on_epoch, backup=backup)
    encoder, autoencoder = _networks(parts)
    images = TrainingData(data.images, data.images, data.val_images, data.val_images)
    history = fit(autoencoder, images, recipe.pretrain, phase="autoencoder", objective=RECONSTRUCTION)

    _freeze(encoder, batch_norm=parts.frozen_batch_norm)
    whole = classifier(entry.name, "unit", [encoder, *parts.head], IMAGE_SHAPE)
    if parts.frozen_batch_norm:
        to_code = classifier("to_code", "unit", [encoder], IMAGE_SHAPE)
        codes = [predict(to_code, part) for part in (data.images, data.val_images)]
        head = _chain(parts.head, codes[0].shape[1:], "head")
        coded = TrainingData(codes[0], data.labels, codes[1], data.val_labels)
        history += fit(head, coded, recipe, phase="classifier")
    else:
        history += fit(whole, data, recipe, phase="classifier")
    if recipe.finetune is not None:
        _unfreeze_weights(encoder)
        history += fit(whole, data, recipe.finetune, phase="finetuning")

    examples = data.val_images[:EXAMPLES]
    pictures = {"originals": examples, "reconstructions": predict(autoencoder, examples)[..., 0]}
    return Fitted(Network(whole), history, phase_seconds(history), pictures)


def _networks(parts: Parts) -> tuple[keras.Model, keras.Model]:
    """Return the encoder, from scaled images, and the autoencoder around it, from raw ones."""
    encoder = _chain(parts.encoder, IMAGE_SHAPE, "encoder")
    decoder = _chain(parts.decoder, encoder.output_shape[1:], "decoder")
    return encoder, classifier("autoencoder", "unit", [encoder, decoder], IMAGE_SHAPE)


def _chain(layers: list[keras.Layer], shape: tuple[int, ...], name: str) -> keras.Model:
    """Return layers as one network, which can be a layer of another."""
    import keras

    return keras.Sequential([keras.Input(shape), *layers], name=name)


def _freeze(encoder: keras.Model, *, batch_norm: bool) -> None:
    """Freeze the encoder's weights; a frozen batch normalisation runs in inference mode, as Keras defines it."""
    from keras import layers

    for layer in encoder.layers:
        layer.trainable = not batch_norm and isinstance(layer, layers.BatchNormalization)


def _unfreeze_weights(encoder: keras.Model) -> None:
    """Let convolutions and dense layers learn again; batch normalisation keeps the statistics that it has."""
    from keras import layers

    for layer in encoder.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
