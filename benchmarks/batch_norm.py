"""Measure batch normalisation in training: the layer of Keras, and the fused operation that lineup uses.

The table shows the CPU time of a forward and a backward pass with one thread, as the median of several calls.

    python benchmarks/batch_norm.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext
from typing import Any

import common
import numpy as np

from lineup.cli.libraries import import_keras
from lineup.training.batch_norm import fused_batch_norm
from lineup.training.devices import prepare

SHAPES = ((256, 28, 28, 48), (256, 14, 14, 96), (64, 26, 32), (128, 128))
"""Shapes of the inputs: two feature maps of images, the features of rows of pixels, and a dense layer."""
TYPES = ("float32", "bfloat16")
REPEATS = 7


def milliseconds(shape: tuple[int, ...], kind: str, *, fused: bool) -> float:
    """Return the CPU time of a forward and a backward pass in milliseconds."""
    import keras
    import tensorflow as tf

    layer = keras.layers.BatchNormalization(dtype="mixed_bfloat16" if kind == "bfloat16" else kind)
    layer.build(shape)
    inputs = tf.cast(np.random.default_rng(1).normal(size=shape), kind)

    def both_passes(values: Any) -> Any:
        with tf.GradientTape() as tape, fused_batch_norm() if fused else nullcontext():
            tape.watch(values)
            outputs = layer(values, training=True)
        return tape.gradient(outputs, values)

    run = tf.function(both_passes)
    run(inputs)
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        run(inputs)
        seconds.append(time.process_time() - started)
    return 1000 * statistics.median(seconds)


def main() -> None:
    """Measure each shape and type, save the results, and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    import_keras()
    prepare("network", threads=1, seed=1)
    rows = []
    for shape in SHAPES:
        for kind in TYPES:
            plain, fused = (milliseconds(shape, kind, fused=choice) for choice in (False, True))
            row = {"inputs": " x ".join(map(str, shape)), "type": kind, "Keras, ms": plain, "fused, ms": fused}
            rows.append(row | {"ratio": plain / fused})
    common.write_results("batch_norm", None, rows, settings={"threads": 1})
    common.print_table(rows)


if __name__ == "__main__":
    main()
