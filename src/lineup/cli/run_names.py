"""Choose the names for MLflow runs of experiments outside the pipeline.

Examples
--------
>>> from contextlib import chdir
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> from lineup.params import load_params
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     params = load_params(Path("params.yaml"))
>>> changes(params, "basic_cnn", {"epochs": 3, "batch_size": 32, "seed": 1})
{'epochs': 3}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineup.params import Params
    from lineup.records.header import Header


def run_name(params: Params, header: Header) -> str:
    """Return the name of a run in MLflow.

    The name of an experiment contains the model and all settings that differ from ``params.yaml``, as in ``basic_cnn
    epochs=3 learning_rate=0.002``. The name of a pipeline run is the label of the record.
    """
    if header.experiment is None:
        return header.label
    different = changes(params, header.name, header.parameters)
    return " ".join([header.name, *(f"{name}={value}" for name, value in different.items())])


def changes(params: Params, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a training run with the model in ``params.yaml``, and return the parameters that differ.

    Parameters that do not come from the recipe are not compared. The result is empty for a committee, and for a model
    that ``params.yaml`` no longer contains.
    """
    from lineup.records.header import flatten

    recipe = params.models.get(name)
    if recipe is None:
        return {}
    values = flatten({**dataclasses.asdict(recipe), "seed": recipe.seed})
    return {key: value for key, value in parameters.items() if key in values and value != values[key]}
