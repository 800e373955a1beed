"""Find the training of an architecture's family.

The modules are imported by name, not by an import statement: the code of one trainer is no part of what another one
runs, and `lineup.code` does not count it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineup.models.registry import FAMILIES, Architecture

if TYPE_CHECKING:
    from lineup.training.fitted import Fitted


@dataclass(frozen=True)
class Trainer:
    """How the models of a family are trained.

    Parameters
    ----------
    fit : callable
        Called with architecture, recipe, `lineup.training.fitted.TrainingData`, a listener of epochs and a
        `lineup.training.backup.Backup`.
    libraries : callable
        Returns the versions of the libraries that it computes with, by name.
    """

    fit: Callable[..., Fitted]
    libraries: Callable[[], dict[str, str]]


def trainer_of(entry: Architecture) -> Trainer:
    """Return the trainer of an architecture's family."""
    module = importlib.import_module(f"lineup.training.{FAMILIES[entry.family].trainer}")
    return Trainer(module.fit_model, module.libraries)
