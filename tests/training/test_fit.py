"""The fit of one network: every image once per epoch, in a random order that depends on the seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineup.errors import LineupError
from lineup.models.layers import classifier
from lineup.models.registry import architecture
from lineup.models.settings import Augmentation, Fit
from lineup.records.history import Epoch, best_epoch
from lineup.training.backup import Backup
from lineup.training.fit import fit_network
from lineup.training.fitted import TrainingData, class_weights
from lineup.training.loop import Loop, epoch_batches, predict
from lineup.training.losses import CLASSIFICATION, RECONSTRUCTION, Objective
from lineup.training.network import Network, weights_sha256
from tests.small_disk import small_disk

if TYPE_CHECKING:
    import keras

SHORT = Fit(epochs=3, batch_size=16, learning_rate=0.01)


@given(images=st.integers(1, 300), batch_size=st.integers(1, 64), seed=st.integers(0, 9))
def test_an_epoch_has_every_image_once(images: int, batch_size: int, seed: int) -> None:
    parts = epoch_batches(np.random.default_rng(seed), images, batch_size)
    assert sorted(np.concatenate([part.ravel() for part in parts])) == list(range(images))
    sizes = [len(batch) for part in parts for batch in part]
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size


def two_classes(images: int = 200) -> TrainingData:
    """Return points of two classes that a line separates, three quarters of them for training."""
    random = np.random.default_rng(1)
    labels = (np.arange(images) % 2).astype(np.uint8)
    inputs = (random.normal(size=(images, 5)) + 3 * labels[:, None]).astype(np.float32)
    part = images * 3 // 4
    return TrainingData(inputs[:part], labels[:part], inputs[part:], labels[part:], classes=2)


def network(*, dropout: float = 0.0, seed: int = 5) -> keras.Model:
    """Return a small classifier, the same for the same seed."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((5,)),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(dropout),
    ]
    return keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])


def fitted(model: keras.Model, fit: Fit, *, data: TrainingData | None = None, **others: Any) -> list[Epoch]:
    """Fit a network on two classes."""
    settings: dict[str, Any] = {"phase": "classifier", "on_epoch": lambda row: None, "backup": Backup(None)} | others
    return fit_network(model, data or two_classes(), fit, np.random.default_rng(3), **settings).history


def order_seen(seed: int, epochs: int) -> list[list[int]]:
    """Return, epoch by epoch, the images in the order in which a network was trained on them."""
    import keras
    import tensorflow as tf

    seen: list[int] = []

    def note(numbers: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda values: seen.extend(values.numpy().tolist()), [numbers], [])
        return tf.reduce_sum(outputs, axis=-1)

    # Keras's own seed must not take the order of the batches with it.
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    images, numbers = np.zeros((50, 4), dtype=np.float32), np.arange(50, dtype=np.float32)
    random = np.random.default_rng(seed)
    loop = Loop(model, images, numbers, Fit(epochs, 16, 0.001), Objective(note, classifies=False))
    for _ in range(epochs):
        loop.run_epoch(random)
    return [[int(number) for number in seen[start : start + 50]] for start in range(0, len(seen), 50)]


def test_every_epoch_has_another_order() -> None:
    orders = order_seen(seed=3, epochs=3)
    assert len(orders) == 3
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert order_seen(seed=3, epochs=3) == orders
    assert order_seen(seed=4, epochs=3) != orders


def test_a_network_learns() -> None:
    data, model = two_classes(), network()
    seen: list[Epoch] = []
    history = fitted(model, Fit(epochs=8, batch_size=16, learning_rate=0.05), data=data, on_epoch=seen.append)
    assert seen == history
    assert [row.epoch for row in history] == list(range(1, 9))
    assert history[-1].val_accuracy > 0.95
    assert history[-1].val_loss < history[0].val_loss
    # The last row's validation is that of the network as it is left.
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(data.val_images, data.val_labels, verbose=0)
    assert history[-1].val_loss == pytest.approx(loss, rel=1e-5)
    assert history[-1].val_accuracy == pytest.approx(accuracy)
    assert history[-1].learning_rate == pytest.approx(0.05)


