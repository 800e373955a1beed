"""Set the number of threads and the random seeds, and detect the training device.

Examples
--------
>>> with quiet_stderr():
...     _ = os.write(2, b"not shown")
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lineup.records.header import Device
from lineup.records.machine import bfloat16_instructions, known, this_machine


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard all output to standard error, including the output of C++ code.

    TensorFlow writes messages to standard error when it is imported, even if ``TF_CPP_MIN_LOG_LEVEL`` is 3.
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
    """Computing environment of a training run.

    Parameters
    ----------
    device : Device
        The first GPU, or the processor.
    onednn : bool
        Whether TensorFlow can use oneDNN, which changes the order of sums.
    bfloat16 : bool
        Whether the device has instructions for bfloat16.
    """

    device: Device
    onednn: bool
    bfloat16: bool

    @property
    def nondeterminism(self) -> str | None:
        """Return why a second training run can give slightly different weights, or None if it cannot."""
        if self.device.kind == "cpu":
            return None
        return "XLA measures which algorithms of the GPU are the fastest, so that two runs can use different algorithms"


def prepare(kind: str, threads: int, seed: int) -> Environment:
    """Set the number of threads and the random seeds of this process.

    Parameters
    ----------
    kind : str
        ``network`` or ``classical``. TensorFlow is only imported for networks. After its first operation in a process,
        its number of threads cannot be changed.
    threads : int
        Number of threads of scikit-learn, or of TensorFlow within one operation and between operations.
    seed : int
        Seed of Python, NumPy and Keras.
    """
    cpu = Device("cpu", this_machine().cpu_model)
    if kind == "classical":
        _prepare_sklearn(threads, seed)
        return Environment(cpu, onednn=False, bfloat16=False)
    gpus = _prepare_tensorflow(threads, seed)
    if not gpus:
        return Environment(cpu, onednn_enabled(), bfloat16=bool(bfloat16_instructions()))

    import tensorflow as tf

    details: dict[str, Any] = known(lambda: tf.config.experimental.get_device_details(gpus[0]), {})
    gpu = Device("gpu", known(lambda: str(details["device_name"]), "GPU"))
    # NVIDIA's GPUs support bfloat16 from compute capability 8.0.
    return Environment(gpu, onednn_enabled(), bfloat16=details.get("compute_capability", (0, 0)) >= (8, 0))


def _prepare_sklearn(threads: int, seed: int) -> None:
    """Limit the threads of BLAS, OpenMP and joblib, and set the random seed of NumPy."""
    import joblib
    import sklearn.ensemble  # loads OpenMP, which is necessary before its threads can be limited
    import sklearn.neighbors  # noqa: F401
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads)
    joblib.parallel_config(n_jobs=threads)
    np.random.seed(seed)


def _prepare_tensorflow(threads: int, seed: int) -> list[Any]:
    """Import and configure TensorFlow, and return the available GPUs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        import keras
        import tensorflow as tf

        gpus: list[Any] = tf.config.list_physical_devices("GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in gpus:
        # Otherwise, one process allocates all memory, and a second process on the same GPU fails.
        tf.config.experimental.set_memory_growth(gpu, True)
    # This resets the names of layers and frees the memory of an earlier training run.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return gpus


def uses_gpu() -> bool:
    """Return whether TensorFlow places the operations of this process on a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def onednn_enabled() -> bool:
    """Return whether TensorFlow can use oneDNN.

    By default, oneDNN is enabled. To disable oneDNN, set the environment variable ``TF_ENABLE_ONEDNN_OPTS`` to 0.
    """
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0"
