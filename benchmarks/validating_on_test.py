"""Measure how much validation on the test set increases the test accuracy.

Validation on the test set has two advantages. All training images are used for training, and the epoch with the best
test accuracy can be chosen. This benchmark trains a network of the pipeline with and without held-out images, and
computes the test accuracy after each epoch. It reports the test accuracies for each seed and each way to choose the
epoch.

    python benchmarks/validating_on_test.py --network conv2d_5 --seeds 5

With --epochs 1 --images 2000, the script only checks that it works, and does not save the results.
"""

from __future__ import annotations

import argparse
import math
import statistics
from typing import Any

import numpy as np
from common import SHAPE, dataset, entry_of, fit_of, layers_of, print_table, recipe_of, write_results

from lineup.data.dataset import Dataset
from lineup.models.layers import classifier
from lineup.records.history import Epoch
from lineup.training.backup import Backup
from lineup.training.devices import prepare
from lineup.training.fit import fit_network
from lineup.training.fitted import TrainingData
from lineup.training.loop import predict

HELD_OUT, ALL = "with a hold-out", "without a hold-out"
LAST = (HELD_OUT, "the last")
CHOICES = [LAST, (HELD_OUT, "best by validation"), (HELD_OUT, "best by test"), (ALL, "the last"), (ALL, "best by test")]


def new_network(name: str) -> Any:
    """Return a new network of ``params.yaml``."""
    return classifier(name, recipe_of(name).scaling, layers_of(name), SHAPE, channels=entry_of(name).channels)


def accuracies_by_epoch(
    data: Dataset, network: Any, name: str, seed: int, epochs: int, chosen: np.ndarray, validation: np.ndarray
) -> tuple[list[float], list[Epoch]]:
    """Train a network on the given images, and return the test accuracy and the history row of each epoch."""
    images, labels = data.train_images, data.train_labels
    accuracies: list[float] = []

    def score(row: Epoch) -> None:
        right = predict(network, data.test_images).argmax(axis=1) == data.test_labels
        accuracies.append(float(right.mean()))

    rows = fit_network(
        network,
        TrainingData(images[chosen], labels[chosen], images[validation], labels[validation], len(data.classes)),
        fit_of(name, epochs),
        np.random.default_rng(seed),
        phase="classifier",
        on_epoch=score,
        backup=Backup(None),
    ).history
    return accuracies, rows


def one_seed(data: Dataset, name: str, seed: int, epochs: int, images: int | None) -> dict[tuple[str, str], float]:
    """Return the test accuracy by training variant and epoch choice. ``images`` limits the number of images."""
    share = recipe_of(name).validation
    training, validation = data.training_indices(share)[:images], data.validation_indices(share)[:images]

    def train(chosen: np.ndarray, held_out: np.ndarray) -> tuple[list[float], list[Epoch]]:
        prepare("network", 1, seed)
        return accuracies_by_epoch(data, new_network(name), name, seed, epochs, chosen, held_out)

    held_out, rows = train(training, validation)
    by_validation = max(range(epochs), key=lambda epoch: rows[epoch].val_accuracy)
    # The validation results are not used, so a hundred images are enough.
    every, _ = train(np.concatenate([training, validation]), validation[:100])
    scores = (held_out[-1], held_out[by_validation], max(held_out), every[-1], max(every))
    return dict(zip(CHOICES, scores, strict=True))


def summary(scores: list[dict[tuple[str, str], float]]) -> list[dict[str, Any]]:
    """Return a row for each training variant and epoch choice, with the gain over the baseline."""
    rows = []
    for choice in CHOICES:
        values = [one[choice] for one in scores]
        gains = [one[choice] - one[LAST] for one in scores]
        several = len(scores) > 1
        rows.append(
            {
                "training": choice[0],
                "epoch": choice[1],
                "test accuracy": statistics.mean(values),
                "deviation over seeds": statistics.stdev(values) if several else None,
                "gain": statistics.mean(gains) if choice != LAST else None,
                "standard error": statistics.stdev(gains) / math.sqrt(len(gains))
                if several and choice != LAST
                else None,
            }
        )
    return rows


def main() -> None:
    """Parse the arguments, train the network for each seed, and print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="conv2d_5", help="network in params.yaml; default: conv2d_5")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds; default: 5")
    parser.add_argument("--epochs", type=int, help="number of epochs; default: as in the recipe")
    parser.add_argument("--images", type=int, help="number of images, for a quick check; default: all")
    arguments = parser.parse_args()
    data, name, scores = dataset(), arguments.network, []
    epochs = arguments.epochs or recipe_of(name).epochs
    for seed in range(1, arguments.seeds + 1):
        scores.append(one_seed(data, name, seed, epochs, arguments.images))
        told = "; ".join(f"{training}, {epoch} {score:.4f}" for (training, epoch), score in scores[-1].items())
        print(f"{name} seed {seed}: {told}", flush=True)
    rows = summary(scores)
    print_table(rows)
    if arguments.images is None:
        settings = {"network": name, "seeds": arguments.seeds, "epochs": epochs, "threads": 1}
        settings["parameters"] = new_network(name).count_params()
        write_results(f"reproduction/validating_on_test-{name}", data, rows, settings=settings)


if __name__ == "__main__":
    main()
