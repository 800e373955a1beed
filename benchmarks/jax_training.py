"""Train a network with Keras on JAX: one XLA program per epoch, for one seed or for several seeds at the same time.

lineup does not use JAX. ``training.py --variants jax jax_seeds`` answers two questions for a GPU: how fast one XLA
program per epoch can be, and whether stacking the weights of several seeds (``jax.vmap``) is faster than training one
seed after another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

if TYPE_CHECKING:
    from lineup.models.settings import Fit

State = tuple[list[Any], list[Any], list[Any]]
"""Trainable variables, other variables, and variables of the optimizer."""


def epoch_seconds(
    make: Callable[[], keras.Model],
    images: np.ndarray,
    targets: np.ndarray,
    fit: Fit,
    *,
    seeds: int,
) -> list[float]:
    """Return the time of each epoch in seconds, divided by the number of seeds. The first epoch includes compilation.

    Parameters
    ----------
    make : callable
        Returns a new network.
    images : ndarray of shape (n, 28, 28), uint8
    targets : ndarray
        For the cross-entropy, labels of shape (n,). For the squared error, scaled images with the shape of the outputs.
    fit : Fit
        Epochs, batch size and learning rate of Adam. The batch size must divide the number of images.
    seeds : int
        Number of networks that are trained at the same time. Each has its own weights, order and dropout.
    """
    states = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        network, adam = make(), keras.optimizers.Adam(fit.learning_rate)
        adam.build(network.trainable_variables)
        variables = (network.trainable_variables, network.non_trainable_variables, adam.variables)
        states.append(tuple([variable.value for variable in part] for part in variables))
    epoch = _epoch(network, adam, jnp.asarray(images), jnp.asarray(targets))
    run = jax.jit(epoch if seeds == 1 else jax.vmap(epoch), donate_argnums=0)
    state = states[0] if seeds == 1 else jax.tree.map(lambda *values: jnp.stack(values), *states)
    shape = (-1, fit.batch_size) if seeds == 1 else (seeds, -1, fit.batch_size)
    random, times = np.random.default_rng(1), []
    for _ in range(fit.epochs):
        started = time.perf_counter()
        orders = np.stack([random.permutation(len(images)).astype(np.int32) for _ in range(seeds)])
        state, losses = run(state, jnp.asarray(orders.reshape(shape)))
        if not np.isfinite(np.asarray(losses)).all():  # this also waits until a GPU has finished
            raise SystemExit("the training in JAX diverges")
        times.append((time.perf_counter() - started) / seeds)
    return times


def _epoch(network: keras.Model, adam: keras.optimizers.Optimizer, inputs: Any, targets: Any) -> Callable[..., Any]:
    """Return a function that trains on all batches of an epoch. It returns the new state and the loss of each batch."""

    def loss(weights: list[Any], others: list[Any], batch: Any) -> tuple[Any, list[Any]]:
        outputs, others = network.stateless_call(weights, others, inputs[batch], training=True)
        if targets.ndim > 1:
            return jnp.mean((targets[batch] - outputs) ** 2), others
        return jnp.mean(keras.losses.sparse_categorical_crossentropy(targets[batch], outputs)), others

    def step(state: State, batch: Any) -> tuple[State, Any]:
        weights, others, moments = state
        (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(weights, others, batch)
        weights, moments = adam.stateless_apply(moments, gradients, weights)
        return (weights, others, moments), value

    return lambda state, batches: jax.lax.scan(step, state, batches)
