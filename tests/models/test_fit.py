"""One network is fitted as it should be: every image once an epoch, in an order of its own, from one seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineup.config import Fit
from lineup.errors import LineupError
from lineup.models.fit import TrainingData, epoch_batches, fit_network
from lineup.models.registry import architecture
from lineup.records.record import Epoch


@given(images=st.integers(1, 300), batch_size=st.integers(1, 64), seed=st.integers(0, 9))
def test_an_epoch_has_every_image_once(images: int, batch_size: int, seed: int) -> None:
    parts = epoch_batches(np.random.default_rng(seed), images, batch_size)
    assert sorted(np.concatenate([part.ravel() for part in parts])) == list(range(images))
    sizes = [len(batch) for part in parts for batch in part]
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size


def order_seen(seed: int, epochs: int) -> list[list[int]]:
    """Return, epoch by epoch, the images in the order in which a network was trained on them."""
    import keras
    import tensorflow as tf

    seen: list[int] = []

    class Spy(keras.Sequential):  # type: ignore[misc]
        """Notes the targets of each step, which are the numbers of the images."""

        def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
            tf.py_function(lambda numbers: seen.extend(numbers.numpy().tolist()), [batch[1]], [])
            result: dict[str, tf.Tensor] = super().train_step(batch)
            return result

    # Keras's own seed must not take the order of the batches with it.
    keras.utils.set_random_seed(1)
    images, numbers = np.zeros((50, 4), dtype=np.float32), np.arange(50, dtype=np.float32)
    fit_network(
        Spy([keras.Input((4,)), keras.layers.Dense(1)]),
        TrainingData(images, numbers, images[:5], numbers[:5]),
        Fit(epochs=epochs, batch_size=16, learning_rate=0.001),
        np.random.default_rng(seed),
        phase="classifier",
        on_epoch=lambda row: None,
        loss="mean_squared_error",
        metrics=(),
    )
    return [[int(number) for number in seen[start : start + 50]] for start in range(0, len(seen), 50)]


def test_every_epoch_has_an_order_of_its_own() -> None:
    orders = order_seen(seed=3, epochs=3)
    assert len(orders) == 3
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert order_seen(seed=3, epochs=3) == orders
    assert order_seen(seed=4, epochs=3) != orders


def test_a_network_learns() -> None:
    import keras

    random = np.random.default_rng(1)
    labels = (np.arange(200) % 2).astype(np.uint8)
    inputs = (random.normal(size=(200, 5)) + 3 * labels[:, None]).astype(np.float32)
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, activation="softmax")])
    told: list[Epoch] = []
    history = fit_network(
        network,
        TrainingData(inputs[:150], labels[:150], inputs[150:], labels[150:]),
        Fit(epochs=8, batch_size=16, learning_rate=0.05),
        random,
        phase="classifier",
        on_epoch=told.append,
    )
    assert told == history
    assert [row.epoch for row in history] == list(range(1, 9))
    assert history[-1].val_accuracy > 0.95
    assert history[-1].val_loss < history[0].val_loss
    # The last row's validation is that of the network as it is left.
    loss, accuracy = network.evaluate(inputs[150:], labels[150:], verbose=0)
    assert history[-1].val_loss == pytest.approx(loss, rel=1e-5)
    assert history[-1].val_accuracy == pytest.approx(accuracy)
    assert history[-1].learning_rate == pytest.approx(0.05)


def test_bad_options_are_one_line() -> None:
    with pytest.raises(LineupError, match=r"options of deeper_cnn \(dropout=7\.0\): ") as error:
        architecture("cnn", "deeper_cnn").make({"dropout": 7.0})
    assert "\n" not in str(error.value)
