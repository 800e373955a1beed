"""Find the trainer of an architecture's family.

The modules are imported by name, without an import statement, so that a trainer's code is not part of the hash of
another family's code.
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
        Called with architecture, recipe, `lineup.training.fitted.TrainingData`, a function that is called after each
        epoch, and a `lineup.training.backup.Backup`. Returns `lineup.training.fitted.Fitted`.
    libraries : callable
        Returns the versions of the libraries that compute the models, by name.
    """

    fit: Callable[..., Fitted]
    libraries: Callable[[], dict[str, str]]


def trainer_of(entry: Architecture) -> Trainer:
    """Return the trainer of an architecture's family."""
    module = importlib.import_module(f"lineup.training.{FAMILIES[entry.family].trainer}")
    return Trainer(module.fit_model, module.libraries)
