"""Measure how long a recipe needs to reach a test accuracy on Fashion-MNIST. The rules are in `speedrun.md`.

``speedrun.yaml`` contains the recipes. The script trains one recipe with several seeds, one after another. The seeds
are computed from a hash of the recipe, so that nobody can choose them. The results are saved after each training run,
and an interrupted measurement resumes on the same hardware. The table contains all measured recipes.

With ``--validate``, the script trains on nine tenths of the training images and predicts only the other images, with
other seeds. Nothing is saved. Use this option to choose a recipe.

    python benchmarks/speedrun.py NAME --validate --seeds 1
    python benchmarks/speedrun.py NAME --seeds 5 --threads 2
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lineup.cli.libraries import import_keras
from lineup.errors import LineupError
from lineup.models.registry import architecture
from lineup.models.settings import NetworkRecipe
from lineup.schema import checked, read_yaml
from lineup.training.devices import prepare

RECIPES = Path(__file__).with_name("speedrun.yaml")
TARGETS = (0.95, 0.94, 0.93)
"""Test accuracies that count, the highest first."""
ENOUGH = 5
"""Smallest number of seeds with which a recipe can reach a target."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Entry:
    """A recipe in ``speedrun.yaml``.

    Parameters
    ----------
    change : str
        What differs from the recipe before it.
    settings : dict
        As in ``params.yaml``, without ``validation`` and ``seeds``.
    """

    change: str
    settings: dict[str, Any] = Field(min_length=1)

    def recipe(self, seed: int) -> NetworkRecipe:
        """Return the settings of one training run. Errors name the wrong setting."""
        # This share is only used to choose a recipe. A measurement trains on all training images.
        settings = self.settings | {"validation": 0.1, "seeds": [seed]}
        recipe: NetworkRecipe = checked(settings, NetworkRecipe, RECIPES, strict=True)
        return recipe

    def seeds(self, count: int, purpose: str = "test") -> list[int]:
        """Compute seeds from a hash of the settings and a purpose.

        Examples
        --------
        >>> Entry("first", {"epochs": 1}).seeds(2) == Entry("again", {"epochs": 1}).seeds(2)
        True
        """
        text = f"{purpose} {json.dumps(self.settings, sort_keys=True)}"
        hashes = (hashlib.sha256(f"{number} {text}".encode()) for number in range(1, count + 1))
        return [int.from_bytes(one.digest()[:3]) for one in hashes]


def load_recipes(path: Path) -> dict[str, Entry]:
    """Read all recipes and check their settings.

    Raises
    ------
    SystemExit
        If the file contains an unknown or invalid setting.
    """
    try:
        entries: dict[str, Entry] = checked(read_yaml(path) or {}, dict[str, Entry], path)
        for entry in entries.values():
            entry.recipe(seed=1)
    except LineupError as error:
        raise SystemExit(str(error)) from error
    return entries


def train(entry: Entry, seed: int, threads: int, *, validate: bool) -> dict[str, Any]:
    """Train a recipe once, on all training images or, to validate, without the validation images.

    The time starts when the data is in memory and the libraries are imported. It ends with the last epoch. It includes
    building and tracing the network, and the evaluation of one image after each epoch.
    """
    from lineup.training.backup import Backup
    from lineup.training.classifier import fit_model
    from lineup.training.fitted import TrainingData

    import_keras()
    recipe, data = entry.recipe(seed), common.dataset()
    device = prepare("network", threads, seed).device
    images, labels = data.train_images, data.train_labels
    targets = (data.test_images, data.test_labels)
    if validate:
        chosen, others = data.training_indices(recipe.validation), data.validation_indices(recipe.validation)
        targets = (images[others], labels[others])
        images, labels = images[chosen], labels[chosen]
    training = TrainingData(images, labels, images[:1], labels[:1], len(data.classes))
    started = time.perf_counter()
    fitted = fit_model(
        architecture(recipe.family, recipe.architecture), recipe, training, lambda row: None, Backup(None)
    )
    seconds = time.perf_counter() - started
    accuracy = float(np.mean(fitted.model.predict(targets[0]).argmax(axis=1) == targets[1]))
    return {"seed": seed, "accuracy": accuracy, "seconds": seconds, "hardware": f"{device.name}, threads: {threads}"}


