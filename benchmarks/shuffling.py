"""Measure the effect of the order of the batches on the test accuracy.

After a call to ``keras.utils.set_random_seed``, ``Model.fit(shuffle=True)`` shuffles arrays in the same order in every
epoch. A tf.data pipeline generates the order, and its random state is reset in each epoch. This benchmark trains the
same network on the same images in three ways: with a plain Keras script that sets all seeds, with a script that does
not set a seed for the order, and with lineup. It compares the test accuracies after the last epoch.

    python benchmarks/shuffling.py --network shallow_nn --seeds 5
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import common

from lineup.training.devices import prepare
from lineup.training.train import train_model

EPOCHS = 10


def plain(name: str, seed: int, *, order: bool) -> float:
    """Train with ``Model.fit``, optionally with a seed for the order, and return the test accuracy after the last
    epoch.
    """
    data = common.dataset()
    common.seed_plain_script(seed, order=order)
    chosen = data.training_indices(common.recipe_of(name).validation)
    network, inputs = common.plain_network(name), common.scaled(name, data.train_images[chosen])
    batch_size = common.fit_of(name, EPOCHS).batch_size
    network.fit(inputs, data.train_labels[chosen], batch_size=batch_size, epochs=EPOCHS, verbose=0)
    answers = network.predict(common.scaled(name, data.test_images), batch_size=1000, verbose=0).argmax(axis=1)
    return float((answers == data.test_labels).mean())


def lineup(name: str, seed: int) -> float:
    """Train as in the pipeline, and return the test accuracy after the last epoch."""
    recipe = dataclasses.replace(common.recipe_of(name), epochs=EPOCHS, seeds=[seed])
    with tempfile.TemporaryDirectory() as folder:
        record = train_model(name, recipe, common.dataset(), Path(folder) / name, threads=1)
        return record.metrics["test_accuracy"]


def main() -> None:
    """Parse the arguments, train all variants for each seed, and print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="shallow_nn", help="network in params.yaml; default: shallow_nn")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds; default: 3")
    arguments = parser.parse_args()
    name = arguments.network
    prepare("network", threads=1, seed=0)
    variants: dict[str, Callable[[int], float]] = {
        "Model.fit, seeded": lambda seed: plain(name, seed, order=True),
        "Model.fit, order not seeded": lambda seed: plain(name, seed, order=False),
        "lineup, seeded": lambda seed: lineup(name, seed),
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
            "sd": statistics.stdev(values) if len(values) > 1 else None,
            "lowest": min(values),
            "highest": max(values),
        }
        for variant, values in scores.items()
    ]
    settings = {"network": name, "seeds": arguments.seeds, "epochs": EPOCHS, "threads": 1}
    common.write_results(f"shuffling-{name}", common.dataset(), rows, settings=settings)
    common.print_table(rows)


if __name__ == "__main__":
    main()
