"""Prepare TensorFlow: quiet import, threads, memory, seeds; and say what device it computes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lineup.records.record import Device


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere for a while.

    TensorFlow's C++ code greets on it at import, whatever ``TF_CPP_MIN_LOG_LEVEL`` says.
    """
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)


def prepare(threads: int, seed: int, cpu_model: str) -> Device:
    """Import TensorFlow, set its threads and all seeds, and return the device that it will use.

    It must be called before the first TensorFlow operation of the process: threads cannot be changed after it.

    Parameters
    ----------
    threads : int
        Threads inside one operation and between operations.
    seed : int
        Seed of Python, NumPy and Keras.
    cpu_model : str
        The name to give to the device if it is the CPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        import keras
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in gpus:
        # Otherwise the first process takes the whole memory and a second training on the same GPU fails.
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(seed)
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return Device("gpu", str(details.get("device_name", "GPU")))
    return Device("cpu", cpu_model)


def onednn_enabled() -> bool:
    """Return whether TensorFlow may use oneDNN, which reorders sums: on unless ``TF_ENABLE_ONEDNN_OPTS`` is 0."""
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0"
