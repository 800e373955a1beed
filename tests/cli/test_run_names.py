"""Names of runs in MLflow: the name of a single experiment contains the settings that differ from params.yaml."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lineup.cli.run_names import run_name
from lineup.params import Params, load_params
from tests.make_records import HEADER


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"epochs": 3, "learning_rate": 0.002}, "basic_cnn epochs=3 learning_rate=0.002"),
        ({"seed": 7}, "basic_cnn seed=7"),
        ({}, "basic_cnn"),
    ],
)
def test_a_single_experiment_is_named_after_its_changes(params: Params, changes: dict[str, Any], name: str) -> None:
    recipe = params.models["basic_cnn"]
    same = {key: getattr(recipe, key) for key in ("epochs", "batch_size", "learning_rate", "validation", "seed")}
    parameters = same | {"threads": 8, "optimizer": "adam"} | changes
    header = dataclasses.replace(HEADER, name="basic_cnn", parameters=parameters, experiment="1a2b3c4d")
    assert run_name(params, header) == name
    assert run_name(params, dataclasses.replace(header, experiment=None)) == "basic_cnn_seed1"


def test_an_unknown_model_and_a_committee_have_only_their_name(params: Params) -> None:
    for name in ("removed", "greedy"):
        header = dataclasses.replace(HEADER, name=name, experiment="1a2b3c4d", parameters={"epochs": 3})
        assert run_name(params, header) == name
