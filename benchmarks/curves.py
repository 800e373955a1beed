"""Compare the learning curves of lineup with the learning curves of a plain Keras script, over several seeds.

Both train the same network on the same images, with the same initial weights for each seed and a new order of the
images in each epoch. The script does not set a seed for the order (see `shuffling`). For each epoch, the benchmark
compares the mean losses over the seeds. `tests/training/test_fit.py` checks that both give equal weights for the same
batches in the same order.

    python benchmarks/curves.py --networks shallow_nn basic_cnn
"""

from __future__ import annotations

import argparse
import math
import statistics
from typing import Any

import common
import numpy as np

from lineup.training.backup import Backup
from lineup.training.devices import prepare
from lineup.training.fit import fit_network
from lineup.training.fitted import TrainingData

Curves = dict[str, list[float]]
MEASURES = ("loss", "val_loss")


def plain(name: str, data: TrainingData, epochs: int, seed: int) -> Curves:
    """Return the learning curves of ``Model.fit``."""
    common.seed_plain_script(seed, order=False)
    history = common.plain_network(name).fit(
        common.scaled(name, data.images),
        data.labels,
        validation_data=(common.scaled(name, data.val_images), data.val_labels),
        validation_batch_size=1000,
        batch_size=common.fit_of(name, epochs).batch_size,
        epochs=epochs,
        verbose=0,
    )
    return {measure: history.history[measure] for measure in MEASURES}


def lineup(name: str, data: TrainingData, epochs: int, seed: int) -> Curves:
    """Return the learning curves of lineup."""
    common.seed_plain_script(seed, order=True)
    history = fit_network(
        common.lineup_network(name),
        data,
        common.fit_of(name, epochs),
        np.random.default_rng(seed),
        phase="classifier",
        on_epoch=lambda row: None,
        backup=Backup(None),
    ).history
    return {measure: [getattr(row, measure) for row in history] for measure in MEASURES}


def training_data(name: str, images: int | None) -> TrainingData:
    """Return the training and validation images of a network in ``params.yaml``, or the first images of both."""
    data, share = common.dataset(), common.recipe_of(name).validation
    fitting, validation = data.training_indices(share)[:images], data.validation_indices(share)[:images]
    return TrainingData(
        data.train_images[fitting],
        data.train_labels[fitting],
        data.train_images[validation],
        data.train_labels[validation],
        len(data.classes),
    )


def compare(plain_curves: list[Curves], lineup_curves: list[Curves]) -> list[dict[str, Any]]:
    """Return the two means, their difference and its test statistic for each measure and epoch.

    ``sd`` is the standard deviation over the seeds, pooled over both variants. ``t`` is the difference divided by its
    standard error, ``sd * sqrt(2 / seeds)``. With three seeds (4 degrees of freedom), t exceeds 2.8 by chance in one of
    twenty comparisons, and 4.6 in one of a hundred.
    """
    rows = []
    for measure in MEASURES:
        for epoch in range(len(plain_curves[0][measure])):
            ours = [curves[measure][epoch] for curves in lineup_curves]
            theirs = [curves[measure][epoch] for curves in plain_curves]
            difference = statistics.mean(ours) - statistics.mean(theirs)
            sd = math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / 2)
            rows.append(
                {
                    "measure": measure,
                    "epoch": epoch + 1,
                    "plain": statistics.mean(theirs),
                    "lineup": statistics.mean(ours),
                    "difference": difference,
                    "sd": sd,
                    "t": difference / (sd * math.sqrt(2 / len(ours))),
                }
            )
    return rows


def main() -> None:
    """Parse the arguments, train both variants for each seed, and print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks = ["shallow_nn", "basic_cnn"]
    parser.add_argument("--networks", nargs="+", default=networks, help=f"default: {' '.join(networks)}")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, at least 2; default: 3")
    parser.add_argument("--epochs", type=int, default=5, help="number of epochs; default: 5")
    parser.add_argument("--images", type=int, help="number of images; default: all images of the recipe")
    arguments = parser.parse_args()
    prepare("network", threads=1, seed=0)
    for name in arguments.networks:
        data = training_data(name, arguments.images)
        curves: dict[str, list[Curves]] = {"plain": [], "lineup": []}
        for seed in range(1, arguments.seeds + 1):
            for variant, train in (("plain", plain), ("lineup", lineup)):
                curves[variant].append(train(name, data, arguments.epochs, seed))
                print(f"{name} seed {seed} {variant}: validation loss {curves[variant][-1]['val_loss']}", flush=True)
        rows = compare(curves["plain"], curves["lineup"])
        settings = {"network": name, "seeds": arguments.seeds, "images": len(data.labels), "threads": 1}
        common.write_results(f"curves-{name}", common.dataset(), rows, settings=settings, measured=curves)
        common.print_table(rows)


if __name__ == "__main__":
    main()
