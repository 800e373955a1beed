"""Define the losses that a fit minimises.

Examples
--------
>>> from lineup.models.settings import Fit
>>> fit = Fit(epochs=1, batch_size=32, learning_rate=0.001)
>>> training_loss(CLASSIFICATION, fit, class_weights=None) is None
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from lineup.models.settings import Fit

Loss = Callable[[Any, Any], Any]
"""Maps the targets and the outputs of a batch to one loss per example."""


@dataclass(frozen=True)
class Objective:
    """Loss function of a network.

    The object also states whether the network returns class probabilities.

    Parameters
    ----------
    loss : callable
        Function that maps targets and outputs of a batch to one loss per example. Validation uses this loss.
    classifies : bool
        Whether the outputs are class probabilities. If so, the accuracy is computed.
    """

    loss: Loss
    classifies: bool


def _cross_entropy(labels: Any, probabilities: Any) -> Any:
    """Return the cross-entropy of each image.

    If the last layer is a softmax, Keras computes the cross-entropy from its logits.
    """
    import keras

    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)


def _squared_error(images: Any, reconstructions: Any) -> Any:
    """Return the mean squared error of each reconstructed image. Pixels are scaled to the range from 0 to 1."""
    import tensorflow as tf

    targets = tf.cast(images, tf.float32) / 255
    if targets.shape.rank == 3:  # images with one channel have no channel axis
        targets = targets[..., None]
    return tf.reduce_mean(tf.math.squared_difference(targets, reconstructions), axis=(1, 2, 3))


CLASSIFICATION = Objective(_cross_entropy, classifies=True)
RECONSTRUCTION = Objective(_squared_error, classifies=False)


def training_loss(objective: Objective, fit: Fit, class_weights: np.ndarray | None) -> Loss | None:
    """Return the loss with label smoothing or class weights, or None if neither is set.

    Parameters
    ----------
    objective : Objective
    fit : Fit
        With ``label_smoothing``, the targets must be class labels.
    class_weights : ndarray of float32, shape (classes,), or None
        Weight of the images of each class. If given, the targets must be class labels.

    Returns
    -------
    callable or None
        None without label smoothing and class weights.
    """
    if not fit.label_smoothing and class_weights is None:
        return None
    loss = _smoothed(fit.label_smoothing) if fit.label_smoothing else objective.loss
    return loss if class_weights is None else _weighted(loss, class_weights)


def _smoothed(fraction: float) -> Loss:
    def loss(labels: Any, probabilities: Any) -> Any:
        import keras
        import tensorflow as tf

        targets = tf.one_hot(labels, probabilities.shape[-1])
        return keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=fraction)

    return loss


def _weighted(loss: Loss, class_weights: np.ndarray) -> Loss:
    def weighted(labels: Any, probabilities: Any) -> Any:
        import tensorflow as tf

        return loss(labels, probabilities) * tf.gather(class_weights, tf.cast(labels, tf.int32))

    return weighted
