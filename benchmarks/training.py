"""How fast a training is: lineup's, the script that a user would write otherwise, and the same network in PyTorch.

plain           ``Model.fit`` on float32 arrays, as a plain Keras script has it
lineup          what the pipeline runs
torch_eager     the same layers in PyTorch, as a good script has them
torch_compile   the same through ``torch.compile``

Same layers, initial weights, batch size, optimiser, number of updates and threads. Each measurement is a process of its
own, so that none warms up another; the variants take turns, ``--repeats`` times. A measurement is the images a second
of the epochs after the first, which traces or compiles; a row has the medians. `Model.fit` is timed from the begin to
the end of an epoch: its call as a whole also waits for its own threads, by 0.3 to 5 s whatever the network.

Beside it: the operations of a training step for each image, and lineup's share of the rate at which TensorFlow
multiplies matrices of 2048 by 2048 (8192 on a GPU), measured in turn with the others.

The PyTorch variants need the extra ``torch``; without it they are left out.

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
    """Return images a second of one variant, the mean of the epochs after the first."""
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
    """Return the seconds of each epoch of ``Model.fit``."""
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
    """Return the seconds of each epoch as a record's ``history.csv`` has them, validated on ten images."""
    prepare("network", threads, seed=1)
    from lineup.training.backup import Backup
    from lineup.training.fit import fit_network
    from lineup.training.fitted import TrainingData
    from lineup.training.loop import CLASSIFICATION, RECONSTRUCTION

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
    """Return the seconds of each epoch in PyTorch. Keras, which says what the layers are, runs on it, too."""
    import keras
    import torch
    from torch_training import epoch_seconds

    torch.set_num_threads(threads)
    keras.utils.set_random_seed(1)
    network, fit = common.plain_network(name), common.fit_of(name, EPOCHS)
    inputs = common.scaled(name, images)
    return epoch_seconds(network, inputs, labels, fit, reconstructs=common.reconstructs(name), compiled=compiled)


def measure_machine(name: str, threads: int) -> dict[str, Any]:
    """Return the rate of matrix products, the device, and the operations of a network's training step."""
    device = prepare("network", threads, seed=1).device
    return {
        "rate": matrix_rate(8192 if device.kind == "gpu" else 2048),
        "device": device.name,
        "operations": training_operations(common.plain_network(name)),
    }


def work(arguments: argparse.Namespace) -> None:
    """Measure one thing in this process and print it."""
    variant, name = arguments.one
    if variant == "machine":
        print(json.dumps(measure_machine(name, arguments.threads)))
    else:
        print(json.dumps(measure(variant, name, arguments.images, arguments.threads)))


def compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the variants of a network in turn and return medians, single measurements and what `table` needs."""
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
    """Return the rows to print: medians, ratios, share of the rate of matrix products, and the geometric means."""
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
    """Parse, measure in turn, write after each network, print."""
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
    """Return the arguments; one that cannot be is an error."""
    has_torch = importlib.util.find_spec("torch") is not None
    variants = ("plain", "lineup", *(("torch_eager", "torch_compile") if has_torch else ()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of one training; default: 1")
    parser.add_argument("--repeats", type=int, default=3, help="default: 3")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="default: all")
    parser.add_argument("--variants", nargs="+", choices=variants, default=variants, help="default: all")
    parser.add_argument(
        "--images", type=int, help=f"of an epoch; default: {IMAGES:,}, and {5 * IMAGES:,} if they are light"
    )
    parser.add_argument("--results", metavar="NAME", help="of the JSON file; default: training-threads<n>")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "NETWORK"), help="measure one thing in this process")
    arguments = parser.parse_args()
    if arguments.images is not None and (arguments.images % EACH or arguments.images <= 0):
        parser.error(f"--images {arguments.images}: expected a multiple of {EACH}, so that all batches are whole")
    return arguments


if __name__ == "__main__":
    main()
