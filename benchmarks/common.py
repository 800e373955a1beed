"""Functions that the benchmarks share: data, networks, a plain Keras script, worker processes and result files."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from packaging.utils import canonicalize_name
from scipy import stats

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
    """Return the dataset of this checkout, which ``lineup split`` wrote."""
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
    """Return the batch size and the learning rate of a network, or the settings of its autoencoder."""
    recipe = recipe_of(name)
    return dataclasses.replace(recipe.pretrain or recipe, epochs=epochs)


def reconstructs(name: str) -> bool:
    """Return whether the measured network is an autoencoder, which reconstructs its input."""
    return recipe_of(name).pretrain is not None


def layers_of(name: str) -> Layers:
    """Return new layers that map scaled images to probabilities or to reconstructed images."""
    parts = entry_of(name).make(SHAPE, CLASSES, recipe_of(name).options)
    return [*parts.encoder, *parts.decoder] if reconstructs(name) else parts


def lineup_network(name: str) -> keras.Model:
    """Return a new network that lineup builds for raw uint8 images."""
    scaling, channels = recipe_of(name).scaling, entry_of(name).channels
    return classifier(name, scaling, layers_of(name), SHAPE, channels=channels)


def input_shape_of(name: str) -> tuple[int, ...]:
    """Return the shape of one scaled image that a network receives."""
    return input_shape(SHAPE, channels=entry_of(name).channels)


def plain_network(name: str) -> Any:
    """Return a new compiled network of a plain Keras script, which receives scaled images."""
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
    """Set the random seeds of a plain Keras script: for initial weights and dropout, and optionally for shuffling.

    ``keras.utils.set_random_seed`` sets both, so that the order of the images is the same in every epoch (see
    `shuffling`). Keras derives the seeds of weights from Python's random generator. The order depends on TensorFlow's
    random generator, which can be reset separately.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if not order:
        tf.random.set_seed(None)


def scaled(name: str, images: np.ndarray) -> np.ndarray:
    """Return uint8 images as float32 images with the scaling and the shape that the plain network expects."""
    scale, offset = {"unit": (1 / 255, 0), "symmetric": (1 / 127.5, -1)}[recipe_of(name).scaling]
    pixels = images * np.float32(scale) + np.float32(offset)
    return pixels.reshape(-1, *input_shape_of(name))


def run_worker(*arguments: str, **environment: str) -> Any:
    """Run this script again in a separate process, and return the JSON in the last line of its output.

    Parameters
    ----------
    *arguments : str
        Arguments of the script.
    **environment : str
        Environment variables to set.

    Raises
    ------
    SystemExit
        If the process fails. The message contains the last lines of its output.
    """
    command = [sys.executable, sys.argv[0], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def worker_lines(*arguments: str, **environment: str) -> Iterator[str]:
    """Run this script again in a separate process, and yield the lines of its output as soon as they are printed.

    See `run_worker` for the arguments. If the process fails, a message is printed, and the lines so far count.
    """
    command = [sys.executable, sys.argv[0], *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        assert process.stdout is not None  # for the type checker
        for line in process.stdout:
            yield line.rstrip("\n")
    if process.returncode:
        print(f"{' '.join(command)}: exit status {process.returncode}", file=sys.stderr, flush=True)


def write_results(name: str, data: Dataset | None, rows: list[dict[str, Any]], **details: Any) -> None:
    """Write a result file with the machine, the versions and the data.

    Parameters
    ----------
    name : str
        Name of the file in ``benchmarks/results``, without ``.json``, or an absolute path. The folder ``reproduction``
        contains the results that the reproduction page shows.
    data : Dataset or None
        Dataset of the measurements, or None if ``details`` describes the data.
    rows : list of dict
        Rows of the table.
    **details : Any
        Settings and single measurements that can be stored as JSON.
    """
    result: dict[str, Any] = {"machine": asdict(this_machine()), "versions": _versions()}
    if data is not None:
        result["data"] = {"name": data.name, "generated": data.generated, "fingerprint": data.fingerprint}
    with replacing_file(RESULTS / f"{name}.json") as partial:
        partial.write_text(json.dumps(result | details | {"rows": rows}, indent=2) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    """Return the versions of the given libraries, without libraries that are not installed."""
    found: dict[str, str] = {canonicalize_name(one.name): one.version for one in metadata.distributions()}
    return {name: found[name] for name in LIBRARIES if name in found}


def half_width(values: Sequence[float]) -> float | None:
    """Return half of the width of the 95 % t-interval of a mean, or None for a single value.

    Examples
    --------
    >>> round(half_width([0.91, 0.92, 0.93]), 4)
    0.0248
    """
    if len(values) < 2:
        return None
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows as a Markdown table."""
    print(markdown_table(rows))


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return rows with the same keys as a Markdown table. Numbers are right-aligned."""
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
