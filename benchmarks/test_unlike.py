"""Tests of the image sets and the metrics of the benchmark."""

import numpy as np
from unlike import auroc, letters, missed, small_digits


def test_perfect_and_blind_scores() -> None:
    """A perfect score misses nothing, and a random score misses 95 %."""
    like = np.arange(100.0)
    assert auroc(like, like + 100) == 1.0
    assert auroc(like, like) == 0.5
    assert missed(like, like + 100) == 0.0
    assert missed(like, like) == 0.95


def test_the_generated_sets_are_images_of_the_project() -> None:
    """The images are white on black and have the size of the project's images."""
    for images in (letters(np.random.default_rng(1), 30), small_digits()):
        assert images.shape[1:] == (28, 28)
        assert images.dtype == np.uint8
        assert (images.max(axis=(1, 2)) > 100).all()
        assert np.median(images[:, :, 0]) == 0
