"""Measure the training speed of lineup, a plain Keras script, PyTorch and JAX.

plain           ``Model.fit`` on float32 arrays, as in a plain Keras script
lineup          the training loop of the pipeline; on a GPU, XLA compiles each epoch to one program
torch_eager     the same layers in PyTorch
torch_compile   the same layers in PyTorch with ``torch.compile``, and with CUDA graphs on a GPU
xla             lineup, with XLA on every device
no_xla          lineup, without XLA on every device
bf16            lineup, with ``precision: mixed_bfloat16``; not for autoencoders
jax             the same layers with Keras on JAX, one XLA program per epoch
jax_seeds       the same for three seeds at the same time, in images x seeds per second

The first four are measured by default, and ``--variants`` selects others. All variants use the same layers, initial
weights, batch size, optimizer, number of updates and number of threads. Each measurement runs in a separate process, so
that no measurement warms up another one. The variants take turns, ``--repeats`` times. A measurement is the number of
images per second, without the first epoch, which includes tracing or compilation. Each row contains the medians. For
``Model.fit``, each epoch is timed from its start to its end. The time of the whole call would also include 0.3 to 5 s
in which Keras waits for its threads.

The benchmark also reports the number of operations per image in a training step. The column *share* compares the speed
of lineup with a matrix multiplication in TensorFlow. The matrices have 2048 rows and columns (8192 on a GPU).

On a rented GPU, start-up and compilation take most of the time. With ``--together``, one process therefore measures
several variants and networks, once each. If a measurement fails, the other measurements continue.

The PyTorch variants require the extra ``torch``, and the JAX variants the extra ``jax``. Variants of a library that is
not installed are skipped.

    python benchmarks/training.py --threads 1
    python benchmarks/training.py --together --variants lineup plain bf16 --results training-gpu
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from unittest import mock

import common
import numpy as np
from operations import matrix_rate, training_operations

from lineup.cli.libraries import import_keras
from lineup.training.devices import prepare

NETWORKS = (
    "shallow_nn",
    "basic_cnn",
    "deeper_cnn",
    "frozen_encoder",
    "wide_deep",
    "conv1d_baseline",
    "conv1d_1",
    "conv1d_2",
    "conv1d_3",
    "conv2d_4",
    "conv2d_5",
    "depth_2",
    "depth_3",
    "cnn_32_64_128",
    "resnet",
)
"""Every architecture of the line-up once; of ``frozen_encoder`` the autoencoder, nearly all of its time."""
GOAL = [name for name in NETWORKS if not name.startswith(("wide_deep", "conv1d"))]
"""Reports A, C (its 2-D networks), D and E."""
IMAGES, LIGHT, EPOCHS = 6_400, 2e6, 3
"""Images of an epoch, five times as many of a network with fewer operations than that for an image; epochs."""
TOGETHER_IMAGES = 19_200
"""Images of an epoch with ``--together``."""
EACH = 128
"""The largest batch: with a multiple of it, batches are whole."""
VARIANTS = ("plain", "lineup", "torch_eager", "torch_compile", "xla", "no_xla", "bf16", "jax", "jax_seeds")
DEFAULT_VARIANTS = VARIANTS[:4]
BACKENDS = ("tensorflow", "torch", "jax")
SEEDS = 3
"""Number of seeds of ``jax_seeds``."""
MACHINE = "machine"
"""Measured like a variant: see `measure_machine`."""


def measure(variant: str, name: str, images: int, threads: int) -> float:
    """Return the mean number of images per second of one variant, without the first epoch."""
    data = common.dataset()
    pixels, labels = data.train_images[:images], data.train_labels[:images]
    variants: dict[str, Callable[[], list[float]]] = {
        "plain": lambda: plain_seconds(name, pixels, labels, threads),
        "lineup": lambda: lineup_seconds(name, pixels, labels, threads),
        "torch_eager": lambda: torch_seconds(name, pixels, labels, threads, compiled=False),
        "torch_compile": lambda: torch_seconds(name, pixels, labels, threads, compiled=True),
        "xla": lambda: lineup_seconds(name, pixels, labels, threads, xla=True),
        "no_xla": lambda: lineup_seconds(name, pixels, labels, threads, xla=False),
        "bf16": lambda: bf16_seconds(name, pixels, labels, threads),
        "jax": lambda: jax_seconds(name, pixels, labels, seeds=1),
        "jax_seeds": lambda: jax_seconds(name, pixels, labels, seeds=SEEDS),
    }
    return len(labels) / statistics.mean(variants[variant]()[1:])


def plain_seconds(name: str, images: np.ndarray, labels: np.ndarray, threads: int) -> list[float]:
    """Return the time of each epoch of ``Model.fit`` in seconds."""
    prepare("network", threads, seed=1)
    import keras

    times: list[float] = []

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            times.append(-time.perf_counter())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            times[-1] += time.perf_counter()

    inputs = common.scaled(name, images)
    targets = inputs if common.reconstructs(name) else labels
    batch_size = common.fit_of(name, EPOCHS).batch_size
    network = common.plain_network(name)
    network.fit(inputs, targets, batch_size=batch_size, epochs=EPOCHS, verbose=0, callbacks=[Clock()])
    return times


def lineup_seconds(
    name: str, images: np.ndarray, labels: np.ndarray, threads: int, *, xla: bool | None = None
) -> list[float]:
    """Return the time of each epoch in seconds, as in a record's ``history.csv``, with ten validation images.

    ``xla`` is whether XLA compiles the epoch. By default, lineup uses XLA on a GPU only.
    """
    device = prepare("network", threads, seed=1).device
    from lineup.training import loop
    from lineup.training.backup import Backup
    from lineup.training.fit import fit_network
    from lineup.training.fitted import TrainingData
    from lineup.training.losses import CLASSIFICATION, RECONSTRUCTION

    targets = images if common.reconstructs(name) else labels
    # The training loop uses XLA if it finds a GPU.
    with mock.patch.object(loop, "uses_gpu", return_value=device.kind == "gpu" if xla is None else xla):
        history = fit_network(
            common.lineup_network(name),
            TrainingData(images, targets, images[:10], targets[:10], classes=10),
            common.fit_of(name, EPOCHS),
            np.random.default_rng(1),
            phase="classifier",
            on_epoch=lambda row: None,
            backup=Backup(None),
            objective=RECONSTRUCTION if common.reconstructs(name) else CLASSIFICATION,
        ).history
    return [row.seconds for row in history]


def bf16_seconds(name: str, images: np.ndarray, labels: np.ndarray, threads: int) -> list[float]:
    """Return the time of each epoch in seconds, with ``precision: mixed_bfloat16``.

    The time is measured even if the device has no instructions for bfloat16.
    """
    prepare("network", threads, seed=1)
    from lineup.training.backup import Backup
    from lineup.training.classifier import fit_model
    from lineup.training.fitted import TrainingData

    recipe = dataclasses.replace(common.recipe_of(name), epochs=EPOCHS, precision="mixed_bfloat16")
    data = TrainingData(images, labels, images[:10], labels[:10], classes=10)
    fitted = fit_model(common.entry_of(name), recipe, data, lambda row: None, Backup(None))
    return [row.seconds for row in fitted.history]


def torch_seconds(name: str, images: np.ndarray, labels: np.ndarray, threads: int, *, compiled: bool) -> list[float]:
    """Return the time of each epoch in PyTorch in seconds. Keras defines the layers and also uses PyTorch here."""
    import keras
    import torch
    from torch_training import epoch_seconds

    torch.set_num_threads(threads)
    keras.utils.set_random_seed(1)
    network, fit = common.plain_network(name), common.fit_of(name, EPOCHS)
    inputs = common.scaled(name, images)
    return epoch_seconds(network, inputs, labels, fit, reconstructs=common.reconstructs(name), compiled=compiled)


def jax_seconds(name: str, images: np.ndarray, labels: np.ndarray, *, seeds: int) -> list[float]:
    """Return the time of each epoch of Keras on JAX in seconds, divided by the number of seeds.

    JAX has no setting for the number of threads.
    """
    from jax_training import epoch_seconds

    targets = common.scaled(name, images) if common.reconstructs(name) else labels.astype(np.int32)
    fit = common.fit_of(name, EPOCHS)
    return epoch_seconds(partial(common.lineup_network, name), images, targets, fit, seeds=seeds)


def measure_machine(name: str, threads: int) -> dict[str, Any]:
    """Return the speed of matrix multiplication, the device, and the operations of a training step of a network."""
    device = prepare("network", threads, seed=1).device
    return {
        "rate": matrix_rate(8192 if device.kind == "gpu" else 2048),
        "device": device.name,
        "operations": training_operations(common.plain_network(name)),
    }


def measurement(variant: str, name: str, arguments: argparse.Namespace) -> Any:
    """Measure one variant in this process. The result can be stored as JSON."""
    if variant == MACHINE:
        return measure_machine(name, arguments.threads)
    return measure(variant, name, arguments.images, arguments.threads)


def measure_several(arguments: argparse.Namespace) -> None:
    """Measure variants and networks in this process, and print one line per measurement or error."""
    if {backend_of(variant) for variant in arguments.several} == {"tensorflow"}:
        import_keras()
    for variant in arguments.several:
        for name in arguments.networks:
            if not supports(variant, name):
                continue
            line = {"variant": variant, "network": name}
            try:
                line["value"] = measurement(variant, name, arguments)
            except Exception as error:  # the other measurements continue
                line["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            print(json.dumps(line), flush=True)


def supports(variant: str, name: str) -> bool:
    """Return whether a variant can train a network."""
    return not (variant == "bf16" and common.reconstructs(name))


def backend_of(variant: str) -> str:
    """Return the backend of Keras that a variant requires."""
    return next((backend for backend in BACKENDS if variant.startswith(backend)), "tensorflow")


def compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the variants of a network in turn, and return medians, single measurements and the input of `table`."""
    threads = ("--threads", str(arguments.threads))
    machine: dict[str, Any] = common.run_worker("--one", MACHINE, name, *threads)
    images = arguments.images or IMAGES * (5 if machine["operations"] < LIGHT else 1)
    measured: dict[str, list[float]] = {variant: [] for variant in arguments.variants if supports(variant, name)}
    for _ in range(arguments.repeats):
        for variant, values in measured.items():
            one = ("--one", variant, name, "--images", str(images))
            values.append(common.run_worker(*one, *threads, KERAS_BACKEND=backend_of(variant)))
    medians = {variant: statistics.median(values) for variant, values in measured.items()}
    return {"network": name, "images": images, "medians": medians, "measured": measured} | machine


