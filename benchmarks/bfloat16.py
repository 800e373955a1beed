"""Measure how ``precision: mixed_bfloat16`` changes the test accuracy.

Each network is trained with its settings in ``params.yaml``, with several seeds, once with float32 and once with
bfloat16. Both training runs of a seed use the same initial weights and the same order of the images. The interval is a
95 % t-interval of the mean difference between the two runs of a seed. The speed-up is the time with float32 divided by
the time with bfloat16. On a CPU without instructions for bfloat16, TensorFlow also rounds to bfloat16, but is slower.

    python benchmarks/bfloat16.py --networks basic_cnn --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from typing import Any, Literal, get_args

import common
import numpy as np

from lineup.cli.libraries import import_keras
from lineup.training.devices import prepare

NETWORKS = ("shallow_nn", "basic_cnn", "depth_3", "resnet")
Precision = Literal["float32", "mixed_bfloat16"]


def train(name: str, seed: int, precision: Precision, threads: int, epochs: int | None) -> dict[str, Any]:
    """Train a network once, and return its test accuracy and the training time in seconds."""
    from lineup.training.backup import Backup
    from lineup.training.classifier import fit_model
    from lineup.training.fitted import TrainingData

    recipe = dataclasses.replace(common.recipe_of(name), seeds=[seed], precision=precision)
    recipe = dataclasses.replace(recipe, epochs=epochs or recipe.epochs)
    prepare("network", threads, seed)
    data = common.dataset()
    training = TrainingData.from_dataset(data, recipe.validation)
    fitted = fit_model(common.entry_of(name), recipe, training, lambda row: None, Backup(None))
    hits = fitted.model.predict(data.test_images).argmax(axis=1) == data.test_labels
    seconds = sum(row.seconds for row in fitted.history)
    return {"network": name, "seed": seed, "precision": precision, "accuracy": float(np.mean(hits)), "seconds": seconds}


def compared(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one row of the table: the mean accuracies, their difference and the ratio of the training times."""
    values = {
        key: [[run[key] for run in runs if run["precision"] == precision] for precision in get_args(Precision)]
        for key in ("accuracy", "seconds")
    }
    differences = [second - first for first, second in zip(*values["accuracy"], strict=True)]
    row: dict[str, Any] = {"network": name, "seeds": len(differences)}
    for precision, accuracies in zip(get_args(Precision), values["accuracy"], strict=True):
        row[precision] = round(statistics.fmean(accuracies), 4)
    mean, half = statistics.fmean(differences), common.half_width(differences)
    row["difference"] = f"{mean:+.4f}"
    row["95 % interval"] = "-" if half is None else f"{mean - half:+.4f} to {mean + half:+.4f}"
    before, after = map(statistics.fmean, values["seconds"])
    return row | {"speed-up": before / after}


def main() -> None:
    """Parse the arguments, train, save the results after each network, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    parser.add_argument("--epochs", type=int, help="default: as in params.yaml")
    parser.add_argument("--results", metavar="NAME", default="bfloat16", help="name of the JSON file")
    arguments = parser.parse_args()
    import_keras()
    rows, runs = [], []
    for name in arguments.networks:
        for seed in arguments.seeds:
            for precision in get_args(Precision):
                runs.append(train(name, seed, precision, arguments.threads, arguments.epochs))
                print(runs[-1], flush=True)
        rows.append(compared(name, [run for run in runs if run["network"] == name]))
        settings = {"threads": arguments.threads, "epochs": arguments.epochs, "seeds": arguments.seeds}
        common.write_results(arguments.results, common.dataset(), rows, settings=settings, measured=runs)
    common.print_table(rows)


if __name__ == "__main__":
    main()
