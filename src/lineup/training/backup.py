"""Backups of a training on its way, so that an interrupted one goes on after its last saved epoch."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.errors import shortened
from lineup.npz import read_npz, write_npz
from lineup.records.record import Epoch

if TYPE_CHECKING:
    import keras

LIMIT = 2 * 2**30


@dataclass
class Progress:
    """Where a fit stands.

    Parameters
    ----------
    history : list of Epoch
        The epochs that are done.
    random : numpy.random.Generator
        Draws the order of the images.
    variables : list of keras.Variable
        Weights, statistics, dropout's seeds and the optimiser's moments.
    kept : list of ndarray
        Weights that the network gets in the end instead of the last ones. Default none.
    """

    history: list[Epoch]
    random: np.random.Generator
    variables: list[keras.Variable]
    kept: list[np.ndarray] = field(default_factory=list)


class Backup:
    """One file for each phase of a training, in a folder of its own that is removed when the record is written.

    Parameters
    ----------
    folder : Path or None
        Named after everything that the training depends on, so that what is found there belongs to it. None: no
        backups.
    every_seconds : float
        A backup is written after an epoch if the last one is older, or the training as old. Default 30: a quick
        training writes none.
    """

    def __init__(self, folder: Path | None, every_seconds: float = 30.0) -> None:
        self._folder, self._every = folder, every_seconds
        self._last = time.monotonic()

    def restore(self, phase: str, progress: Progress) -> None:
        """Bring a phase back to where its backup left it, if there is one."""
        if self._folder is None or not (path := self._folder / f"{phase}.npz").is_file():
            return
        arrays = read_npz(path, max_bytes=LIMIT)
        state = json.loads(arrays["state"].tobytes())
        progress.history[:] = [Epoch(**row) for row in state["history"]]
        progress.random.bit_generator.state = state["random"]
        for number, variable in enumerate(progress.variables):
            variable.assign(arrays[f"variable_{number}"])
        progress.kept = [arrays[f"kept_{number}"] for number in range(state["kept"])]

    def save(self, phase: str, progress: Progress) -> None:
        """Write a backup of a phase, if it is time for one; if it cannot be written, say so and go on."""
        if self._folder is None or time.monotonic() - self._last < self._every:
            return
        state: dict[str, Any] = {
            "history": [dataclasses.asdict(row) for row in progress.history],
            "random": progress.random.bit_generator.state,
            "kept": len(progress.kept),
        }
        arrays = {"state": np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)}
        arrays |= {f"variable_{number}": np.asarray(value) for number, value in enumerate(progress.variables)}
        arrays |= {f"kept_{number}": value for number, value in enumerate(progress.kept)}
        try:
            write_npz(self._folder / f"{phase}.npz", arrays)
        except OSError as error:
            reason = shortened(f"{error.filename}: {error.strerror}")
            print(f"warning: no backup ({reason}); training goes on", file=sys.stderr, flush=True)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Remove the backups: the training is done."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
