"""Train a network with one or two TensorFlow calls per epoch.

The training loop in this module replaces ``Model.fit`` of Keras for two reasons. First, after
``keras.utils.set_random_seed``, ``fit`` uses the same order of the images in every epoch. The network then sees the
same batches in every epoch, overfits and reaches a lower accuracy (see ``benchmarks/shuffling.py``). Second, ``fit`` is
slower, because it returns to Python after each batch and runs many small operations (see ``benchmarks/training.py``).
The weight updates are the same as in ``fit``.

>>> [batch.tolist() for batch in epoch_batches(np.random.default_rng(0), images=5, batch_size=2)]
[[[2, 4], [3, 0]], [[1]]]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.batches import PREDICT_BATCH, in_batches

if TYPE_CHECKING:
    import keras

    from lineup.models.settings import Fit

SHIFT = 2
"""Largest shift of an augmented image in each direction, in pixels."""


@dataclass(frozen=True)
class Objective:
    """The loss that a fit minimises.

    Parameters
    ----------
    loss : callable
        Function that maps targets and outputs of a batch to one loss per example.
    classifies : bool
        Whether the outputs are class probabilities. If so, the accuracy is computed.
    """

    loss: Callable[[Any, Any], Any]
    classifies: bool


def _cross_entropy(labels: Any, probabilities: Any) -> Any:
    """Return the cross-entropy of each image.

    If the last layer is a softmax, Keras computes the cross-entropy from its logits.
    """
    import keras

    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)


def _squared_error(images: Any, reconstructions: Any) -> Any:
    """Return the mean squared error of each reconstructed image, with pixels scaled to [0, 1]."""
    import tensorflow as tf

    targets = tf.cast(images, tf.float32) / 255
    if targets.shape.rank == 3:  # images with one channel have no channel axis
        targets = targets[..., None]
    return tf.reduce_mean(tf.math.squared_difference(targets, reconstructions), axis=(1, 2, 3))


CLASSIFICATION = Objective(_cross_entropy, classifies=True)
RECONSTRUCTION = Objective(_squared_error, classifies=False)


class Loop:
    """Training loop for one network and one set of images.

    Parameters
    ----------
    network : keras.Model
        Network that is not compiled. The attribute ``trainable`` of its layers must not change afterwards.
    inputs, targets : ndarray of shape (n, ...)
        Copied to the device once.
    fit : Fit
        Batch size, learning rate, schedule, L2 penalty, augmentation.
    objective : Objective
    class_weights : ndarray of float32, shape (classes,), or None
        Weight of the loss of an image in the weight updates, by its class. The loss in the history is not weighted.
        Default None: all images have the same weight.
    """

    def __init__(
        self,
        network: keras.Model,
        inputs: np.ndarray,
        targets: np.ndarray,
        fit: Fit,
        objective: Objective,
        class_weights: np.ndarray | None = None,
    ) -> None:
        import tensorflow as tf

        self._network, self._fit, self._objective = network, fit, objective
        self._class_weights = class_weights
        self._inputs, self._targets = tf.constant(inputs), tf.constant(targets)
        self._optimizer = _adam(fit, len(inputs))
        self._optimizer.build(network.trainable_variables)
        self._loss, self._correct = tf.Variable(0.0), tf.Variable(0, dtype=tf.int32)
        self._run_batches = tf.function(self._batches, reduce_retracing=True)
        self._run_evaluation = tf.function(self._evaluation, reduce_retracing=True)

    def variables(self) -> list[keras.Variable]:
        """Return all variables that change during training, such as weights and the moments of Adam."""
        return [*self._network.variables, *self._optimizer.variables]

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(self._optimizer.learning_rate)

    def run_epoch(self, random: np.random.Generator) -> tuple[float, float]:
        """Train the network on each image once, in random order.

        Returns
        -------
        loss, accuracy : float
            Means over the images, computed before the weight update of each step. The accuracy is NaN if the network
            does not classify. The loss does not include the L2 penalty.
        """
        import tensorflow as tf

        self._loss.assign(0.0)
        self._correct.assign(0)
        count = len(self._inputs)
        augmentations = random_augmentations(random, count) if self._fit.augment else np.zeros((count, 3), np.int32)
        for batch in epoch_batches(random, count, self._fit.batch_size):
            run_traced(self._run_batches, tf.constant(batch), tf.constant(augmentations))
        return self._means(count)

    def evaluate(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Compute the mean loss and the accuracy in inference mode."""
        import tensorflow as tf

        self._loss.assign(0.0)
        self._correct.assign(0)
        for start in range(0, len(inputs), PREDICT_BATCH):
            end = start + PREDICT_BATCH
            run_traced(self._run_evaluation, tf.constant(inputs[start:end]), tf.constant(targets[start:end]))
        return self._means(len(inputs))

    def _means(self, count: int) -> tuple[float, float]:
        accuracy = int(self._correct) / count if self._objective.classifies else math.nan
        return float(self._loss) / count, accuracy

    def _batches(self, batches: Any, augmentations: Any) -> None:
        """Run one training step for each row of ``batches``. A row contains the indices of the images in a batch."""
        import tensorflow as tf

        for number in tf.range(tf.shape(batches)[0]):
            batch = batches[number]
            inputs = tf.gather(self._inputs, batch)
            if self._fit.augment:
                inputs = augmented(inputs, tf.gather(augmentations, batch))
            self._step(inputs, tf.gather(self._targets, batch))

    def _step(self, inputs: Any, targets: Any) -> None:
        import tensorflow as tf

        weights = self._network.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._network(inputs, training=True)
            losses = self._objective.loss(targets, outputs)
            if self._class_weights is None:
                total = tf.reduce_mean(losses)
            else:
                total = tf.reduce_mean(losses * tf.gather(self._class_weights, tf.cast(targets, tf.int32)))
            if self._fit.l2:
                kernels = [weight for weight in weights if len(weight.shape) > 1]
                total += self._fit.l2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])
        gradients = tape.gradient(total, [weight.value for weight in weights])
        self._optimizer.apply(gradients, weights)
        self._count(losses, targets, outputs)

    def _evaluation(self, inputs: Any, targets: Any) -> None:
        outputs = self._network(inputs, training=False)
        self._count(self._objective.loss(targets, outputs), targets, outputs)

    def _count(self, losses: Any, targets: Any, outputs: Any) -> None:
        import tensorflow as tf

        self._loss.assign_add(tf.reduce_sum(losses))
        if self._objective.classifies:
            hits = tf.argmax(outputs, axis=-1, output_type=tf.int32) == tf.cast(targets, tf.int32)
            self._correct.assign_add(tf.reduce_sum(tf.cast(hits, tf.int32)))


