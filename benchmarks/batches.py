"""Measure how the batch size affects the speed of predictions, and how much the predictions differ.

Each network predicts test images with one thread. The table contains the number of images per second for each batch
size, as the best of three measurements, and the largest difference from the probabilities with the first batch size.

    python benchmarks/batches.py
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import common
import numpy as np

from lineup.cli.libraries import import_keras
from lineup.training.devices import prepare

NETWORKS = ("shallow_nn", "basic_cnn", "deeper_cnn", "depth_3", "resnet", "frozen_encoder", "conv1d_3")
SIZES = (1000, 500, 250, 125, 64)
REPEATS = 3


def measure(name: str, images: np.ndarray) -> dict[str, Any]:
    """Return one row of the table. The network has random weights."""
    import tensorflow as tf

    from lineup.training.loop import run_traced

    network = common.lineup_network(name)
    run = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True, autograph=False)
    row: dict[str, Any] = {"network": name}
    difference, first = 0.0, np.zeros(0)
    for size in SIZES:
        batches = np.split(images[: len(images) // size * size], len(images) // size)
        run_traced(run, tf.constant(batches[0]))  # tracing
        seconds = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            found = np.concatenate([run_traced(run, tf.constant(batch)).numpy() for batch in batches])
            seconds.append(time.perf_counter() - started)
        row[f"{size}"] = len(found) / min(seconds)
        first = first if first.size else found
        difference = max(difference, float(np.abs(found - first[: len(found)]).max()))
    return row | {"largest difference": difference}


def main() -> None:
    """Measure all networks, save the results, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="default: all")
    parser.add_argument("--images", type=int, default=4000, help="number of test images, default: 4000")
    parser.add_argument("--results", metavar="NAME", default="batches", help="name of the JSON file")
    arguments = parser.parse_args()
    if not max(SIZES) <= arguments.images <= 10_000:
        parser.error(f"--images {arguments.images}: expected {max(SIZES)} to 10000")
    import_keras()
    prepare("network", 1, seed=1)
    data = common.dataset()
    rows = [measure(name, data.test_images[: arguments.images]) for name in arguments.networks]
    common.write_results(arguments.results, data, rows, settings={"threads": 1, "images": arguments.images})
    common.print_table(rows)


if __name__ == "__main__":
    main()
