"""A convolutional autoencoder whose frozen encoder feeds a small classifier: the pipeline of report A.

It is trained in two phases. First encoder and decoder learn to reconstruct the training images. Then the encoder is
frozen, with its batch normalisation in inference mode, and only the head learns to classify. A frozen encoder maps an
image to the same latent vector in every epoch. Therefore the latent vectors are computed once and the head is fitted on
them, which is the same as running the encoder at each step, but faster. With a third phase, ``finetune`` in the recipe,
encoder and head are then trained together.

>>> from lineup.models.registry import architecture
>>> architecture("autoencoder", "frozen_encoder").options
('latent_size', 'probe', 'frozen_batch_norm')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineup.models.layers import Shape, hidden
from lineup.models.registry import register_model

if TYPE_CHECKING:
    import keras

FILTERS = (32, 64, 128)
"""Filters of the encoder's convolutions, each of which halves the height and the width, rounded up."""


@dataclass(frozen=True)
class Parts:
    """The three parts of the pipeline.

    Parameters
    ----------
    encoder : list of keras.Layer
        From scaled images (height, width, channels) to latent vectors.
    decoder : list of keras.Layer
        From latent vectors to reconstructed images (height, width, channels) in [0, 1].
    head : list of keras.Layer
        From latent vectors to class probabilities.
    frozen_batch_norm : bool
        Whether the encoder's batch normalisation is frozen with its weights while the head is trained.
    """

    encoder: list[keras.Layer]
    decoder: list[keras.Layer]
    head: list[keras.Layer]
    frozen_batch_norm: bool


@register_model(report="A", parameters=241_930)
def frozen_encoder(
    shape: Shape, classes: int, latent_size: int = 64, probe: str = "mlp", frozen_batch_norm: bool = True
) -> Parts:
    """A convolutional encoder trained to reconstruct, frozen, and a head of 128 and 64 units: report A.

    The report gives neither the encoder's blocks nor the decoder. Three strided convolutions of 32, 64 and 128 filters
    with batch normalisation give exactly its count of 224,704 frozen parameters. The decoder mirrors them: each
    upsampling doubles height and width, and a row or column too many is cropped.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of the images.
    classes : int
        Number of classes.
    latent_size : int
        Size of a latent vector. Default 64.
    probe : {"mlp", "linear"}
        The head: hidden layers of 128 and 64 units, or none, which measures how well a linear classifier does on the
        latent vectors. Default mlp.
    frozen_batch_norm : bool
        If False, batch normalisation continues to learn and uses the statistics of the batch while the head is trained:
        a common mistake, kept to measure its effect. Default True.
    """
    from keras import layers

    heads = {"mlp": [hidden(128), hidden(64)], "linear": []}
    if probe not in heads:
        raise ValueError(f"probe = {probe!r}: expected one of {', '.join(heads)}")
    head = [*heads[probe], layers.Dense(classes, activation="softmax")]
    return Parts(_encoder(latent_size), _decoder(shape), head, frozen_batch_norm)


def _encoder(latent_size: int) -> list[keras.Layer]:
    from keras import layers

    encoder: list[keras.Layer] = []
    for filters in FILTERS:
        encoder += [
            layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
        ]
    return [*encoder, layers.Flatten(), layers.Dense(latent_size)]


def _decoder(shape: Shape) -> list[keras.Layer]:
    from keras import layers

    *size, channels = shape
    sizes = [tuple(size)]
    for _ in FILTERS:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    height, width = sizes.pop()
    decoder = [hidden(height * width * FILTERS[-1]), layers.Reshape((height, width, FILTERS[-1]))]
    for filters in (64, 32, 16):
        decoder += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.UpSampling2D()]
        target = sizes.pop()
        down, right = target[0] % 2, target[1] % 2
        decoder += [layers.Cropping2D(((0, down), (0, right)))] if down or right else []
    return [*decoder, layers.Conv2D(channels, 3, padding="same", activation="sigmoid")]
