"""The training loop: one epoch is one call of TensorFlow, on images that are on the device.

There are two reasons not to use ``Model.fit``. After ``keras.utils.set_random_seed``, ``fit`` shuffles the images into
the *same* order in every epoch, because its generator is reset before each pass over the data. A network then sees the
same batches again and again, overfits, and has a lower accuracy (``benchmarks/shuffling.py`` measures it). And ``fit``
returns to Python for each batch, computes its metrics in many small operations and updates each weight in a dozen
passes over memory (``benchmarks/training.py`` measures it). The mathematics is that of ``fit``.

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
        From targets and outputs of a batch to one loss per example.
    classifies : bool
        Whether the outputs are class probabilities, which have an accuracy.
    """

    loss: Callable[[Any, Any], Any]
    classifies: bool


def _cross_entropy(labels: Any, probabilities: Any) -> Any:
    """Return ``-log p[label]``; computed from the logits if the last layer is a softmax, as Keras does."""
    import keras

    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)


def _squared_error(images: Any, reconstructions: Any) -> Any:
    """Return the mean squared error per image; the pixels of the raw images are scaled to [0, 1]."""
    import tensorflow as tf

    targets = tf.cast(images, tf.float32) / 255
    if targets.shape.rank == 3:  # images of one channel are stored without its axis
        targets = targets[..., None]
    return tf.reduce_mean(tf.math.squared_difference(targets, reconstructions), axis=(1, 2, 3))


CLASSIFICATION = Objective(_cross_entropy, classifies=True)
RECONSTRUCTION = Objective(_squared_error, classifies=False)


class Loop:
    """The epochs of one network on one set of data.

    Parameters
    ----------
    network : keras.Model
        Not compiled; its layers' ``trainable`` must not change afterwards.
    inputs, targets : ndarray of shape (n, ...)
        Copied to the device once.
    fit : Fit
        Batch size, learning rate, schedule, L2 penalty, augmentation.
    objective : Objective
    """

    def __init__(
        self, network: keras.Model, inputs: np.ndarray, targets: np.ndarray, fit: Fit, objective: Objective
    ) -> None:
        import tensorflow as tf

        self._network, self._fit, self._objective = network, fit, objective
        self._inputs, self._targets = tf.constant(inputs), tf.constant(targets)
        self._optimizer = _adam(fit, len(inputs))
        self._optimizer.build(network.trainable_variables)
        self._loss, self._correct = tf.Variable(0.0), tf.Variable(0, dtype=tf.int32)
        self._run_batches = tf.function(self._batches, reduce_retracing=True)
        self._run_evaluation = tf.function(self._evaluation, reduce_retracing=True)

    def variables(self) -> list[keras.Variable]:
        """Return everything that training changes: weights, statistics, the seeds of dropout, the moments of Adam."""
        return [*self._network.variables, *self._optimizer.variables]

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(self._optimizer.learning_rate)

    def run_epoch(self, random: np.random.Generator) -> tuple[float, float]:
        """Train on every image once, in a random order.

        Returns
        -------
        loss, accuracy : float
            Means over the images, computed with the weights before each step. The accuracy is NaN if the network does
            not classify. The loss does not include the L2 penalty.
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
        """Return mean loss and accuracy, in inference mode."""
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
        """Do one training step per row of image numbers (steps, size)."""
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
            total = tf.reduce_mean(losses)
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
    """Return Keras's Adam with an update that is one operation of TensorFlow instead of a dozen.

    The formula is the same (Kingma and Ba, "Adam", 2015, with the bias corrections in the step size).
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
    """Return the handle of a TensorFlow variable, or of the one inside of a Keras variable."""
    return variable.handle if hasattr(variable, "handle") else variable.value.handle


def epoch_batches(random: np.random.Generator, images: int, batch_size: int) -> list[np.ndarray]:
    """Return the order of one epoch: every image once, in batches.

    Parameters
    ----------
    random : numpy.random.Generator
        Each call gives another order.
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
    """Return, for each image, the shift down and right in pixels, and whether it is mirrored.

    Returns
    -------
    ndarray of shape (images, 3), int32
        Two numbers from -2 to 2, and 0 or 1.
    """
    shifts = random.integers(-SHIFT, SHIFT + 1, size=(images, 2))
    return np.column_stack([shifts, random.integers(0, 2, size=images)]).astype(np.int32)


def augmented(images: Any, augmentations: Any) -> Any:
    """Shift and mirror images; pixels from outside the image are black.

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
    """Call a ``tf.function`` with tensors, using the trace for their shapes.

    One trace per network and shape is needed. TensorFlow counts the traces of all networks together and warns of
    "retracing" after five of them, unless each is requested explicitly.
    """
    import tensorflow as tf

    specs = [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
    return function.get_concrete_function(*specs)(*arguments)


def predict(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Return a network's outputs for any number of inputs, in inference mode, as float32."""
    import tensorflow as tf

    run = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True)
    return in_batches(lambda batch: run_traced(run, tf.constant(batch)).numpy(), inputs).astype(np.float32, copy=False)
