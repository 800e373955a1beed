"""Measure how long stored models take to predict.

Examples
--------
>>> seconds_per_thousand(lambda images: images.mean(axis=(1, 2)), (28, 28, 1)) < 1
True
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lineup.committee.cost import Times
from lineup.errors import count
from lineup.records.record import MODEL, Record
from lineup.serving.predictor import Predictor, load_predictor

if TYPE_CHECKING:
    from lineup.models.layers import Shape

IMAGES, PIXELS = 1000, 20_000_000
"""Largest number of images per call, and of all their pixels, which limits the memory."""

_CALLS, _ENOUGH, _FIRST = 5, 2.0, 10


def prediction_times(records: Sequence[Record], threads: int) -> Times:
    """Load the models of some records one after another, and measure how long each takes to predict.

    Parameters
    ----------
    records : sequence of Record
        Records of models of the same data.
    threads : int
        Number of threads of TensorFlow and of scikit-learn.

    Raises
    ------
    LineupError
        If a record has no model, or the file of the model is damaged.
    """
    from lineup.training.devices import prepare

    height, width, channels = records[0].header.data.shape
    devices = [prepare(kind, threads, seed=0).device for kind in dict.fromkeys(one.header.kind for one in records)]
    device = next((one for one in devices if one.kind == "gpu"), devices[0])
    shape = height, width, channels
    seconds = [seconds_per_thousand(load_predictor(one.folder / MODEL, shape), shape) for one in records]
    return Times(f"{device.name}, {count(threads, 'thread')}", tuple(seconds))


def seconds_per_thousand(predict: Predictor, shape: Shape) -> float:
    """Measure the prediction time per 1,000 images.

    Parameters
    ----------
    predict : callable
        See `lineup.serving.predictor.load_predictor`.
    shape : tuple of int
        Height, width and channels of the images.

    Returns
    -------
    float
        The shortest of five times, or of fewer if the model is slow. Other programs on the machine can make a
        prediction slower, but not faster.

    Notes
    -----
    The images are noise, so that no test image is involved. The time hardly depends on the pixels.
    """
    images = max(1, min(IMAGES, PIXELS // math.prod(shape)))
    stored = shape[:2] if shape[2] == 1 else shape
    noise = np.random.default_rng(0).integers(0, 256, (images, *stored), dtype=np.uint8)
    predict(noise[:_FIRST])  # the first call of a network takes longer
    measured: list[float] = []
    while len(measured) < _CALLS and sum(measured) < _ENOUGH:
        started = time.perf_counter()
        predict(noise)
        measured.append(time.perf_counter() - started)
    return min(measured) * 1000 / images
