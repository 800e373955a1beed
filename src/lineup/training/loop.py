"""Train a network with one or two TensorFlow calls per epoch.

The training loop in this module replaces ``Model.fit`` of Keras for two reasons. First, after a call of
``keras.utils.set_random_seed``, ``fit`` uses the same order of the images in every epoch. The network then trains on
the same batches in every epoch, overfits and reaches a lower accuracy (see ``benchmarks/shuffling.py``). Second,
``fit`` is slower, because it returns to Python after each batch and runs many small operations (see
``benchmarks/training.py``). The weight updates are the same as in ``fit``.

Examples
--------
>>> [batch.tolist() for batch in epoch_batches(np.random.default_rng(0), images=5, batch_size=2)]
[[[2, 4], [3, 0]], [[1]]]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.batches import NETWORK_BATCH, PREDICT_BATCH, in_batches
from lineup.training.augmentation import changed, random_changes
from lineup.training.batch_norm import fused_batch_norm
from lineup.training.devices import uses_gpu
from lineup.training.losses import Objective, training_loss
from lineup.training.optimizers import make_optimizer

if TYPE_CHECKING:
    import keras

    from lineup.models.settings import Fit


class Loop:
    """Loop that trains one network on one set of images.

    Parameters
    ----------
    network : keras.Model
        Network that is not compiled. The attribute ``trainable`` of its layers must not change afterwards.
    inputs, targets : ndarray of shape (n, ...)
        Copied to the device once.
    fit : Fit
        Settings such as batch size, optimizer, schedule and augmentation.
    objective : Objective
    class_weights : ndarray of float32, shape (classes,), or None
        Weight of the loss of an image in the weight updates, by its class. The loss in the history is not weighted.
        Default None: all images have the same weight.

    Notes
    -----
    On a GPU, XLA compiles all steps of an epoch into one program. On a processor, XLA is not used, because convolutions
    are slower with XLA. The evaluation never uses XLA, because it would take longer to compile it than to run it.
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
        self._inputs, self._targets = tf.constant(inputs), tf.constant(targets)
        self._optimizer = make_optimizer(fit, network.trainable_variables, len(inputs))
        self._training_loss = training_loss(objective, fit, class_weights)
        # An int32 variable would always be in the memory of the CPU, where a program on a GPU cannot use it.
        self._loss, self._correct = tf.Variable(0.0), tf.Variable(0, dtype=tf.int64)
        xla = True if uses_gpu() else None
        self._evaluation_batch = PREDICT_BATCH if xla else NETWORK_BATCH
        self._run_batches = tf.function(self._batches, reduce_retracing=True, jit_compile=xla)
        self._run_evaluation = tf.function(self._evaluation, reduce_retracing=True, autograph=False)

    def variables(self) -> list[keras.Variable]:
        """Return all variables that change during training, such as weights and the moments of the optimizer."""
        return [*self._network.variables, *self._optimizer.variables]

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        return float(self._optimizer.learning_rate)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside of a ``with`` block, replace the weights of the network by their moving average.

        If ``fit.ema`` is not set, the weights of the network do not change.
        """
        if self._fit.ema is None:
            yield
            return
        weights = self._network.trainable_variables
        current = [weight.numpy() for weight in weights]
        self._optimizer.finalize_variable_values(weights)
        try:
            yield
        finally:
            for weight, value in zip(weights, current, strict=True):
                weight.assign(value)

    def run_epoch(self, random: np.random.Generator) -> tuple[float, float]:
        """Train the network on each image once, in random order.

        Returns
        -------
        loss, accuracy : float
            Means over the images, computed before the weight update of each step. The accuracy is NaN if the network
            does not classify. The loss does not include class weights, label smoothing and the L2 penalty.
        """
        import tensorflow as tf

        self._loss.assign(0.0)
        self._correct.assign(0)
        count = len(self._inputs)
        changes = random_changes(random, count, self._fit.augment, self._inputs.shape[1:3])
        for batch in epoch_batches(random, count, self._fit.batch_size):
            run_traced(self._run_batches, tf.constant(batch), tf.constant(changes))
        return self._means(count)

    def evaluate(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Compute the mean loss and the accuracy in inference mode."""
        import tensorflow as tf

        self._loss.assign(0.0)
        self._correct.assign(0)
        for start in range(0, len(inputs), self._evaluation_batch):
            end = start + self._evaluation_batch
            run_traced(self._run_evaluation, tf.constant(inputs[start:end]), tf.constant(targets[start:end]))
        return self._means(len(inputs))

    def _means(self, count: int) -> tuple[float, float]:
        accuracy = int(self._correct) / count if self._objective.classifies else math.nan
        return float(self._loss) / count, accuracy

    def _batches(self, batches: Any, changes: Any) -> None:
        """Run one training step for each row of ``batches``. Each row contains the image indices of one batch."""
        import tensorflow as tf

        # AutoGraph converts only this loop. To convert the code of a step as well would delay the first epoch.
        step = tf.autograph.experimental.do_not_convert(self._step)
        for number in tf.range(tf.shape(batches)[0]):
            step(batches[number], changes)

    def _step(self, batch: Any, changes: Any) -> None:
        """Update the weights with one batch, which is given by the indices of its images."""
        import tensorflow as tf

        inputs, targets = tf.gather(self._inputs, batch), tf.gather(self._targets, batch)
        if self._fit.augment:
            inputs = changed(inputs, tf.gather(changes, batch), self._fit.augment)
        weights = self._network.trainable_variables
        with tf.GradientTape() as tape:
            with fused_batch_norm():
                outputs = self._network(inputs, training=True)
            losses = self._objective.loss(targets, outputs)
            total = tf.reduce_mean(losses if self._training_loss is None else self._training_loss(targets, outputs))
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
            self._correct.assign_add(tf.reduce_sum(tf.cast(hits, tf.int64)))


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


def run_traced(function: Any, *arguments: Any) -> Any:
    """Call a ``tf.function``, and trace it first if the tensor shapes are new.

    TensorFlow needs a separate trace for each network and each shape of its inputs. TensorFlow warns about retracing
    after five automatic traces, even if these traces belong to different networks. To avoid this warning, lineup
    requests each trace explicitly.
    """
    import tensorflow as tf

    specs = [tf.TensorSpec(argument.shape, argument.dtype) for argument in arguments]
    return function.get_concrete_function(*specs)(*arguments)


def predict(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Compute the outputs of a network in inference mode. The inputs are processed in batches."""
    import tensorflow as tf

    run = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True, autograph=False)
    outputs = in_batches(lambda batch: run_traced(run, tf.constant(batch)).numpy(), inputs, NETWORK_BATCH)
    return outputs.astype(np.float32, copy=False)
