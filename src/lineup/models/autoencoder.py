"""A convolutional autoencoder whose encoder, frozen, feeds a small classifier: the pipeline of report A.

It is trained in two phases. First encoder and decoder learn to reconstruct the training images. Then the encoder is
frozen, its batch normalisation in inference mode included, and only the head learns to classify. A frozen encoder maps
an image to the same code in every epoch, so the codes are computed once and the head is fitted on them: the same
mathematics as running the encoder again at each step, without its cost. With a third phase, ``finetune`` in the recipe,
encoder and head are then trained together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lineup.models.blocks import classifier, hidden
from lineup.models.fit import Fitted, Network, TrainingData, fit_network, libraries, phase_seconds
from lineup.models.loop import RECONSTRUCTION, predict
from lineup.models.registry import register_model

if TYPE_CHECKING:
    import keras

    from lineup.config import NetworkRecipe
    from lineup.models.backup import Backup
    from lineup.models.fit import OnEpoch
    from lineup.models.registry import Architecture

__all__ = ["IMAGE_SHAPE", "fit_model", "libraries"]

IMAGE_SHAPE = (28, 28, 1)
EXAMPLES = 10
"""How many validation images are kept beside their reconstructions."""


@dataclass(frozen=True)
class Parts:
    """The three stacks of layers of the pipeline.

    Parameters
    ----------
    encoder : list of keras.Layer
        Scaled image (28, 28, 1) to code.
    decoder : list of keras.Layer
        Code to reconstructed image (28, 28, 1) in [0, 1].
    head : list of keras.Layer
        Code to class probabilities.
    frozen_batch_norm : bool
        Whether the encoder's batch normalisation is frozen with its weights while the head is trained.
    """

    encoder: list[keras.Layer]
    decoder: list[keras.Layer]
    head: list[keras.Layer]
    frozen_batch_norm: bool


@register_model(report="A", parameters=241_930)
def frozen_encoder(code: int = 64, probe: str = "mlp", frozen_batch_norm: bool = True) -> Parts:
    """A convolutional encoder trained to reconstruct, frozen, and a head of 128 and 64 units: report A.

    The report gives neither the encoder's blocks nor the decoder. Three strided convolutions of 32, 64 and 128 filters
    with batch normalisation give exactly its count of 224,704 frozen parameters. The decoder mirrors them: it
    upsamples 4 to 8, cropped to 7, to 14, to 28.

    Parameters
    ----------
    code : int
        Size of the code. Default 64.
    probe : {"mlp", "linear"}
        The head: hidden layers of 128 and 64 units, or none, which shows what can be read off the code. Default mlp.
    frozen_batch_norm : bool
        If False, batch normalisation goes on learning and uses the statistics of the batch while the head is trained:
        a common mistake, kept to measure what it does. Default True.
    """
    from keras import layers

    heads = {"mlp": [hidden(128), hidden(64)], "linear": []}
    if probe not in heads:
        raise ValueError(f"probe = {probe!r}: expected one of {', '.join(heads)}")
    head = [*heads[probe], layers.Dense(10, activation="softmax")]
    return Parts(_encoder(code), _decoder(), head, frozen_batch_norm)


def _encoder(code: int) -> list[keras.Layer]:
    from keras import layers

    encoder: list[keras.Layer] = []
    for filters in (32, 64, 128):
        encoder += [
            layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
        ]
    return [*encoder, layers.Flatten(), layers.Dense(code)]


def _decoder() -> list[keras.Layer]:
    from keras import layers

    decoder = [hidden(4 * 4 * 128), layers.Reshape((4, 4, 128))]
    for filters, crop in ((64, 1), (32, 0), (16, 0)):
        decoder += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.UpSampling2D()]
        decoder += [layers.Cropping2D(((0, crop), (0, crop)))] if crop else []
    return [*decoder, layers.Conv2D(1, 3, padding="same", activation="sigmoid")]


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