KERAS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "adam": ({}, lambda keras: keras.optimizers.Adam(0.01)),
    "cosine": (
        {"schedule": "cosine"},
        lambda keras: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 30)),
    ),
    "weight decay": (
        {"weight_decay": 0.5},
        lambda keras: without_decay_of_vectors(keras.optimizers.Adam(0.01, weight_decay=0.5)),
    ),
    "sgd": (
        {"optimizer": "sgd", "momentum": 0.8},
        lambda keras: keras.optimizers.SGD(0.01, momentum=0.8, nesterov=True),
    ),
    "sgd without momentum": ({"optimizer": "sgd", "momentum": 0.0}, lambda keras: keras.optimizers.SGD(0.01)),
}


def without_decay_of_vectors(optimizer: Any) -> Any:
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


@pytest.mark.parametrize("name", KERAS)
def test_the_steps_equal_keras(name: str) -> None:
    """The same batches in the same order through Keras's own `train_on_batch` and its own optimizers."""
    import keras

    settings, optimizer = KERAS[name]
    data, fit = two_classes(), Fit(epochs=3, batch_size=16, learning_rate=0.01, **settings)
    ours, theirs = network(), network()
    history = fitted(ours, fit, data=data)
    theirs.compile(optimizer(keras), "sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(3)
    for row in history:
        batches = [batch for part in epoch_batches(random, 150, 16) for batch in part]
        measures = [theirs.train_on_batch(data.images[batch], data.labels[batch]) for batch in batches]
        loss, accuracy = np.average(measures, axis=0, weights=[len(batch) for batch in batches])
        assert row.loss == pytest.approx(loss, rel=1e-4)
        assert row.accuracy == pytest.approx(accuracy)
        assert row.learning_rate == pytest.approx(float(theirs.optimizer.learning_rate))
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_label_smoothing_equals_keras() -> None:
    import keras

    data = two_classes()
    ours, theirs, plain = network(), network(), network()
    row = fitted(ours, Fit(epochs=1, batch_size=150, learning_rate=0.01, label_smoothing=0.2), data=data)[0]
    theirs.compile(keras.optimizers.Adam(0.01), keras.losses.CategoricalCrossentropy(label_smoothing=0.2))
    theirs.train_on_batch(data.images, np.eye(2, dtype=np.float32)[data.labels])
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    # The losses of models with and without label smoothing can be compared.
    expected = fitted(plain, Fit(epochs=1, batch_size=150, learning_rate=0.01), data=data)[0]
    assert row.loss == pytest.approx(expected.loss, rel=1e-5)
    theirs.compile(loss="sparse_categorical_crossentropy")
    assert row.val_loss == pytest.approx(theirs.evaluate(data.val_images, data.val_labels, verbose=0), rel=1e-4)


def test_class_weights_equal_repeated_images() -> None:
    """A step with balanced weights equals a step with three copies of each image of the smaller class."""
    import keras

    whole = two_classes(160)
    zeros, ones = np.flatnonzero(whole.labels == 0)[:30], np.flatnonzero(whole.labels == 1)[:10]
    rows = []
    for chosen, weighted in (([*zeros, *ones], True), ([*zeros, *np.repeat(ones, 3)], False)):
        data = replace(whole, images=whole.images[chosen], labels=whole.labels[chosen])
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, activation="softmax")])
        before = predict(model, data.images)
        fit = Fit(epochs=1, batch_size=60, learning_rate=0.01)
        weights = class_weights(data.labels, 2, "balanced" if weighted else None)
        (row,) = fitted(model, fit, data=data, class_weights=weights)
        loss = -np.log(before[np.arange(len(data.labels)), data.labels]).mean()
        assert row.loss == pytest.approx(loss, rel=1e-5)  # the history is not weighted
        rows.append(model.get_weights())
    for one, other in zip(*rows, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_moving_average_is_validated_and_kept() -> None:
    model = network()
    seen: list[list[np.ndarray]] = []
    history = fitted(
        model,
        Fit(epochs=3, batch_size=150, learning_rate=0.05, ema=0.75),
        on_epoch=lambda row: seen.append([weight.numpy() for weight in model.trainable_weights]),
    )
    for number, average in enumerate(model.trainable_weights):
        expected = seen[0][number]
        for step in seen[1:]:
            expected = 0.75 * expected + 0.25 * step[number]
        np.testing.assert_allclose(average, expected, rtol=1e-5)
    data = two_classes()
    model.compile(loss="sparse_categorical_crossentropy")
    assert history[-1].val_loss == pytest.approx(model.evaluate(data.val_images, data.val_labels, verbose=0), rel=1e-4)


@pytest.mark.parametrize("settings", [{"ema": 0.9}, {"optimizer": "sgd", "label_smoothing": 0.1}], ids=["adam", "sgd"])
def test_an_epoch_compiled_by_xla_has_the_same_losses(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """On a GPU, XLA compiles the epoch. Here, the processor runs the same program.

    With dropout the losses differ, because XLA draws other random numbers from the same seed.
    """
    fit = Fit(epochs=3, batch_size=16, learning_rate=0.01, weight_decay=0.1, **settings)
    expected = fitted(network(), fit)
    monkeypatch.setattr("lineup.training.loop.uses_gpu", lambda: True)
    history = fitted(network(), fit)
    assert [row.loss for row in history] == pytest.approx([row.loss for row in expected], rel=1e-4)
    assert [row.val_loss for row in history] == pytest.approx([row.val_loss for row in expected], rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_gpu_could_hold_all_variables_of_an_epoch(optimizer: Literal["adam", "sgd"]) -> None:
    """TensorFlow keeps int32 variables in the memory of the CPU. A program that XLA compiles for a GPU then fails."""
    import tensorflow as tf

    data, fit = two_classes(), replace(SHORT, optimizer=optimizer, schedule="cosine", warmup=0.1, ema=0.9)
    loop = Loop(network(dropout=0.5), data.images, data.labels, fit, CLASSIFICATION)
    variables = [*(value for value in vars(loop).values() if isinstance(value, tf.Variable)), *loop.variables()]
    assert len(variables) > 10
    assert not [variable.name for variable in variables if variable.dtype in ("int32", tf.int32)]


def test_the_learning_rate_rises_and_falls() -> None:
    fit = Fit(epochs=10, batch_size=16, learning_rate=0.01, schedule="linear", warmup=0.3)
    rates = [row.learning_rate for row in fitted(network(), fit)]
    # The learning rate of the step after the epoch: three epochs of warmup, then seven down to zero.
    assert rates == pytest.approx([0.01 * share for share in (0.11 / 0.3, 0.21 / 0.3, 1, *np.arange(6, -1, -1) / 7)])


def test_l2_equals_a_regulariser_of_keras() -> None:
    import keras

    ours, theirs = network(), network()
    for layer in theirs.layers:
        if hasattr(layer, "kernel_regularizer"):
            layer.kernel_regularizer = keras.regularizers.L2(0.1)
            layer.kernel.regularizer = layer.kernel_regularizer
    data = two_classes()
    fitted(ours, Fit(epochs=1, batch_size=150, learning_rate=0.01, l2=0.1), data=data)
    theirs.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    theirs.train_on_batch(data.images, data.labels)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_patience_stops_and_restores_the_best_weights() -> None:
    data, model = two_classes(80), network()
    worse = TrainingData(data.images, data.labels, data.val_images, 1 - data.val_labels, 2)  # learning makes it worse
    seen: list[np.ndarray] = []
    fit = Fit(epochs=20, batch_size=16, learning_rate=0.05, patience=2)
    history = fitted(model, fit, data=worse, on_epoch=lambda row: seen.append(predict(model, data.val_images)))
    best = min(range(len(history)), key=lambda number: history[number].val_loss)
    assert len(history) == best + 1 + 2
    np.testing.assert_array_equal(predict(model, data.val_images), seen[best])


def test_an_epoch_without_a_validation_loss_is_not_the_best_one(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [math.nan, 0.5, 0.4, math.nan, 0.6, 0.1]
    monkeypatch.setattr(Loop, "evaluate", lambda *_: (losses.pop(0), 0.5))
    data, model = two_classes(), network()
    seen: list[np.ndarray] = []
    fit = Fit(epochs=6, batch_size=16, learning_rate=0.05, patience=2)
    history = fitted(model, fit, data=data, on_epoch=lambda row: seen.append(predict(model, data.val_images)))
    assert [row.epoch for row in history] == [1, 2, 3, 4, 5]
    assert best_epoch(history) == 3
    np.testing.assert_array_equal(predict(model, data.val_images), seen[2])


def test_averaged_weights_are_the_mean_of_the_last_epochs() -> None:
    model = network()
    seen: list[list[np.ndarray]] = []
    fit = Fit(epochs=4, batch_size=16, learning_rate=0.05, average_epochs=2)
    fitted(model, fit, on_epoch=lambda row: seen.append(model.get_weights()))
    for mean, *lasts in zip(model.get_weights(), *seen[-2:], strict=True):
        np.testing.assert_allclose(mean, (lasts[0] + lasts[1]) / 2, rtol=1e-5)


class InterruptionError(Exception):
    """The training is interrupted."""


@pytest.mark.parametrize(
    "change", [{"patience": 9}, {"average_epochs": 4, "schedule": "cosine"}, {"optimizer": "sgd", "ema": 0.9}]
)
def test_an_interrupted_fit_continues_to_the_same_weights(tmp_path: Path, change: dict[str, Any]) -> None:
    fit = Fit(epochs=6, batch_size=16, learning_rate=0.01, **change)
    whole = network(dropout=0.3)
    expected = fitted(whole, fit)

    def interrupt(row: Epoch) -> None:
        if row.epoch == 3:
            raise InterruptionError

    backup = Backup(tmp_path / "backup", every_seconds=0)
    with pytest.raises(InterruptionError):
        fitted(network(dropout=0.3), fit, backup=backup, on_epoch=interrupt)
    resumed = network(dropout=0.3, seed=99)
    seen: list[Epoch] = []
    history = fitted(resumed, fit, backup=Backup(tmp_path / "backup"), on_epoch=seen.append)
    assert weights_sha256(resumed) == weights_sha256(whole)
    assert [row.loss for row in history] == [row.loss for row in expected]
    assert seen == history
    backup.remove()
    assert not list(tmp_path.iterdir())


def test_an_interrupted_fit_keeps_its_snapshots(tmp_path: Path) -> None:
    fit = Fit(epochs=6, batch_size=16, learning_rate=0.01, schedule="cosine", snapshots=3)

    def snapshots(backup: Backup, on_epoch: Callable[[Epoch], None] = lambda row: None) -> list[list[np.ndarray]]:
        random = np.random.default_rng(3)
        arguments: dict[str, Any] = {"phase": "classifier", "on_epoch": on_epoch, "backup": backup}
        return fit_network(network(), two_classes(), fit, random, **arguments).snapshots

    def interrupt(row: Epoch) -> None:
        if row.epoch == 3:
            raise InterruptionError

    expected = snapshots(Backup(None))
    with pytest.raises(InterruptionError):
        snapshots(Backup(tmp_path / "backup", every_seconds=0), interrupt)
    resumed = snapshots(Backup(tmp_path / "backup"))
    assert len(resumed) == 3
    for one, other in zip(expected, resumed, strict=True):
        assert all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def test_a_quick_fit_writes_no_backup(tmp_path: Path) -> None:
    fitted(network(), SHORT, backup=Backup(tmp_path / "backup"))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_not_stop_the_training(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with small_disk(tmp_path / "disk", "4k") as disk:
        model = network()
        history = fitted(model, SHORT, backup=Backup(disk / "backup", every_seconds=0))
    assert [row.epoch for row in history] == [1, 2, 3]
    said = f"warning: no backup ({disk}/backup/classifier.npz: No space left on device); training continues\n"
    assert capfd.readouterr().err == said * 3


def test_equal_networks_are_equal_files(tmp_path: Path) -> None:
    """Keras itself writes the date and memory addresses."""
    import keras

    files = []
    for name in ("first", "second"):
        keras.utils.clear_session()  # which counts the layers for their names
        network = classifier("net", "unit", [keras.layers.Flatten(), keras.layers.Dense(10)], (28, 28, 1))
        network.set_weights([np.full(weight.shape, 0.25, np.float32) for weight in network.get_weights()])
        (tmp_path / name).mkdir()
        Network(network).save(tmp_path / name)
        files.append((tmp_path / name / "network.keras").read_bytes())
        time.sleep(1.1)  # Keras writes the second of saving into the file
    assert files[0] == files[1]
    loaded = keras.saving.load_model(tmp_path / "first" / "network.keras")
    images = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    np.testing.assert_array_equal(predict(loaded, images), predict(network, images))


def test_an_augmented_fit_has_other_images_in_each_epoch() -> None:
    import keras
    import tensorflow as tf

    seen: list[bytes] = []

    def note(_: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda values: seen.append(values.numpy().tobytes()), [outputs], [])
        return tf.reduce_sum(outputs, axis=(1, 2))

    images = np.random.default_rng(2).integers(0, 256, (8, 28, 28), dtype=np.uint8)
    model = keras.Sequential([keras.Input((28, 28), dtype="uint8"), keras.layers.Rescaling(1.0)])
    loop = Loop(
        model,
        images,
        images,
        Fit(2, 8, 0.1, augment=Augmentation(shift=2, mirror=True)),
        Objective(note, classifies=False),
    )
    # Nothing to learn here: only what the network is shown counts.
    for random in (np.random.default_rng(1), np.random.default_rng(1), np.random.default_rng(2)):
        loop.run_epoch(random)
    assert seen[0] == seen[1] != seen[2]


def test_reconstruction_is_measured_on_pixels_in_0_to_1() -> None:
    import keras

    images = np.random.default_rng(2).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Rescaling(0.0), keras.layers.Reshape((28, 28, 1))])
    loss, accuracy = Loop(model, images, images, SHORT, RECONSTRUCTION).evaluate(images, images)
    assert loss == pytest.approx(np.mean((images / 255) ** 2), rel=1e-5)
    assert math.isnan(accuracy)


def test_the_reconstruction_of_colour_images_is_measured_on_all_channels() -> None:
    import keras

    images = np.random.default_rng(2).integers(0, 256, (20, 8, 9, 3), dtype=np.uint8)
    model = keras.Sequential([keras.Input((8, 9, 3)), keras.layers.Rescaling(0.0)])
    loss, _ = Loop(model, images, images, SHORT, RECONSTRUCTION).evaluate(images, images)
    assert loss == pytest.approx(np.mean((images / 255) ** 2), rel=1e-5)


def test_invalid_options_raise_a_one_line_error() -> None:
    with pytest.raises(LineupError, match=r"options of deeper_cnn \(dropout=7\.0\): ") as error:
        architecture("cnn", "deeper_cnn").make((28, 28, 1), 10, {"dropout": 7.0})
    assert "\n" not in str(error.value)