def _adam(fit: Fit, images: int) -> Any:
    """Return an Adam optimizer that updates each weight with a single TensorFlow operation.

    The optimizer uses the same update rule as Keras (Kingma and Ba, "Adam", 2015).
    """
    import keras
    import tensorflow as tf

    class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            index = self._get_variable_index(variable)
            moments = [_resource(of[index]) for of in (self._momentums, self._velocities)]
            step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float32)
            tf.raw_ops.ResourceApplyAdam(
                var=_resource(variable),
                m=moments[0],
                v=moments[1],
                beta1_power=tf.pow(self.beta_1, step),
                beta2_power=tf.pow(self.beta_2, step),
                lr=tf.cast(learning_rate, tf.float32),
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )

    if fit.schedule == "constant":
        return FusedAdam(fit.learning_rate)
    steps = fit.epochs * math.ceil(images / fit.batch_size)
    return FusedAdam(keras.optimizers.schedules.CosineDecay(fit.learning_rate, steps))


def _resource(variable: Any) -> Any:
    """Return the TensorFlow handle of a TensorFlow variable or a Keras variable."""
    return variable.handle if hasattr(variable, "handle") else variable.value.handle


def epoch_batches(random: np.random.Generator, images: int, batch_size: int) -> list[np.ndarray]:
    """Shuffle the indices of all images and group them into batches.

    Parameters
    ----------
    random : numpy.random.Generator
        Random generator. Each call gives a different order.
    images, batch_size : int
        Number of images, and of images per batch.

    Returns
    -------
    list of ndarray of shape (batches, size), int32
        All whole batches in one array; the remaining images, if any, in a second array with one smaller batch.
    """
    order = random.permutation(images).astype(np.int32)
    whole = images // batch_size * batch_size
    parts = [order[:whole].reshape(-1, batch_size), order[whole:].reshape(1, -1)]
    return [part for part in parts if part.size]


def random_augmentations(random: np.random.Generator, images: int) -> np.ndarray:
    """Choose a random shift and a random reflection for each image.

    Returns
    -------
    ndarray of shape (images, 3), int32
        The shifts down and to the right, from -2 to 2 pixels, and 1 if the image is mirrored.
    """
    shifts = random.integers(-SHIFT, SHIFT + 1, size=(images, 2))
    return np.column_stack([shifts, random.integers(0, 2, size=images)]).astype(np.int32)


def augmented(images: Any, augmentations: Any) -> Any:
    """Shift and mirror images, and fill the empty pixels with zeros.

    Parameters
    ----------
    images : tensor of uint8, shape (n, height, width) or (n, height, width, channels)
    augmentations : tensor of int32, shape (n, 3)
        See `random_augmentations`.

    Returns
    -------
    tensor of uint8, of the shape of ``images``
    """
    import tensorflow as tf

    height, width, *channels = images.shape[1:]
    chosen = tf.reshape(augmentations[:, 2] == 1, [-1, *[1] * (2 + len(channels))])
    mirrored = tf.where(chosen, images[:, :, ::-1], images)
    padded = tf.pad(mirrored, [[0, 0], [SHIFT, SHIFT], [SHIFT, SHIFT], *[[0, 0]] * len(channels)])
    starts = SHIFT - augmentations[:, :2, None]
    rows = tf.gather(padded, starts[:, 0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, starts[:, 1] + tf.range(width), axis=2, batch_dims=1)


def run_traced(function: Any, *arguments: Any) -> Any:
    """Call a ``tf.function``, and trace it first if the tensor shapes are new.

    TensorFlow needs a separate trace for each network and each shape of its inputs. After five implicit traces,
    TensorFlow warns about retracing, even if the traces belong to different networks. To avoid the warning, each trace
    is requested explicitly.
    """
    import tensorflow as tf

    specs = [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
    return function.get_concrete_function(*specs)(*arguments)


def predict(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Compute the outputs of a network in inference mode. The inputs are processed in batches."""
    import tensorflow as tf

    run = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True)
    return in_batches(lambda batch: run_traced(run, tf.constant(batch)).numpy(), inputs).astype(np.float32, copy=False)
