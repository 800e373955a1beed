"""Measure the training speed of lineup, a plain Keras script and PyTorch.

plain           ``Model.fit`` on float32 arrays, as in a plain Keras script
lineup          the training loop of the pipeline
torch_eager     the same layers in PyTorch
torch_compile   the same layers in PyTorch with ``torch.compile``

All variants use the same layers, initial weights, batch size, optimizer, number of updates and number of threads. Each
measurement runs in a separate process, so that no measurement warms up another one. The variants take turns,
``--repeats`` times. A measurement is the number of images per second, without the first epoch, which includes tracing
or compilation. Each row contains the medians. For ``Model.fit``, each epoch is timed from its start to its end. The
time of the whole call would also include 0.3 to 5 s in which Keras waits for its threads.

The benchmark also reports the number of operations per image in a training step. The column *share* compares the speed
of lineup with a matrix multiplication in TensorFlow. The matrices have 2048 rows and columns (8192 on a GPU).

The PyTorch variants require the extra ``torch``. If PyTorch is not installed, they are skipped.

    python benchmarks/training.py --threads 1
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import common
import numpy as np
from operations import matrix_rate, training_operations

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
EACH = 128
"""The largest batch: with a multiple of it, batches are whole."""


def measure(variant: str, name: str, images: int, threads: int) -> float:
    """Return the mean number of images per second of one variant, without the first epoch."""
    data = common.dataset()
    pixels, labels = data.train_images[:images], data.train_labels[:images]
    variants: dict[str, Callable[[], list[float]]] = {
        "plain": lambda: plain_seconds(name, pixels, labels, threads),
        "lineup": lambda: lineup_seconds(name, pixels, labels, threads),
        "torch_eager": lambda: torch_seconds(name, pixels, labels, threads, compiled=False),
        "torch_compile": lambda: torch_seconds(name, pixels, labels, threads, compiled=True),
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


def lineup_seconds(name: str, images: np.ndarray, labels: np.ndarray, threads: int) -> list[float]:
    """Return the time of each epoch in seconds, as in a record's ``history.csv``, with ten validation images."""
    prepare("network", threads, seed=1)
    from lineup.training.backup import Backup
    from lineup.training.fit import fit_network
    from lineup.training.fitted import TrainingData
    from lineup.training.losses import CLASSIFICATION, RECONSTRUCTION

    targets = images if common.reconstructs(name) else labels
    history = fit_network(
        common.lineup_network(name),
        TrainingData(images, targets, images[:10], targets[:10], classes=10),
        common.fit_of(name, EPOCHS),
        np.random.default_rng(1),
        phase="classifier",
        on_epoch=lambda row: None,
        backup=Backup(None),
        objective=RECONSTRUCTION if common.reconstructs(name) else CLASSIFICATION,
    )
    return [row.seconds for row in history]


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


def measure_machine(name: str, threads: int) -> dict[str, Any]:
    """Return the speed of matrix multiplication, the device, and the operations of a training step of a network."""
    device = prepare("network", threads, seed=1).device
    return {
        "rate": matrix_rate(8192 if device.kind == "gpu" else 2048),
        "device": device.name,
        "operations": training_operations(common.plain_network(name)),
    }


def work(arguments: argparse.Namespace) -> None:
    """Measure one variant in this process, and print the result."""
    variant, name = arguments.one
    if variant == "machine":
        print(json.dumps(measure_machine(name, arguments.threads)))
    else:
        print(json.dumps(measure(variant, name, arguments.images, arguments.threads)))


def compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the variants of a network in turn, and return medians, single measurements and the input of `table`."""
    threads = ("--threads", str(arguments.threads))
    machine: dict[str, Any] = common.run_worker("--one", "machine", name, *threads)
    images = arguments.images or IMAGES * (5 if machine["operations"] < LIGHT else 1)
    measured: dict[str, list[float]] = {variant: [] for variant in arguments.variants}
    for _ in range(arguments.repeats):
        for variant, values in measured.items():
            backend = "torch" if variant.startswith("torch") else "tensorflow"
            one = ("--one", variant, name, "--images", str(images))
            values.append(common.run_worker(*one, *threads, KERAS_BACKEND=backend))
    medians = {variant: statistics.median(values) for variant, values in measured.items()}
    return {"network": name, "images": images, "medians": medians, "measured": measured} | machine


def table(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a table with medians, ratios, the share of the matrix multiplication speed, and geometric means."""
    rate = statistics.median(one["rate"] for one in found)
    rows = []
    for one in found:
        speeds = one["medians"]
        lineup, plain = speeds.get("lineup"), speeds.get("plain")
        torch = max((speeds[name] for name in ("torch_eager", "torch_compile") if name in speeds), default=None)
        rows.append(
            {"network": one["network"], "batch": common.fit_of(one["network"], EPOCHS).batch_size}
            | speeds
            | {
                "lineup/plain": lineup / plain if lineup and plain else None,
                "lineup/torch": lineup / torch if lineup and torch else None,
                "MFLOP an image": one["operations"] / 1e6,
                "share": lineup * one["operations"] / rate if lineup else None,
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
    """Parse the arguments, measure the variants in turn, save the results after each network, and print the table."""
    arguments = parse()
    if arguments.one:
        work(arguments)
        return
    found: list[dict[str, Any]] = []
    for name in arguments.networks:
        found.append(compare(name, arguments))
        print(name, {variant: round(speed) for variant, speed in found[-1]["medians"].items()}, flush=True)
        common.write_results(
            arguments.results or f"training-threads{arguments.threads}",
            common.dataset(),
            table(found),
            settings={"threads": arguments.threads, "repeats": arguments.repeats, "epochs": EPOCHS},
            measured=found,
        )
    common.print_table(table(found))


def parse() -> argparse.Namespace:
    """Parse and check the arguments."""
    has_torch = importlib.util.find_spec("torch") is not None
    variants = ("plain", "lineup", *(("torch_eager", "torch_compile") if has_torch else ()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    parser.add_argument("--repeats", type=int, default=3, help="number of repetitions; default: 3")
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="networks to train; default: all"
    )
    parser.add_argument(
        "--variants", nargs="+", choices=variants, default=variants, help="variants to measure; default: all"
    )
    parser.add_argument(
        "--images", type=int, help=f"of an epoch; default: {IMAGES:,}, and {5 * IMAGES:,} if they are light"
    )
    parser.add_argument("--results", metavar="NAME", help="name of the JSON file; default: training-threads<n>")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "NETWORK"), help="measure one variant in this process")
    arguments = parser.parse_args()
    if arguments.images is not None and (arguments.images % EACH or arguments.images <= 0):
        parser.error(f"--images {arguments.images}: expected a multiple of {EACH}, so that all batches are whole")
    return arguments


if __name__ == "__main__":
    main()