def table(entries: dict[str, Entry], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per recipe and hardware, in the order of the recipes. Runs with other settings are left out."""
    rows = []
    for name, entry in entries.items():
        by_hardware: dict[str, list[dict[str, Any]]] = {}
        for run in runs:
            if (run["recipe"], run["settings"]) == (name, entry.settings):
                by_hardware.setdefault(run["hardware"], []).append(run)
        rows += [_row(name, entry, hardware, found) for hardware, found in by_hardware.items()]
    return rows


def _row(name: str, entry: Entry, hardware: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    accuracies = [run["accuracy"] for run in runs]
    mean, half = statistics.fmean(accuracies), common.half_width(accuracies)
    reached = next((target for target in TARGETS if half is not None and mean - half > target), None)
    counts = reached is not None and len(accuracies) >= ENOUGH
    return {
        "recipe": name,
        "change": entry.change,
        "seeds": len(accuracies),
        "test accuracy": f"{mean:.4f}",
        "95 % interval": "-" if half is None else f"{mean - half:.4f} to {mean + half:.4f}",
        "seconds": statistics.fmean(run["seconds"] for run in runs),
        "target": f"{reached:.0%}" if counts else "-",
        "hardware": hardware,
    }


def measure(name: str, entry: Entry, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Train the seeds that are still missing, and return the runs of all recipes. They are saved after each seed.

    Each seed is trained in a separate process, so that its time includes all compilation.

    Raises
    ------
    SystemExit
        If the recipes are not committed, or if a process fails.
    """
    check_committed(arguments.recipes)
    path, data = common.RESULTS / f"{arguments.results}.json", common.dataset()
    runs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["measured"] if path.is_file() else []
    device = prepare("network", arguments.threads, seed=1).device
    hardware = f"{device.name}, threads: {arguments.threads}"
    same = {"recipe": name, "settings": entry.settings, "hardware": hardware}
    done = {run["seed"] for run in runs if run | same == run}
    for number, seed in enumerate(entry.seeds(arguments.seeds)):
        if seed not in done:
            runs.append(same | run_one(name, number, arguments))
            print({key: value for key, value in runs[-1].items() if key != "settings"}, flush=True)
            rows = table(load_recipes(arguments.recipes), runs)
            common.write_results(arguments.results, data, rows, settings={}, measured=runs)
    return runs


def run_one(name: str, number: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one seed, given by its position, in a separate process."""
    options = ["--threads", str(arguments.threads), "--recipes", str(arguments.recipes)]
    options += ["--validate"] if arguments.validate else []
    result: dict[str, Any] = common.run_worker(name, "--one", str(number), *options)
    return result


def check_committed(path: Path) -> None:
    """Raise SystemExit if a file differs from the last git commit, or if git does not track it."""
    command = ["git", "-C", str(path.parent), "status", "--porcelain", "--", path.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stdout:
        raise SystemExit(f"{path}: not committed; commit the recipes before the measurement, or use --validate")


def main() -> None:
    """Parse the arguments, measure or validate one recipe, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of a recipe in speedrun.yaml")
    parser.add_argument("--seeds", type=int, default=ENOUGH, help=f"number of seeds; default: {ENOUGH}")
    parser.add_argument("--threads", type=int, default=2, help="number of threads; default: 2")
    parser.add_argument("--validate", action="store_true", help="predict validation images instead of test images")
    parser.add_argument("--recipes", type=Path, default=RECIPES, help="default: speedrun.yaml beside the script")
    parser.add_argument("--results", metavar="NAME", default="speedrun", help="name of the JSON file")
    parser.add_argument("--one", type=int, metavar="NUMBER", help="train the seed with this number in this process")
    arguments = parser.parse_args()
    entries = load_recipes(arguments.recipes)
    if arguments.name not in entries:
        parser.error(f"{arguments.name}: no such recipe; expected one of {', '.join(entries) or 'none'}")
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds}: expected at least 1")
    entry, purpose = entries[arguments.name], "validation" if arguments.validate else "test"
    if arguments.one is not None:
        seed = entry.seeds(arguments.one + 1, purpose)[-1]
        print(json.dumps(train(entry, seed, arguments.threads, validate=arguments.validate)))
    elif arguments.validate:
        for number in range(arguments.seeds):
            print(run_one(arguments.name, number, arguments), flush=True)
    else:
        common.print_table(table(entries, measure(arguments.name, entry, arguments)))


if __name__ == "__main__":
    main()
