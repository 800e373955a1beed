"""Define, write and read ``history.csv``, which has one row per epoch.

Examples
--------
>>> row = Epoch("classifier", 1, 0.9, 0.7, 0.8, 0.7, 0.001, 2.5, 0)
>>> best_epoch([row, dataclasses.replace(row, epoch=2, val_loss=0.6), dataclasses.replace(row, epoch=3)])
2
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass as checked_dataclass

from lineup.errors import LineupError, shortened
from lineup.records.header import STRICT, Count, Header
from lineup.schema import checked
from lineup.tables import read_table, write_table

PHASES = {"autoencoder": "pretrain.", "classifier": "", "finetuning": "finetune."}
"""The training phases in order, with the prefix of their parameters."""


@checked_dataclass(frozen=True, config=STRICT)
class Epoch:
    """One row of ``history.csv``.

    Parameters
    ----------
    phase : str
        A key of `PHASES`. In the phase ``autoencoder`` the network reconstructs images.
    epoch : int
        Number of the epoch, from 1 in each phase.
    loss, val_loss : float
        Mean loss on the training images (during the epoch) and on the validation images (after it).
    accuracy, val_accuracy : float
        NaN in the phase ``autoencoder``.
    learning_rate : float
        Learning rate at the end of the epoch.
    seconds : float
        Wall time of the epoch with its validation.
    timestamp : int
        End of the epoch, in milliseconds since 1970.
    """

    phase: str
    epoch: Count
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float
    timestamp: Count


HISTORY_COLUMNS = [field.name for field in dataclasses.fields(Epoch)]


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the epoch with the lowest validation loss. If there are no epochs, return 0.

    Ties go to the first epoch. If training diverges, the loss is NaN, which counts as the highest loss.
    """
    losses = [math.inf if math.isnan(row.val_loss) else row.val_loss for row in history]
    return history[losses.index(min(losses))].epoch if losses else 0


def has_stopped(history: Sequence[Epoch], patience: int | None) -> bool:
    """Return whether to end a phase early. A phase ends early if the validation loss has not decreased for ``patience``
    epochs.
    """
    return patience is not None and len(history) - best_epoch(history) >= patience


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write ``history.csv``."""
    names = HISTORY_COLUMNS
    write_table(path, names, ([_cell(getattr(row, name)) for name in names] for row in history))


def read_history(path: Path, header: Header) -> list[Epoch]:
    """Read ``history.csv``, and check that the epochs match the parameters in the header of the record.

    Raises
    ------
    LineupError
        If the file is missing, damaged or incomplete, or belongs to a different training run.
    """
    # An empty cell is NaN: the phase does not have this value.
    rows = [[cell or math.nan for cell in row] for row in read_table(path, HISTORY_COLUMNS)]
    history: list[Epoch] = checked([dict(zip(HISTORY_COLUMNS, row, strict=True)) for row in rows], list[Epoch], path)
    if problem := _missing_epochs(header, history):
        raise LineupError(
            f"{path}: {problem}; the file is incomplete or belongs to a different training run; create the record again"
        )
    return history


def _missing_epochs(header: Header, history: Sequence[Epoch]) -> str | None:
    """Check that a history contains the expected epochs. If not, return an error message."""
    parameters = header.parameters if header.kind == "network" else {}
    expected = [phase for phase, section in PHASES.items() if f"{section}epochs" in parameters]
    phases = [(phase, list(rows)) for phase, rows in groupby(history, key=lambda row: row.phase)]
    if (found := [phase for phase, _ in phases]) != expected:
        return f"expected the phases {', '.join(expected) or 'none'}; found {shortened(', '.join(found)) or 'none'}"
    for phase, rows in phases:
        epochs, patience = (parameters.get(f"{PHASES[phase]}{name}") for name in ("epochs", "patience"))
        # With patience, the losses determine the epoch after which the phase stopped.
        whole = len(rows) == epochs
        if isinstance(epochs, int) and isinstance(patience, int):
            whole = whole or (len(rows) < epochs and has_stopped(rows, patience))
        if not whole or [row.epoch for row in rows] != list(range(1, len(rows) + 1)):
            return f"{phase}: expected epochs 1 to {shortened(epochs)}, found {len(rows)} rows"
    return None


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
