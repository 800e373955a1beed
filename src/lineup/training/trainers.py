"""Find the functions that train an architecture.

Trainers are imported with `importlib.import_module`. The code hash of a family therefore does not include the trainers
of other families.

Examples
--------
>>> from lineup.models.registry import architecture
>>> trainer_of(architecture("cnn", "basic_cnn")).fit.__module__
'lineup.training.classifier'
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
    """Functions that train the models of a family.

    Parameters
    ----------
    fit : callable
        Function of the architecture, the recipe, a `lineup.training.fitted.TrainingData`, a callback for each epoch,
        and a `lineup.training.backup.Backup`. Returns a `lineup.training.fitted.Fitted`.
    libraries : callable
        Function that returns the versions of the libraries that the models use, by name.
    """

    fit: Callable[..., Fitted]
    libraries: Callable[[], dict[str, str]]


def trainer_of(entry: Architecture) -> Trainer:
    """Return the trainer for the family of an architecture."""
    module = importlib.import_module(f"lineup.training.{FAMILIES[entry.family].trainer}")
    return Trainer(module.fit_model, module.libraries)
