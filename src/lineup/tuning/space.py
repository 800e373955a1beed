"""Choose the settings of a trial from a search space.

Examples
--------
>>> with_settings({"epochs": 3, "options": {"dropout": 0.5}}, {"epochs": 5, "options.dropout": 0.2})
{'epochs': 5, 'options': {'dropout': 0.2}}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lineup.errors import LineupError
from lineup.models.registry import architecture
from lineup.tuning.settings import Range, Space

if TYPE_CHECKING:
    from optuna import Trial

    from lineup.models.settings import AnyRecipe

Values = Mapping[str, Any]
"""Settings of a trial, by key, such as ``options.dropout``."""


def space_of(recipe: AnyRecipe, space: Space) -> Space:
    """Remove options from a search space if the architecture of the model does not have them.

    Raises
    ------
    LineupError
        If the search space is empty.
    """
    entry = architecture(recipe.family, recipe.architecture)
    found = {
        key: values
        for key, values in space.items()
        if not key.startswith("options.") or key.removeprefix("options.") in entry.options
    }
    if not found:
        raise LineupError(
            f"{entry.name}: the search space is empty; set tuning.spaces.{entry.family} in params.yaml; this"
            f" architecture has {'the options ' + ', '.join(entry.options) if entry.options else 'no options'}"
        )
    return found


def current_settings(recipe: AnyRecipe, space: Space) -> dict[str, Any]:
    """Return the current value of each setting in the search space.

    If ``params.yaml`` does not contain an option or a nested setting, it is omitted, because its default value is not
    known.
    """
    settings = dataclasses.asdict(recipe)
    found = {}
    for key, values in space.items():
        group, dot, name = key.partition(".")
        holder = (settings[group] or {}) if dot else settings
        value = holder.get(name if dot else group)
        if _contains(values, value):
            found[key] = value
    return found


def _contains(values: Range | list[Any], value: Any) -> bool:
    if isinstance(values, Range):
        return isinstance(value, (int, float)) and values.low <= value <= values.high
    return value in values


def suggest_settings(trial: Trial, space: Space) -> dict[str, Any]:
    """Let Optuna choose a value for each setting of a search space. See `rounded`."""
    for key, values in space.items():
        if not isinstance(values, Range):
            trial.suggest_categorical(key, values)
        elif isinstance(values.low, int) and isinstance(values.high, int):
            trial.suggest_int(key, values.low, values.high, log=values.log)
        else:
            trial.suggest_float(key, values.low, values.high, log=values.log)
    return rounded(trial.params)


def rounded(values: Values) -> dict[str, Any]:
    """Round all floats to four significant digits. A trial then uses the same values as ``params.yaml``.

    Examples
    --------
    >>> rounded({"learning_rate": 0.00123456789, "batch_size": 64})
    {'learning_rate': 0.001235, 'batch_size': 64}
    """
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in values.items()}


def to_words(values: Values) -> str:
    """Return settings as one string, such as ``learning_rate 0.001, batch_size 32``."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def with_settings(settings: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Return a copy of the settings with new values. A key such as ``options.dropout`` names a nested value."""
    found = dict(settings)
    for key, value in values.items():
        group, dot, name = key.partition(".")
        if dot:
            found[group] = {**(found.get(group) or {}), name: value}
        else:
            found[key] = value
    return found
