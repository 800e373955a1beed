"""Save backups, so that interrupted training can resume from the last saved epoch.

Examples
--------
>>> backup = Backup(None)  # without a folder, nothing is saved
>>> backup.restore("classifier", FitState([], np.random.default_rng(1), []))
"""

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
from lineup.records.history import Epoch

if TYPE_CHECKING:
    import keras

LIMIT = 2 * 2**30


@dataclass
class FitState:
    """The state of a fit after an epoch.

    Parameters
    ----------
    history : list of Epoch
        The finished epochs.
    random : numpy.random.Generator
        Generates the order of the images.
    variables : list of keras.Variable
        Weights, statistics, the seeds of dropout and the moments of the optimiser.
    kept : list of ndarray
        Weights that replace the weights of the last epoch at the end of training, or the weights of all snapshots, one
        snapshot after another. Default none.
    """

    history: list[Epoch]
    random: np.random.Generator
    variables: list[keras.Variable]
    kept: list[np.ndarray] = field(default_factory=list)


class Backup:
    """Write and read the backups of a training run.

    Each phase of the training has one backup file. All backups are removed when the record is written.

    Parameters
    ----------
    folder : Path or None
        Folder of the backups. Its name identifies the training run, so all files in the folder belong to this run. If
        None, no backups are written.
    every_seconds : float
        Minimum time before the first backup and between two backups, in seconds. Backups are written at the end of an
        epoch. Default 30, so that a quick training writes no backup.
    """

    def __init__(self, folder: Path | None, every_seconds: float = 30.0) -> None:
        self._folder, self._every = folder, every_seconds
        self._last = time.monotonic()
        self.restored = False
        """Whether the training has resumed from a backup."""

    def restore(self, phase: str, state: FitState) -> None:
        """Restore the state of a phase if a backup of the phase exists."""
        if self._folder is None or not (path := self._folder / f"{phase}.npz").is_file():
            return
        self.restored = True
        arrays = read_npz(path, max_bytes=LIMIT)
        content = json.loads(arrays["state"].tobytes())
        state.history[:] = [Epoch(**row) for row in content["history"]]
        state.random.bit_generator.state = content["random"]
        for number, variable in enumerate(state.variables):
            variable.assign(arrays[f"variable_{number}"])
        state.kept = [arrays[f"kept_{number}"] for number in range(content["kept"])]

    def save(self, phase: str, state: FitState) -> None:
        """Write a backup if enough time has passed since the last backup.

        If the backup cannot be written, a warning is printed and training continues.
        """
        if self._folder is None or time.monotonic() - self._last < self._every:
            return
        content: dict[str, Any] = {
            "history": [dataclasses.asdict(row) for row in state.history],
            "random": state.random.bit_generator.state,
            "kept": len(state.kept),
        }
        arrays = {"state": np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)}
        arrays |= {f"variable_{number}": np.asarray(value) for number, value in enumerate(state.variables)}
        arrays |= {f"kept_{number}": value for number, value in enumerate(state.kept)}
        try:
            write_npz(self._folder / f"{phase}.npz", arrays)
        except OSError as error:
            reason = shortened(f"{error.filename}: {error.strerror}")
            print(f"warning: no backup ({reason}); training continues", file=sys.stderr, flush=True)
        self._last = time.monotonic()

    def remove(self) -> None:
        """Remove the backups after the training has finished."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
