"""How fast a training is: lineup's against the script that a user would write otherwise.

Same layers, batch size, optimiser and number of updates, one after the other in turn, in one process a network and
variant, so that none warms up another. Images a second of whole epochs after the first, which traces.

    python benchmarks/training.py --threads 1
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
from common import NETWORKS, dataset, network_entry, plain_network, scaled, write_results

from lineup.config import Fit
from lineup.models.fit import TrainingData, fit_network
from lineup.models.registry import classifier, image_shape
from lineup.training.devices import prepare

IMAGES, BATCH_SIZE = 19_200, 32
VARIANTS = ("plain", "lineup")


def speed(variant: str, name: str, threads: int) -> float:
    """Return images a second of one epoch, after one that traces. Both validate on ten images after each epoch."""
    prepare(threads, 1, "")
    data = dataset()
    images, labels = data.train_images[:IMAGES], data.train_labels[:IMAGES]
    if variant == "plain":
        return plain_speed(name, images, labels)
    entry = network_entry(name)
    history = fit_network(
        classifier(name, "unit", entry.make({}), image_shape(entry.family)),
        TrainingData(images, labels, images[:10], labels[:10]),
        Fit(epochs=2, batch_size=BATCH_SIZE, learning_rate=0.001),
        np.random.default_rng(1),
        phase="classifier",
        on_epoch=lambda row: None,
    )
    return IMAGES / history[-1].seconds


def plain_speed(name: str, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the same of ``Model.fit`` on arrays."""
    network, inputs = plain_network(network_entry(name)), scaled(images)
    validation = (inputs[:10], labels[:10])
    network.fit(inputs, labels, batch_size=BATCH_SIZE, validation_data=validation, verbose=0)
    started = time.perf_counter()
    network.fit(inputs, labels, batch_size=BATCH_SIZE, validation_data=validation, verbose=0)
    return IMAGES / (time.perf_counter() - started)


def main() -> None:
    """Parse, measure in turn, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of one training; default: 1")
    parser.add_argument("--repeats", type=int, default=3, help="default: 3")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "NETWORK"), help="measure one in this process")
    arguments = parser.parse_args()
    if arguments.one:
        variant, name = arguments.one
        print(json.dumps(speed(variant, name, arguments.threads)))
        return
    rows: list[dict[str, Any]] = []
    for name in NETWORKS:
        speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(arguments.repeats):
            for variant in VARIANTS:
                command = [sys.executable, __file__, "--threads", str(arguments.threads), "--one", variant, name]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                speeds[variant].append(float(done.stdout.splitlines()[-1]))
        medians = {variant: round(statistics.median(values)) for variant, values in speeds.items()}
        rows.append({"network": name, **medians, "ratio": medians["lineup"] / medians["plain"]})
        print(rows[-1], flush=True)
    mean = statistics.geometric_mean(row["ratio"] for row in rows)
    rows.append({"network": "geometric mean", "plain": "", "lineup": "", "ratio": mean})
    settings = {"batch_size": BATCH_SIZE, "images": IMAGES, "threads": arguments.threads, "repeats": arguments.repeats}
    write_results(f"training-threads{arguments.threads}", dataset(), rows, settings)


if __name__ == "__main__":
    main()
