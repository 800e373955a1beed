"""Measure the energy that the CPU and the GPU use during a training run.

On Linux, the energy counters of Intel and AMD processors are in ``/sys/class/powercap``. Usually, only root can read
these files. NVIDIA GPUs have an energy counter since Volta (``nvmlDeviceGetTotalEnergyConsumption``). Virtual machines
often have no counters. The counters also include the energy of other programs that use the CPU or the GPU at the same
time.

The public functions of this module never raise an error, because a missing measurement must not stop the training.

Examples
--------
>>> EnergyMeter(Path("no-such-folder")).joules()
{}
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lineup.records.machine import known

POWERCAP = Path("/sys/class/powercap")

_MOST_WATTS = 500.0
"""Upper limit of the power of a processor, in watts. The counters of processors restart at 0 after some minutes."""


@dataclass(frozen=True)
class _Counter:
    """One energy counter.

    Parameters
    ----------
    part : {"cpu", "gpu"}
    read : callable
        Function that returns the value of the counter in joules. It may raise any error.
    limit : float or None
        Value at which the counter restarts at 0, in joules. None if it never restarts.
    """

    part: str
    read: Callable[[], float]
    limit: float | None


class EnergyMeter:
    """Measure the energy that the CPU and the GPU use.

    The measurement starts when the object is created.

    Parameters
    ----------
    powercap : Path
        Folder of the counters of the processor. Default: that of Linux.
    gpu : bool
        Whether to count the energy of the first visible NVIDIA GPU. Default False.

    Notes
    -----
    Call `update` at least every few minutes. If a counter may have restarted more than once between two calls, its
    energy is unknown.
    """

    def __init__(self, powercap: Path = POWERCAP, *, gpu: bool = False) -> None:
        none: list[_Counter] = []
        counters = known(lambda: _processors(powercap), none) + (known(_gpus, none) if gpu else none)
        self._time = time.monotonic()
        self._used = dict.fromkeys(counters, 0.0)
        self._last = {counter: _value(counter) for counter in counters}

    def update(self) -> None:
        """Read the counters."""
        seconds = time.monotonic() - self._time
        self._time += seconds
        for counter, before in self._last.items():
            now = self._last[counter] = _value(counter)
            self._used[counter] += _difference(counter, before, now, seconds)

    def joules(self) -> dict[str, float]:
        """Return the energy of the parts ``cpu`` and ``gpu`` in joules. Parts with unknown energy are omitted."""
        self.update()
        found: dict[str, float] = {}
        for counter, used in self._used.items():
            found[counter.part] = found.get(counter.part, 0.0) + used
        return {part: energy for part, energy in found.items() if not math.isnan(energy)}


def _value(counter: _Counter) -> float:
    values = known(lambda: [counter.read()], [math.nan])  # a list, because 0 is a valid value
    return values[0]


def _difference(counter: _Counter, before: float, now: float, seconds: float) -> float:
    """Return the energy that was used between two readings of a counter, or NaN if the energy is unknown."""
    if counter.limit is None:
        return now - before
    if seconds * _MOST_WATTS >= counter.limit:
        return math.nan
    return (now - before) % counter.limit


def _processors(powercap: Path) -> list[_Counter]:
    """Return a counter for each CPU. Names such as ``intel-rapl:0:0`` belong to parts of a CPU."""
    folders = sorted(folder for folder in powercap.glob("intel-rapl:*") if folder.name.count(":") == 1)
    return [_processor(folder) for folder in folders if os.access(folder / "energy_uj", os.R_OK)]


def _processor(folder: Path) -> _Counter:
    limit = int((folder / "max_energy_range_uj").read_text()) / 1e6
    return _Counter("cpu", lambda: int((folder / "energy_uj").read_text()) / 1e6, limit)


def _gpus() -> list[_Counter]:
    """Return an energy counter for the first visible GPU. TensorFlow trains on this GPU."""
    import pynvml

    pynvml.nvmlInit()
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    handle = (
        pynvml.nvmlDeviceGetHandleByIndex(int(first))
        if first.isdecimal()
        else pynvml.nvmlDeviceGetHandleByUUID(first.encode())
    )
    return [_Counter("gpu", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, None)]