def compare_together(arguments: argparse.Namespace) -> Iterator[dict[str, dict[str, Any]]]:
    """Measure all variants and networks with one process per backend.

    Yields
    ------
    dict of str to dict
        After each measurement, the input of `table` by network. Failed measurements are listed under ``errors``.
    """
    found: dict[str, dict[str, Any]] = {}
    shared = ("--threads", str(arguments.threads), "--images", str(arguments.images))
    for backend, variants in itertools.groupby([MACHINE, *arguments.variants], key=backend_of):
        command = ("--several", *variants, "--networks", *arguments.networks, *shared)
        for line in common.worker_lines(*command, KERAS_BACKEND=backend):
            if not line.startswith('{"variant"'):
                print(line, file=sys.stderr)  # a message of a library
                continue
            one = json.loads(line)
            variant, name = one["variant"], one["network"]
            row = found.setdefault(name, {"network": name, "images": arguments.images, "medians": {}, "errors": {}})
            if "error" in one:
                row["errors"][variant] = one["error"]
            elif variant == MACHINE:
                row |= one["value"]
            else:
                row["medians"][variant] = one["value"]
            print(line, flush=True)
            yield found


def table(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a table with medians, ratios, the share of the matrix multiplication speed, and geometric means."""
    rates = [one["rate"] for one in found if "rate" in one]
    measured = {variant: None for one in found for variant in one["medians"]}
    rows = []
    for one in found:
        speeds = measured | one["medians"]
        lineup, plain, operations = speeds.get("lineup"), speeds.get("plain"), one.get("operations")
        torch = max(filter(None, (speeds.get(name) for name in ("torch_eager", "torch_compile"))), default=None)
        rows.append(
            {"network": one["network"], "batch": common.fit_of(one["network"], EPOCHS).batch_size}
            | speeds
            | {
                "lineup/plain": lineup / plain if lineup and plain else None,
                "lineup/torch": lineup / torch if lineup and torch else None,
                "MFLOP an image": operations / 1e6 if operations else None,
                "share": lineup * operations / statistics.median(rates) if lineup and operations else None,
            }
        )
    return [*rows, _means("geometric mean", rows, NETWORKS), _means("geometric mean, A C D E", rows, GOAL)]


def _means(title: str, rows: list[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return a row with the geometric means of the ratios over some of the networks."""
    means: dict[str, Any] = dict.fromkeys(rows[0]) | {"network": title}
    for ratio in ("lineup/plain", "lineup/torch"):
        values = [row[ratio] for row in rows if row["network"] in names and row[ratio] is not None]
        means[ratio] = statistics.geometric_mean(values) if values else None
    return means


def main() -> None:
    """Parse the arguments, measure the variants, save the results after each step, and print the table."""
    arguments = parse()
    if arguments.one:
        variant, name = arguments.one
        print(json.dumps(measurement(variant, name, arguments)))
        return
    if arguments.several:
        measure_several(arguments)
        return
    found: list[dict[str, Any]] = []
    if arguments.together:
        for by_network in compare_together(arguments):
            found = list(by_network.values())
            save(found, arguments)
    else:
        for name in arguments.networks:
            found.append(compare(name, arguments))
            print(name, {variant: round(speed) for variant, speed in found[-1]["medians"].items()}, flush=True)
            save(found, arguments)
    if not found:
        raise SystemExit("no measurement succeeded")
    common.print_table(table(found))


def save(found: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Write the result file with all measurements so far."""
    settings = {"threads": arguments.threads, "repeats": arguments.repeats, "epochs": EPOCHS}
    common.write_results(
        arguments.results or f"training-threads{arguments.threads}",
        common.dataset(),
        table(found),
        settings=settings | ({"images": arguments.images} if arguments.together else {}),
        measured=found,
    )


def parse() -> argparse.Namespace:
    """Parse and check the arguments."""
    installed = {backend for backend in BACKENDS if importlib.util.find_spec(backend)}
    variants = [variant for variant in VARIANTS if backend_of(variant) in installed]
    default = [variant for variant in DEFAULT_VARIANTS if variant in variants]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    parser.add_argument("--repeats", type=int, default=3, help="number of repetitions; default: 3")
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="networks to train; default: all"
    )
    parser.add_argument(
        "--variants", nargs="+", choices=variants, default=default, help=f"default: {' '.join(default)}"
    )
    parser.add_argument(
        "--images",
        type=int,
        help=f"of an epoch; default: {IMAGES:,}, {5 * IMAGES:,} if they are light, {TOGETHER_IMAGES:,} with --together",
    )
    parser.add_argument("--together", action="store_true", help="measure once, with one process per backend")
    parser.add_argument("--results", metavar="NAME", help="name of the JSON file; default: training-threads<n>")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "NETWORK"), help="measure one variant in this process")
    parser.add_argument("--several", nargs="+", metavar="VARIANT", help="measure variants in this process")
    arguments = parser.parse_args()
    if arguments.images is not None and (arguments.images % EACH or arguments.images <= 0):
        parser.error(f"--images {arguments.images}: expected a multiple of {EACH}, so that all batches are whole")
    if arguments.together:
        arguments.repeats, arguments.images = 1, arguments.images or TOGETHER_IMAGES
    return arguments


if __name__ == "__main__":
    main()
