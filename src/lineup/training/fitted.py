"""What a trainer is given and returns. No code of one trainer, so that the others do not depend on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from lineup.records.record import Epoch, Weights

OnEpoch = Callable[[Epoch], None]


class Model(Protocol):
    """What a family trains: something that answers for raw images and can be saved."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return float32 probabilities (n, k) of raw uint8 images (n, 28, 28)."""

    def save(self, folder: Path) -> None:
        """Write what `lineup.serving.predictor.load_predictor` loads, into an existing folder."""

    @property
    def weights(self) -> Weights:
        """Its number of parameters and a hash of their values."""


@dataclass(frozen=True)
class TrainingData:
    """Inputs and targets of one fit.

    Parameters
    ----------
    images, val_images : ndarray of shape (n, ...)
        Network inputs: raw uint8 images, or codes of an encoder.
    labels, val_labels : ndarray of shape (n,) or, for reconstruction, (n, 28, 28)
        Class numbers, or the raw image to reconstruct.
    """

    images: np.ndarray
    labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """What a family's ``fit_model`` returns.

    Parameters
    ----------
    model : Model
        Raw uint8 images (n, 28, 28) to class probabilities (n, k).
    history : list of Epoch
        All phases, in order; empty if nothing was trained in epochs.
    phase_seconds : dict of str to float
        Wall time of each phase.
    arrays : dict of str to ndarray
        What figures need beside the record, such as reconstructions. Default none.
    """

    model: Model
    history: list[Epoch]
    phase_seconds: dict[str, float]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
