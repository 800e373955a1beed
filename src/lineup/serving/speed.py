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
from lineup.records.header import Device
from lineup.records.record import MODEL, Record
from lineup.serving.predictor import Predictor, load_predictor

if TYPE_CHECKING:
    from lineup.models.layers import Shape

IMAGES, PIXELS = 1000, 20_000_000
"""Largest number of images per call, and of pixels in all of them, which limits the memory."""

_CALLS, _ENOUGH, _FIRST = 5, 2.0, 8
"""Largest number of measured calls, seconds after which no further call starts, and images of the first call."""

_FINE = 1e-4
"""The processor time is only used if the resolution of its clock is at most this number of seconds."""


def prepare_device(records: Sequence[Record], threads: int) -> Device:
    """Set the number of threads of TensorFlow and scikit-learn, and return the device that computes the predictions.

    Call this function before the first prediction. After a prediction, the number of TensorFlow threads cannot be
    changed.

    Parameters
    ----------
    records : sequence of Record
        Records of models, at least one.
    threads : int
        Number of threads.
    """
    from lineup.training.devices import prepare

    kinds = dict.fromkeys(record.header.kind for record in records)
    devices = [prepare(kind, threads, seed=0).device for kind in kinds]
    return next((device for device in devices if device.kind == "gpu"), devices[0])


def prediction_times(records: Sequence[Record], device: Device, threads: int) -> Times:
    """Load the models of some records one after another, and measure their prediction times.

    Parameters
    ----------
    records : sequence of Record
        Records of models of the same data.
    device, threads
        See `prepare_device`.

    Raises
    ------
    LineupError
        If a record has no model, or the file of the model is damaged.
    """
    height, width, channels = records[0].header.data.shape
    shape, on_gpu = (height, width, channels), device.kind == "gpu"
    seconds = [
        seconds_per_thousand(load_predictor(record.folder / MODEL, shape), shape, on_gpu=on_gpu) for record in records
    ]
    return Times(f"{device.name}, {count(threads, 'thread')}", tuple(seconds))


def seconds_per_thousand(predict: Predictor, shape: Shape, *, on_gpu: bool = False) -> float:
    """Measure the prediction time per 1,000 images.

    Parameters
    ----------
    predict : callable
        See `lineup.serving.predictor.load_predictor`.
    shape : tuple of int
        Height, width and channels of the images.
    on_gpu : bool, optional
        Whether a GPU computes the predictions. Default False.

    Returns
    -------
    float
        The shortest time of five calls, or of fewer calls if the model is slow.

    Notes
    -----
    The images are random noise, so that no test image is used. The time hardly depends on the pixels.

    On a processor, the time of a call is the wall time or the processor time of all threads, whichever is shorter.
    Other programs increase the wall time, but hardly the processor time. On Windows, the resolution of the processor
    time is too low, so the wall time is used.
    """
    images = max(1, min(IMAGES, PIXELS // math.prod(shape)))
    stored = shape[:2] if shape[2] == 1 else shape
    noise = np.random.default_rng(0).integers(0, 256, (images, *stored), dtype=np.uint8)
    predict(noise[:_FIRST])  # the first call of a network takes longer
    coarse = time.get_clock_info("process_time").resolution > _FINE
    measured: list[float] = []
    while len(measured) < _CALLS and sum(measured) < _ENOUGH:
        wall, processor = time.perf_counter(), time.process_time()
        predict(noise)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        measured.append(wall if on_gpu or coarse else min(wall, processor))
    return min(measured) * 1000 / images
