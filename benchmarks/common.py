"""What the benchmarks share: the data, the script that a user would write otherwise, and the result files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lineup.data.dataset import Dataset, load_dataset
from lineup.files import replacing_file
from lineup.models.registry import Architecture, architecture
from lineup.paths import find_project
from lineup.records.machine import this_machine

RESULTS = Path(__file__).parent / "results"
NETWORKS = {"shallow_nn": "dense", "basic_cnn": "cnn", "deeper_cnn": "cnn"}
VALIDATION = 0.2


def dataset() -> Dataset:
    """Return the dataset of this checkout, as ``lineup split`` wrote it."""
    return load_dataset(find_project().dataset)


def network_entry(name: str) -> Architecture:
    """Return one of the benchmarked networks from the registry."""
    return architecture(NETWORKS[name], name)


def plain_network(entry: Architecture, learning_rate: float = 0.001) -> Any:
    """Return a compiled network as a plain script builds it: scaled images in, no step of lineup's."""
    import keras

    network = keras.Sequential([keras.Input((28, 28, 1)), *entry.make({})])
    adam = keras.optimizers.Adam(learning_rate)
    network.compile(optimizer=adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def scaled(images: np.ndarray) -> np.ndarray:
    """Return uint8 images (n, 28, 28) as the plain script feeds them: float32 (n, 28, 28, 1) in [0, 1]."""
    return (images[..., None] / np.float32(255)).astype(np.float32)


def write_results(name: str, data: Dataset, rows: list[dict[str, Any]], settings: dict[str, Any]) -> None:
    """Write a result file with the machine and the data in it, and print the rows as a table."""
    import keras
    import tensorflow as tf

    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
    result = {
        "data": {"name": data.name, "generated": data.generated, "fingerprint": data.fingerprint},
        "machine": asdict(this_machine()),
        "versions": versions,
        "settings": settings,
        "rows": rows,
    }
    with replacing_file(RESULTS / f"{name}.json") as partial:
        partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for row in rows:
        cells = (f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values())
        print("| " + " | ".join(cells) + " |")
