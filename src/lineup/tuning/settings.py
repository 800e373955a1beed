"""Define the section ``tuning`` of ``params.yaml``: the search space of each family.

Examples
--------
>>> Tuning().space("cnn")["learning_rate"]
Range(low=0.0003, high=0.01, log=True)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lineup.models.registry import FAMILIES, list_architectures
from lineup.models.settings import Augmentation, ClassicalRecipe, Fit, NetworkRecipe, Option
from lineup.settings import STRICT, unknown

_FIXED = ("family", "architecture", "validation", "seeds", "options", "augment", "pretrain", "finetune")
"""Settings that a trial does not change. Trials with different validation images could not be compared."""
_GROUPS = {"augment": Augmentation, "pretrain": Fit, "finetune": Fit}


@dataclass(frozen=True, config=STRICT)
class Range:
    """A range of numbers. If both limits of the range are integers, all values are integers.

    Parameters
    ----------
    low, high : int or float
        Smallest and largest value.
    log : bool
        Whether the values are distributed evenly on a logarithmic scale. Default False.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low}: expected less than high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low}: expected above 0 for a logarithmic scale")
        return self

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"


Choices = Annotated[list[Option | None], Field(min_length=2, max_length=100)]
Space = dict[str, Range | Choices]
"""Values to try, by the key of the setting, such as ``learning_rate`` or ``options.dropout``."""

_NETWORK: Space = {
    "learning_rate": Range(0.0003, 0.01, log=True),
    "batch_size": [32, 64, 128, 256],
    "schedule": ["constant", "cosine", "linear"],
    "weight_decay": [0.0, 0.0001, 0.001, 0.01],
    "label_smoothing": [0.0, 0.05, 0.1],
    "options.dropout": Range(0.0, 0.6),
}
_CLASSICAL: Space = {
    "options.c": Range(0.01, 100.0, log=True),
    "options.iterations": [200, 1000],
    "options.degree": [2, 3, 4],
    "options.trees": Range(50, 400),
    "options.neighbours": Range(1, 15),
    "options.units": [128, 256, 512],
    "options.epochs": [10, 20, 40],
    "options.learning_rate": Range(0.03, 0.3, log=True),
    "options.leaves": [15, 31, 63],
}
_DEFAULTS = {"network": _NETWORK, "classical": _CLASSICAL}
"""Search spaces by kind of model. Options that an architecture does not have are ignored."""


@dataclass(frozen=True, config=STRICT)
class Tuning:
    """Settings in the section ``tuning`` of ``params.yaml``.

    Parameters
    ----------
    spaces : dict of str to dict
        Search space of each family. Default: a space that depends on the kind of the family.
    """

    spaces: dict[str, Annotated[Space, Field(min_length=1)]] = dataclasses.field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Tuning:
        for family, space in self.spaces.items():
            if family not in FAMILIES:
                raise ValueError(f"spaces: {unknown('family', family, FAMILIES)}")
            known = list(_keys(family))
            for key in space:
                if key not in known:
                    raise ValueError(f"spaces.{family}: {unknown('setting', key, known)}")
        return self

    def space(self, family: str) -> Space:
        """Return the search space of a family."""
        return self.spaces.get(family) or _DEFAULTS[FAMILIES[family].kind]


def _keys(family: str) -> Iterator[str]:
    """Yield the names of all settings that a trial can change."""
    kind = NetworkRecipe if FAMILIES[family].kind == "network" else ClassicalRecipe
    names = [field.name for field in dataclasses.fields(kind)]
    yield from (name for name in names if name not in _FIXED)
    for group, settings in _GROUPS.items():
        if group in names:
            yield from (f"{group}.{field.name}" for field in dataclasses.fields(settings) if field.name != "augment")
    yield from dict.fromkeys(f"options.{option}" for entry in list_architectures(family) for option in entry.options)
