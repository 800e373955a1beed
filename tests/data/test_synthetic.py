"""Generated images are reproducible and balanced, and the same classes are difficult as in photographs."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lineup.data.datasets import DATASETS
from lineup.data.synthetic import SyntheticImages, generate
from lineup.errors import LineupError


def _digest(images: SyntheticImages) -> str:
    arrays = (images.train_images, images.train_labels, images.test_images, images.test_labels)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def test_equal_arguments_give_equal_bytes_on_every_machine() -> None:
    # The arithmetic is exact on every processor. A new NumPy may have other random numbers; then this value changes.
    assert _digest(generate(50, 20, seed=7)) == "e615b8ef17994c81d54b5f777101b988c7bb4bd03163e57cfbbc5e24678e9fc9"
    assert _digest(generate(50, 20, seed=8)) != _digest(generate(50, 20, seed=7))


@pytest.mark.parametrize(("train", "test"), [(10, 10), (57, 23), (200, 100)])
def test_generated_images_have_the_right_counts_types_and_balance(train: int, test: int) -> None:
    generated = generate(train, test, seed=0)
    for images, labels, count in (
        (generated.train_images, generated.train_labels, train),
        (generated.test_images, generated.test_labels, test),
    ):
        assert images.shape == (count, 28, 28)
        assert images.dtype == labels.dtype == np.uint8
        per_class = np.bincount(labels, minlength=10)
        assert len(per_class) == 10
        assert per_class.max() - per_class.min() <= 1
    assert not np.array_equal(generated.train_labels, np.sort(generated.train_labels))


@pytest.mark.parametrize("shape", [(32, 40, 3), (20, 24, 1), (8, 8, 2), (64, 28, 1)], ids=str)
def test_images_of_other_shapes(shape: tuple[int, int, int]) -> None:
    images = generate(30, 10, seed=1, shape=shape).train_images
    assert images.shape == (30, *(shape if shape[2] > 1 else shape[:2]))
    assert images.dtype == np.uint8
    assert images.reshape(30, -1).max(axis=1).min() > 10
    if shape[2] > 1:
        assert not np.array_equal(images[..., 0], images[..., 1])


def test_images_differ_and_are_not_empty() -> None:
    generated = generate(300, 100, seed=1)
    images = np.concatenate([generated.train_images, generated.test_images]).reshape(400, -1)
    assert len(np.unique(images, axis=0)) == 400
    assert images.max(axis=1).min() > 20
    assert (images == 0).mean() > 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((9, 100, 0), r"data\.train_images: expected at least 10, one per class, found 9"),
        ((100, 0, 0), r"data\.test_images: expected at least 10, one per class, found 0"),
        ((100, 100, -1), r"data\.seed: expected 0 or above, found -1"),
    ],
)
def test_invalid_arguments_are_named(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(LineupError, match=message):
        generate(*arguments)


def test_classifiers_behave_as_on_photographs() -> None:
    forest_module = pytest.importorskip("sklearn.ensemble")
    linear_module = pytest.importorskip("sklearn.linear_model")
    generated = generate(1500, 1000, seed=3)
    train, test = generated.train_images.reshape(-1, 784) / 255, generated.test_images.reshape(-1, 784) / 255
    linear = linear_module.RidgeClassifier(100).fit(train, generated.train_labels)
    forest = forest_module.RandomForestClassifier(60, random_state=0).fit(train, generated.train_labels)
    guesses = forest.predict(test)
    linear_accuracy = (linear.predict(test) == generated.test_labels).mean()
    forest_accuracy = (guesses == generated.test_labels).mean()
    assert 0.65 < linear_accuracy < forest_accuracy < 0.9
    recall = [(guesses[generated.test_labels == label] == label).mean() for label in range(10)]
    assert DATASETS["synthetic"].classes[int(np.argmin(recall))] == "Shirt"
