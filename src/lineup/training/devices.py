"""Prepare TensorFlow: quiet import, threads, memory, seeds; and say what device it computes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lineup.records.machine import known, this_machine
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


@dataclass(frozen=True)
class Environment:
    """What a training computes with, as its record says it.

    Parameters
    ----------
    device : Device
    onednn : bool
        Whether TensorFlow may use oneDNN, which reorders sums.
    """

    device: Device
    onednn: bool


def prepare(kind: str, threads: int, seed: int) -> Environment:
    """Prepare this process for a training: threads and seeds.

    Parameters
    ----------
    kind : str
        ``network`` or ``classical``. Only the first imports TensorFlow, and it must be called before the first
        TensorFlow operation of the process: threads cannot be changed after it.
    threads : int
        Of TensorFlow, inside one operation and between operations; or of scikit-learn.
    seed : int
        Seed of Python, NumPy and Keras.
    """
    cpu = Device("cpu", this_machine().cpu_model)
    if kind == "classical":
        _prepare_sklearn(threads, seed)
        return Environment(cpu, onednn=False)
    gpus = _prepare_tensorflow(threads, seed)
    if not gpus:
        return Environment(cpu, onednn_enabled())

    import tensorflow as tf

    name = known(lambda: str(tf.config.experimental.get_device_details(gpus[0])["device_name"]), "GPU")
    return Environment(Device("gpu", name), onednn_enabled())


def _prepare_sklearn(threads: int, seed: int) -> None:
    """Set the threads of everything that scikit-learn computes with: BLAS, OpenMP and joblib; and NumPy's seed."""
    import joblib
    import sklearn.ensemble  # loads OpenMP, whose threads can be limited only then
    import sklearn.neighbors  # noqa: F401
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads)
    joblib.parallel_config(n_jobs=threads)
    np.random.seed(seed)


def _prepare_tensorflow(threads: int, seed: int) -> list[Any]:
    """Import TensorFlow quietly, set threads, memory and seeds, and return the GPUs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        import keras
        import tensorflow as tf

        gpus: list[Any] = tf.config.list_physical_devices("GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in gpus:
        # Otherwise the first process takes the whole memory and a second training on the same GPU fails.
        tf.config.experimental.set_memory_growth(gpu, True)
    # Layers are named as in a new process, and the memory of an earlier training is free.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return gpus


def onednn_enabled() -> bool:
    """Return whether TensorFlow may use oneDNN: on unless ``TF_ENABLE_ONEDNN_OPTS`` is 0."""
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0"
