"""Convolutional autoencoder with a classifier on top of its frozen encoder (report A).

In the first phase, the encoder and the decoder are trained to reconstruct the training images. In the second phase, the
encoder is frozen, including its batch normalisation, and only the classifier is trained. The latent vectors of a frozen
encoder are the same in every epoch, so they are computed only once. Running the encoder in every training step would
give the same result, but would be slower. If the settings contain ``finetune``, the encoder and the classifier are
trained together in a third phase.

Examples
--------
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
"""Number of filters of each convolution of the encoder. Each convolution halves height and width, rounded up."""


@dataclass(frozen=True)
class Parts:
    """Layers of an encoder, a decoder and a classifier.

    Parameters
    ----------
    encoder : list of keras.Layer
        Layers that map scaled images (height, width, channels) to latent vectors.
    decoder : list of keras.Layer
        Layers that map latent vectors to reconstructed images (height, width, channels) in [0, 1].
    head : list of keras.Layer
        Layers that map latent vectors to class probabilities.
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
    """Classifier with the frozen encoder of an autoencoder, and dense layers of 128 and 64 units (report A).

    The report does not specify the layers of the encoder and the decoder. This encoder has three strided convolutions
    with batch normalisation. As in the report, the encoder has 224,704 frozen parameters. The decoder mirrors the
    encoder. Each upsampling layer doubles the height and the width. Surplus rows and columns are cropped.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of the images.
    classes : int
        Number of classes.
    latent_size : int
        Size of a latent vector. Default 64.
    probe : {"mlp", "linear"}
        Type of the head: hidden layers of 128 and 64 units, or a linear classifier on the latent vectors. Default mlp.
    frozen_batch_norm : bool
        If False, batch normalisation is trained and uses batch statistics while the head is trained. This common
        mistake is available to measure its effect. Default True.
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
