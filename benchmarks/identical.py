"""Check whether two training runs with the same settings give bit-identical results.

Each network is trained twice, in two separate processes. The rows contain the largest difference between the weights,
and between the training losses of all epochs. Both are 0 if the runs are bit-identical.

    python benchmarks/identical.py --networks basic_cnn resnet --epochs 2
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import common
import numpy as np

from lineup.cli.libraries import import_keras
from lineup.npz import write_npz
from lineup.training.devices import prepare

NETWORKS = ("shallow_nn", "basic_cnn", "frozen_encoder", "resnet")
"""A dense network, a CNN with dropout, an autoencoder, and a network with batch normalisation."""


def train(names: list[str], epochs: int, threads: int, folder: Path) -> list[dict[str, Any]]:
    """Train each network with its first seed, save its weights, and return the device, the losses and a hash."""
    from lineup.training.backup import Backup
    from lineup.training.fitted import TrainingData
    from lineup.training.network import Network
    from lineup.training.trainers import trainer_of

    import_keras()
    data, results = common.dataset(), []
    for name in names:
        recipe = dataclasses.replace(common.recipe_of(name), epochs=epochs)
        if recipe.pretrain:
            recipe = dataclasses.replace(recipe, pretrain=dataclasses.replace(recipe.pretrain, epochs=epochs))
        device = prepare("network", threads, recipe.seed).device
        entry, split = common.entry_of(name), data.training_indices(recipe.validation)
        images, labels = data.train_images[split], data.train_labels[split]
        training = TrainingData(images, labels, images[:10], labels[:10], len(data.classes))
        fitted = trainer_of(entry).fit(entry, recipe, training, lambda row: None, Backup(None))
        assert isinstance(fitted.model, Network)  # for the type checker
        weights = fitted.model.keras_model.get_weights()
        write_npz(folder / f"{name}.npz", {str(number): weight for number, weight in enumerate(weights)})
        losses = [row.loss for row in fitted.history]
        results.append({"device": device.name, "losses": losses, "sha256": fitted.model.weights.sha256})
    return results


def row(name: str, runs: list[dict[str, Any]], folders: list[Path]) -> dict[str, Any]:
    """Compare the two training runs of a network."""
    first, second = runs
    with np.load(folders[0] / f"{name}.npz") as one, np.load(folders[1] / f"{name}.npz") as other:
        weights = max(float(np.abs(one[key] - other[key]).max()) for key in one)
    losses = max(abs(a - b) for a, b in zip(first["losses"], second["losses"], strict=True))
    return {
        "network": name,
        "device": first["device"],
        "identical": "yes" if first["sha256"] == second["sha256"] and losses == 0 else "no",
        "difference of weights": weights,
        "difference of losses": losses,
    }


def main() -> None:
    """Parse the arguments, train in two processes, save the results, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="default: all")
    parser.add_argument("--epochs", type=int, default=2, help="default: 2")
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    parser.add_argument("--results", metavar="NAME", default="identical", help="name of the JSON file")
    parser.add_argument("--one", type=Path, metavar="FOLDER", help="train in this process, and save the weights")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(train(arguments.networks, arguments.epochs, arguments.threads, arguments.one)))
        return
    settings = {"epochs": arguments.epochs, "threads": arguments.threads}
    command = ["--networks", *arguments.networks]
    command += [f"--{name}={value}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary, name) for name in ("first", "second")]
        runs = []
        for folder in folders:
            folder.mkdir()
            runs.append(common.run_worker("--one", str(folder), *command))
        rows = [row(name, list(pair), folders) for name, *pair in zip(arguments.networks, *runs, strict=True)]
    common.write_results(arguments.results, common.dataset(), rows, settings=settings, measured=runs)
    common.print_table(rows)


if __name__ == "__main__":
    main()
