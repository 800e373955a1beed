"""What the order of the batches is worth: a seeded plain Keras script, an unseeded one, and lineup.

After ``keras.utils.set_random_seed``, ``Model.fit(shuffle=True)`` on arrays gives the same order in every epoch: its
permutation is drawn inside a tf.data pipeline whose random state starts anew with each pass. This trains the same
network on the same 80 % of the training images three ways and compares the test accuracy after the last epoch.

    python benchmarks/shuffling.py --network shallow_nn --seeds 5
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from common import NETWORKS, VALIDATION, dataset, network_entry, plain_network, scaled, write_results

from lineup.config import Recipe
from lineup.data.dataset import Dataset
from lineup.training.devices import prepare
from lineup.training.train import train_model

EPOCHS, BATCH_SIZE = 10, 32


def plain(data: Dataset, name: str, seed: int | None) -> float:
    """Train with ``Model.fit`` and return the test accuracy after the last epoch."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(secrets.randbelow(2**31) if seed is None else seed)
    if seed is None:
        # The weights have drawn their seed; TensorFlow's own state, which orders the batches, goes back to none.
        tf.random.set_seed(None)
    chosen = data.training_indices(VALIDATION)
    network = plain_network(network_entry(name))
    network.fit(
        scaled(data.train_images[chosen]), data.train_labels[chosen], batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0
    )
    predicted = network.predict(scaled(data.test_images), batch_size=1000, verbose=0).argmax(axis=1)
    return float((predicted == data.test_labels).mean())


def lineup(data: Dataset, name: str, seed: int) -> float:
    """Train as the pipeline does and return the test accuracy after the last epoch."""
    recipe = Recipe(
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        learning_rate=0.001,
        family=NETWORKS[name],
        architecture=name,
        validation=VALIDATION,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        return train_model(name, recipe, data, Path(folder) / name, threads=1).metrics["test_accuracy"]


def main() -> None:
    """Parse, train all variants for each seed, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="shallow_nn", help="default: shallow_nn")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on; default: 3")
    arguments = parser.parse_args()
    data, name = dataset(), arguments.network
    prepare(1, 0, "")
    variants: dict[str, Callable[[int], float]] = {
        "Model.fit, seeded": lambda seed: plain(data, name, seed),
        "Model.fit, not seeded": lambda seed: plain(data, name, None),
        "lineup, seeded": lambda seed: lineup(data, name, seed),
    }
    scores: dict[str, list[float]] = {variant: [] for variant in variants}
    for seed in range(1, arguments.seeds + 1):
        for variant, train in variants.items():
            scores[variant].append(train(seed))
            print(f"{name} seed {seed} {variant}: test accuracy {scores[variant][-1]:.4f}", flush=True)
    rows = [
        {
            "training": variant,
            "mean": statistics.mean(values),
            "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
            "lowest": min(values),
            "highest": max(values),
        }
        for variant, values in scores.items()
    ]
    settings = {"network": name, "seeds": arguments.seeds, "epochs": EPOCHS, "batch_size": BATCH_SIZE, "threads": 1}
    write_results(f"shuffling-{name}", data, rows, settings)


if __name__ == "__main__":
    main()
