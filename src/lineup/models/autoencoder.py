"""A convolutional autoencoder whose encoder, frozen, feeds a small classifier: the pipeline of report A.

It is trained in two steps. First encoder and decoder learn to reconstruct the training images. Then the encoder is
frozen, its batch normalisation in inference mode included, and only the head learns to classify. A frozen encoder maps
an image to the same code in every epoch, so the codes are computed once and the head is fitted on them: the same
mathematics as running the encoder again at each step, without its cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lineup.models.fit import Fitted, TrainingData, fit_network, predict_network
from lineup.models.registry import classifier, register_model, scaling_layers

if TYPE_CHECKING:
    import keras

    from lineup.config import Recipe
    from lineup.models.fit import OnEpoch
    from lineup.models.registry import Architecture

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
    """

    encoder: list[keras.Layer]
    decoder: list[keras.Layer]
    head: list[keras.Layer]


@register_model(report="A", parameters=241_930, published_accuracy=0.8013)
def frozen_encoder(code: int = 64) -> Parts:
    """A convolutional encoder trained to reconstruct, frozen, and a head of 128 and 64 units: report A.

    The report gives neither the encoder's blocks nor the decoder. Three strided convolutions of 32, 64 and 128 filters
    with batch normalisation give exactly its count of 224,704 frozen parameters. The decoder mirrors them: it
    upsamples 4 to 8, cropped to 7, to 14, to 28.
    """
    from keras import layers

    encoder: list[keras.Layer] = []
    for filters in (32, 64, 128):
        encoder += [
            layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
        ]
    encoder += [layers.Flatten(), layers.Dense(code)]

    decoder = [layers.Dense(4 * 4 * 128, activation="relu"), layers.Reshape((4, 4, 128))]
    for filters, crop in ((64, 1), (32, 0), (16, 0)):
        decoder += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.UpSampling2D()]
        decoder += [layers.Cropping2D(((0, crop), (0, crop)))] if crop else []
    decoder += [layers.Conv2D(1, 3, padding="same", activation="sigmoid")]

    head = [
        layers.Dense(128, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
    return Parts(encoder, decoder, head)


def fit_model(entry: Architecture, recipe: Recipe, data: TrainingData, on_epoch: OnEpoch) -> Fitted:
    """Train the autoencoder, freeze its encoder, train the head on its codes.

    Parameters
    ----------
    entry : Architecture
        Its builder returns `Parts`.
    recipe : Recipe
        ``recipe.pretrain`` holds the autoencoder's epochs, batch size and learning rate.
    data : TrainingData
        Training and validation images and labels.
    on_epoch : callable
        Told of every epoch of both phases, ``autoencoder`` and ``classifier``.

    Returns
    -------
    Fitted
        The classifier, with the encoder's parameters counted as frozen.
    """
    import keras

    if recipe.pretrain is None:
        raise ValueError("the family autoencoder needs recipe.pretrain; config.py checks that it is there")
    parts = entry.make(recipe.options)
    encoder = keras.Sequential([keras.Input(IMAGE_SHAPE), *parts.encoder], name="encoder")
    decoder = keras.Sequential([keras.Input(encoder.output_shape[1:]), *parts.decoder], name="decoder")
    # The autoencoder scales its own input; its target is the same image in [0, 1].
    autoencoder = keras.Sequential(
        [keras.Input((28, 28), dtype="uint8"), *scaling_layers("unit", IMAGE_SHAPE), encoder, decoder]
    )
    random = np.random.default_rng(recipe.seed)
    seconds = {}
    started = time.perf_counter()
    history = fit_network(
        autoencoder,
        TrainingData(data.images, _targets(data.images), data.val_images, _targets(data.val_images)),
        recipe.pretrain,
        random,
        phase="autoencoder",
        on_epoch=on_epoch,
        loss="mean_squared_error",
        metrics=(),
    )
    seconds["autoencoder"] = time.perf_counter() - started

    started = time.perf_counter()
    encoder.trainable = False
    to_code = keras.Sequential(
        [keras.Input((28, 28), dtype="uint8"), *scaling_layers("unit", IMAGE_SHAPE), encoder], name="to_code"
    )
    codes = TrainingData(
        predict_network(to_code, data.images), data.labels, predict_network(to_code, data.val_images), data.val_labels
    )
    head = keras.Sequential([keras.Input((codes.images.shape[1],)), *parts.head], name="head")
    history += fit_network(head, codes, recipe, random, phase="classifier", on_epoch=on_epoch)
    seconds["classifier"] = time.perf_counter() - started

    examples = data.val_images[:EXAMPLES]
    return Fitted(
        network=classifier(entry.name, "unit", [encoder, head], IMAGE_SHAPE),
        history=history,
        phase_seconds=seconds,
        arrays={"originals": examples, "reconstructions": predict_network(autoencoder, examples)[..., 0]},
    )


def _targets(images: np.ndarray) -> np.ndarray:
    """Return uint8 images (n, 28, 28) as the reconstruction's target: float32 (n, 28, 28, 1) in [0, 1]."""
    return (images / np.float32(255))[..., None].astype(np.float32)
