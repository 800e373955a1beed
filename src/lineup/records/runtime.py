"""Define the content of ``runtime.json``: the times, the memory use and the machine of a run.

Examples
--------
>>> runtime_of("3f0c", now(), {"classifier": 2.5}, images_per_second=None, commit="unknown").training_seconds
2.5
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from pydantic import FiniteFloat
from pydantic.dataclasses import dataclass as checked_dataclass

from lineup.records.header import STRICT, Count
from lineup.records.machine import Machine, peak_memory_bytes, this_machine


@checked_dataclass(frozen=True, config=STRICT)
class Runtime:
    """``runtime.json``.

    Parameters
    ----------
    attempt : str
        Random name of this training run. It is used to find the MLflow run that was created during training.
    started, ended : int
        Start and end in milliseconds since 1970.
    training_seconds : float
        Wall time of training, including validation after each epoch. For a committee, of fitting and combining.
    phase_seconds : dict
        Wall time of each phase, in seconds.
    images_per_second : float or None
        Training images per second in the last phase; None for a committee.
    peak_memory_bytes : int
        Peak memory of the process.
    machine : Machine
    git_commit : str
        Commit of the checkout, with ``-dirty`` if its source has changes; see `lineup.records.machine.git_commit`.
    energy_joules : dict
        Energy of the parts ``cpu`` and ``gpu`` during the training; see `lineup.records.energy`. Default: unknown.
    nondeterminism : str or None
        Why a second training run with the same settings on the same machine can give slightly different weights.
        Default None: its weights are bit-identical, or an older version of lineup wrote the record.
    """

    attempt: str
    started: Count
    ended: Count
    training_seconds: FiniteFloat
    phase_seconds: dict[str, FiniteFloat]
    images_per_second: FiniteFloat | None
    peak_memory_bytes: Count
    machine: Machine
    git_commit: str
    energy_joules: dict[str, FiniteFloat] = dataclasses.field(default_factory=dict)
    nondeterminism: str | None = None


def runtime_of(
    attempt: str,
    started: int,
    phase_seconds: Mapping[str, float],
    *,
    images_per_second: float | None,
    commit: str,
    energy_joules: Mapping[str, float] | None = None,
    nondeterminism: str | None = None,
) -> Runtime:
    """Describe the times, the memory use and the machine of a run that has just ended.

    Parameters
    ----------
    attempt : str
        Random name of the training.
    started : int
        Milliseconds since 1970.
    phase_seconds : mapping of str to float
        Wall time of each phase.
    images_per_second : float or None
        See `Runtime`.
    commit : str
        Result of `lineup.records.machine.source_commit` at the start: the source may have changed since.
    energy_joules : mapping of str to float, optional
        See `Runtime`. Default: unknown.
    nondeterminism : str, optional
        See `Runtime`. Default: none.
    """
    return Runtime(
        attempt=attempt,
        started=started,
        ended=now(),
        training_seconds=sum(phase_seconds.values()),
        phase_seconds=dict(phase_seconds),
        images_per_second=images_per_second,
        peak_memory_bytes=peak_memory_bytes(),
        machine=this_machine(),
        git_commit=commit,
        energy_joules=dict(energy_joules or {}),
        nondeterminism=nondeterminism,
    )


def now() -> int:
    """Return the current time in milliseconds since 1970. MLflow uses the same unit."""
    return time.time_ns() // 1_000_000
