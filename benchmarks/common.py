"""What the benchmarks share: data, networks, the script that a user would write otherwise, workers, result files."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from packaging.utils import canonicalize_name

from lineup.data.dataset import Dataset, load_dataset
from lineup.files import replacing_file
from lineup.models.layers import Layers, apply, classifier, input_shape
from lineup.models.registry import Architecture, architecture
from lineup.models.settings import Fit, NetworkRecipe
from lineup.params import load_params
from lineup.paths import find_project
from lineup.records.machine import this_machine

if TYPE_CHECKING:
    import keras

SHAPE, CLASSES = (28, 28, 1), 10
"""The images of this project."""
RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("keras", "tensorflow", "tensorflow-cpu", "torch", "scikit-learn", "scikit-learn-intelex", "numpy", "dvc")


@cache
def dataset() -> Dataset:
    """Return the dataset of this checkout, as ``lineup split`` wrote it."""
    return load_dataset(find_project().dataset)


@cache
def recipe_of(name: str) -> NetworkRecipe:
    """Return the recipe of a network in ``params.yaml``."""
    recipe = load_params(find_project().params).recipe(name)
    if not isinstance(recipe, NetworkRecipe):
        raise SystemExit(f"{name}: not a network")
    return recipe


def entry_of(name: str) -> Architecture:
    """Return the registered architecture of a network in ``params.yaml``."""
    recipe = recipe_of(name)
    return architecture(recipe.family, recipe.architecture)


def fit_of(name: str, epochs: int) -> Fit:
    """Return batch size and learning rate of a network in ``params.yaml``; of an autoencoder those of its own fit."""
    recipe = recipe_of(name)
    return dataclasses.replace(recipe.pretrain or recipe, epochs=epochs)


def reconstructs(name: str) -> bool:
    """Return whether the network measured is an autoencoder, which learns to reconstruct its input."""
    return recipe_of(name).pretrain is not None


def layers_of(name: str) -> Layers:
    """Return new layers from scaled images to probabilities, or to reconstructed images."""
    parts = entry_of(name).make(SHAPE, CLASSES, recipe_of(name).options)
    return [*parts.encoder, *parts.decoder] if reconstructs(name) else parts


def lineup_network(name: str) -> keras.Model:
    """Return a new network as lineup builds it: raw uint8 images in."""
    scaling, channels = recipe_of(name).scaling, entry_of(name).channels
    return classifier(name, scaling, layers_of(name), SHAPE, channels=channels)


def input_shape_of(name: str) -> tuple[int, ...]:
    """Return the shape of one scaled image as a network takes it."""
    return input_shape(SHAPE, channels=entry_of(name).channels)


def plain_network(name: str) -> Any:
    """Return a new network as a plain script builds and compiles it: scaled images in."""
    import keras

    images = keras.Input(input_shape_of(name))
    network = keras.Model(images, apply(layers_of(name), images))
    adam = keras.optimizers.Adam(fit_of(name, epochs=1).learning_rate)
    if reconstructs(name):
        network.compile(optimizer=adam, loss="mse")
    else:
        network.compile(optimizer=adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def seed_plain_script(seed: int, *, order: bool) -> None:
    """Seed what a plain script draws: the initial weights and dropout, and, if wished, the order of its batches.

    ``keras.utils.set_random_seed`` seeds both, and then repeats one order in every epoch (`shuffling` says why).
    Weights take their seeds from Python's generator, the order takes its from TensorFlow's, which can be reset alone.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if not order:
        tf.random.set_seed(None)


def scaled(name: str, images: np.ndarray) -> np.ndarray:
    """Return uint8 images as float32, scaled and shaped as the plain network takes them."""
    scale, offset = {"unit": (1 / 255, 0), "symmetric": (1 / 127.5, -1)}[recipe_of(name).scaling]
    pixels = images * np.float32(scale) + np.float32(offset)
    return pixels.reshape(-1, *input_shape_of(name))


def run_worker(*arguments: str, **environment: str) -> Any:
    """Run this script once more, in a process of its own that none has warmed up, and return the JSON it prints last.

    Parameters
    ----------
    *arguments : str
        Of the script.
    **environment : str
        Variables to set.

    Raises
    ------
    SystemExit
        If it fails, with the last lines of what it said.
    """
    command = [sys.executable, sys.argv[0], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def write_results(name: str, data: Dataset | None, rows: list[dict[str, Any]], **details: Any) -> None:
    """Write a result file, with machine, versions and data in it.

    Parameters
    ----------
    name : str
        Of the file in ``benchmarks/results``, without ``.json``; what the page of the reproduction shows lies in the
        folder ``reproduction`` there.
    data : Dataset or None
        What was measured on; None if ``details`` says it.
    rows : list of dict
        The table.
    **details : Any
        Settings and single measurements, whatever JSON can hold.
    """
    result: dict[str, Any] = {"machine": asdict(this_machine()), "versions": _versions()}
    if data is not None:
        result["data"] = {"name": data.name, "generated": data.generated, "fingerprint": data.fingerprint}
    with replacing_file(RESULTS / f"{name}.json") as partial:
        partial.write_text(json.dumps(result | details | {"rows": rows}, indent=2) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    """Return the versions of those of the libraries that are installed."""
    found: dict[str, str] = {canonicalize_name(one.name): one.version for one in metadata.distributions()}
    return {name: found[name] for name in LIBRARIES if name in found}


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a Markdown table."""
    print(markdown_table(rows))


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return rows with the same keys as a Markdown table, numbers on the right."""
    columns = list(rows[0])
    numbers = [not any(isinstance(row[column], str) for row in rows) for column in columns]
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join(" ---: " if right else " --- " for right in numbers) + "|",
        *("| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in rows),
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
