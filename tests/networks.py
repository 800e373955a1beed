"""Tiny real networks, for tests that save, publish and serve them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineup.training.devices import quiet_stderr
from tests.make_records import CLASSES

if TYPE_CHECKING:
    import keras


def tiny_network(seed: int) -> keras.Model:
    """Return a network from raw images to probabilities whose random weights depend on the seed."""
    with quiet_stderr():
        import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28), dtype="uint8"),
            keras.layers.Rescaling(1 / 64),
            keras.layers.Flatten(),
            keras.layers.Dense(len(CLASSES), activation="softmax"),
        ]
    )


def save_network(folder: Path, seed: int) -> keras.Model:
    """Save a tiny network as ``network.keras`` into a folder, and return it."""
    network = tiny_network(seed)
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "network.keras")
    return network


def random_images(count: int, seed: int = 0) -> np.ndarray:
    """Return raw images."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
