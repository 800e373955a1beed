"""Build the optimizer and the learning-rate schedule for the training of a network.

Examples
--------
>>> from lineup.models.settings import Fit
>>> rate = learning_rate(Fit(epochs=2, batch_size=5, learning_rate=0.1, schedule="linear", warmup=0.5), images=10)
>>> [round(float(rate(step)), 3) for step in range(4)]
[0.05, 0.1, 0.1, 0.05]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from lineup.models.settings import Fit


def make_optimizer(fit: Fit, weights: Sequence[keras.Variable], images: int) -> keras.optimizers.Optimizer:
    """Return an optimizer that updates each weight with a single TensorFlow operation.

    Parameters
    ----------
    fit : Fit
    weights : sequence of keras.Variable
        The trainable weights.
    images : int
        Number of training images, which gives the number of steps of the schedule.

    Returns
    -------
    keras.optimizers.Optimizer
        It has the same update rule as the optimizer of Keras (Adam: Kingma and Ba, 2015; SGD: Sutskever et al., 2013).
    """
    others: dict[str, Any] = {"weight_decay": fit.weight_decay or None}
    if fit.ema is not None:
        others |= {"use_ema": True, "ema_momentum": fit.ema}
    rate = learning_rate(fit, images)
    if fit.optimizer == "adam":
        optimizer = _fused_adam()(rate, **others)
    else:
        momentum = 0.9 if fit.momentum is None else fit.momentum
        optimizer = _fused_sgd()(rate, momentum=momentum, nesterov=True, **others)
    if fit.weight_decay:
        optimizer.exclude_from_weight_decay([weight for weight in weights if len(weight.shape) < 2])
    optimizer.build(weights)
    return optimizer


def learning_rate(fit: Fit, images: int) -> float | Callable[[Any], Any]:
    """Return the learning rate, or a Keras schedule if the learning rate changes during training."""
    from keras.optimizers import schedules

    steps = fit.epochs // (fit.snapshots or 1) * math.ceil(images / fit.batch_size)
    warmup = round(fit.warmup * steps)
    rate: float | Callable[[Any], Any] = fit.learning_rate
    if fit.schedule == "cosine":
        rate = schedules.CosineDecay(fit.learning_rate, max(steps - warmup, 1))
    elif fit.schedule == "linear":
        rate = schedules.PolynomialDecay(fit.learning_rate, max(steps - warmup, 1), end_learning_rate=0.0)
    rate = _warmup()(fit.learning_rate, warmup, rate) if warmup else rate
    return _repeated()(rate, steps) if fit.snapshots else rate


def _repeated() -> Callable[..., Any]:
    """Define a learning-rate schedule that restarts after a given number of steps, and return its class."""
    import keras
    import tensorflow as tf

    class Repeated(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __init__(self, schedule: Callable[[Any], Any], steps: int) -> None:
            self._schedule, self._steps = schedule, steps

        def __call__(self, step: Any) -> Any:
            return self._schedule(tf.math.floormod(tf.cast(step, tf.float32), self._steps))

        def get_config(self) -> dict[str, Any]:
            return {"schedule": self._schedule, "steps": self._steps}

    return Repeated


def _warmup() -> Callable[..., Any]:
    """Define a learning-rate schedule that begins with a linear warmup, and return its class. Importing this module
    must not import Keras.
    """
    import keras
    import tensorflow as tf

    class Warmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __init__(self, peak: float, steps: int, after: float | Callable[[Any], Any]) -> None:
            self._peak, self._steps, self._after = peak, steps, after

        def __call__(self, step: Any) -> Any:
            step = tf.cast(step, tf.float32)
            after = self._after(step - self._steps) if callable(self._after) else self._after
            return tf.where(step < self._steps, self._peak * (step + 1) / self._steps, after)

        def get_config(self) -> dict[str, Any]:
            return {"peak": self._peak, "steps": self._steps, "after": self._after}

    return Warmup


def _fused_adam() -> Callable[..., Any]:
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

    return FusedAdam


def _fused_sgd() -> Callable[..., Any]:
    import keras
    import tensorflow as tf

    class FusedSGD(keras.optimizers.SGD):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            if not self.momentum:
                super().update_step(gradient, variable, learning_rate)
                return
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=_resource(variable),
                accum=_resource(self.momentums[self._get_variable_index(variable)]),
                lr=tf.cast(learning_rate, tf.float32),
                grad=gradient,
                momentum=self.momentum,
                use_nesterov=True,
            )

    return FusedSGD


def _resource(variable: Any) -> Any:
    """Return the TensorFlow handle of a TensorFlow variable or a Keras variable."""
    return variable.handle if hasattr(variable, "handle") else variable.value.handle
