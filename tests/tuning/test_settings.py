"""The section `tuning` of `params.yaml`, and the search space of a model."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lineup.errors import LineupError
from lineup.models.settings import ClassicalRecipe, NetworkRecipe
from lineup.schema import validated
from lineup.tuning.settings import Range, Space, Tuning
from lineup.tuning.space import current_settings, space_of, with_settings

KNN = ClassicalRecipe(family="classical", architecture="knn", validation=0.2)
CNN = NetworkRecipe(
    family="cnn", architecture="deeper_cnn", validation=0.2, epochs=2, batch_size=48, learning_rate=0.001
)


def checked(values: dict[str, Any]) -> Tuning:
    found: Tuning = validated(values, Tuning, strict=True)
    return found


def test_a_space_of_the_user_replaces_the_default() -> None:
    tuning = checked({"spaces": {"cnn": {"batch_size": [8, 16], "augment.shift": {"low": 0, "high": 2}}}})
    assert tuning.space("cnn") == {"batch_size": [8, 16], "augment.shift": Range(0, 2)}
    assert tuning.space("dense") == Tuning().space("dense")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learning_rat": [0.1, 0.2]}, "setting = 'learning_rat': did you mean 'learning_rate'"),
        ({"validation": [0.1, 0.2]}, "validation"),
        ({"options.trees": [1, 2]}, "options.trees"),
        ({"batch_size": [32]}, "at least 2"),
        ({"l2": {"low": 0.1, "high": 0.1}}, "expected less than high"),
        ({"l2": {"low": 0.0, "high": 0.1, "log": True}}, "above 0 for a logarithmic scale"),
        ({}, "at least 1"),
    ],
    ids=str,
)
def test_a_wrong_space_is_refused(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        checked({"spaces": {"cnn": space}})


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValidationError, match="family = 'cnns'"):
        checked({"spaces": {"cnns": {"l2": [0.0, 0.1]}}})


def test_options_of_other_architectures_are_ignored() -> None:
    assert list(space_of(KNN, Tuning().space("classical"))) == ["options.neighbours"]
    with pytest.raises(LineupError, match=r"^knn: the search space is empty; set .* has the options neighbours$"):
        space_of(KNN, {"options.trees": Range(1, 2)})


def test_the_present_settings_inside_of_the_space() -> None:
    space: Space = {"batch_size": [32, 64], "learning_rate": Range(0.0001, 0.01), "options.dropout": Range(0.0, 0.5)}
    assert current_settings(CNN, space) == {"learning_rate": 0.001}  # 48 is no choice, and the dropout is not set


def test_nested_settings_are_merged() -> None:
    assert with_settings({"augment": None}, {"augment.shift": 2}) == {"augment": {"shift": 2}}
