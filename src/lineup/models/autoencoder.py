"""A convolutional autoencoder whose encoder, frozen, feeds a small classifier: the pipeline of report A.

It is trained in two phases. First encoder and decoder learn to reconstruct the training images. Then the encoder is
frozen, its batch normalisation in inference mode included, and only the head learns to classify. A frozen encoder maps
an image to the same code in every epoch, so the codes are computed once and the head is fitted on them: the same
mathematics as running the encoder again at each step, without its cost. With a third phase, ``finetune`` in the recipe,
encoder and head are then trained together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineup.models.layers import hidden
from lineup.models.registry import register_model

if TYPE_CHECKING:
    import keras


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
