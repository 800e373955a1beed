"""Define the command that searches for better settings of a model.

Examples
--------
>>> tune("basic_cnn", trials=0)
Traceback (most recent call last):
    ...
lineup.errors.LineupError: --trials 0: expected at least 1
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineup.cli.common import open_project
from lineup.errors import LineupError
from lineup.remedies import how_to_install

if TYPE_CHECKING:
    from lineup.models.settings import AnyRecipe
    from lineup.params import Params
    from lineup.paths import Project


class Metric(StrEnum):
    """Metric on the validation images."""

    accuracy = "accuracy"
    loss = "loss"


def tune(
    model: Annotated[str, typer.Argument(help="Name of a model in params.yaml.")],
    trials: Annotated[int, typer.Option(help="Total number of trials, including those of earlier calls.")] = 30,
    minutes: Annotated[
        float | None, typer.Option(help="Time in minutes after which no new trial starts. Default: no limit.")
    ] = None,
    metric: Annotated[Metric, typer.Option(help="Validation metric to optimise.")] = Metric.accuracy,
    new_seeds: Annotated[
        int, typer.Option(help="Number of new seeds for the comparison of the best and the current settings.")
    ] = 3,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Address of a database that several machines can use, such as postgresql://HOST/DATABASE. Default: a"
            " file in tuning/MODEL.",
            metavar="URL",
        ),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Add the best settings to params.yaml.")] = False,
) -> None:
    """Search for better settings of a model on the validation images. The test images are not used.

    Optuna chooses the settings of each trial (TPE sampler) and stops bad trials early (median pruner). The section
    tuning of params.yaml contains the search space of each family. If a search was interrupted, the next call continues
    the search. Several processes can run trials of the same study at the same time.

    The score of the best trial is too optimistic, because the trial was selected by its score. At the end, the command
    therefore trains the model again with new seeds. It uses both the best settings and the current settings, and
    compares the results. The results are in tuning/MODEL and in MLflow.
    """
    if trials < 1:
        raise LineupError(f"--trials {trials}: expected at least 1")
    if new_seeds < 0:
        raise LineupError(f"--new-seeds {new_seeds}: expected at least 0")
    if minutes is not None and minutes <= 0:
        raise LineupError(f"--minutes {minutes:g}: expected above 0")
    if find_spec("optuna") is None:
        raise LineupError(f"lineup tune requires Optuna, which is not installed; run {how_to_install('optuna')}")
    project, params = open_project()
    recipe = params.recipe(model)
    raw = _raw_settings(project, model)
    if write:
        _check_new_name(params, model)

    from lineup.cli.libraries import import_keras
    from lineup.data.dataset import load_dataset
    from lineup.models.settings import NetworkRecipe
    from lineup.tuning.page import PAGE
    from lineup.tuning.params_file import block
    from lineup.tuning.study import Budget
    from lineup.tuning.tune import Request, folder_of
    from lineup.tuning.tune import tune as run_study

    dataset = load_dataset(project.dataset)
    if isinstance(recipe, NetworkRecipe):
        import_keras()
    request = Request(model, metric.value, Budget(trials, minutes), new_seeds, storage, params.training.threads)
    make = partial(_changed, params, model)
    outcome = run_study(project.root, request, recipe, raw, make, params.tuning.space(recipe.family), dataset)
    print(f"models:\n{block(outcome.tuned, outcome.recipe)}", end="")
    if write:
        _write(project, model, outcome.tuned, outcome.recipe)
    print(f"page: {folder_of(project.root, model) / PAGE}")


def _raw_settings(project: Project, model: str) -> dict[str, Any]:
    """Return the settings of a model exactly as in ``params.yaml``. Default values are not added."""
    from lineup.schema import read_yaml

    settings: dict[str, Any] = read_yaml(project.params)["models"][model]
    return settings


def _changed(params: Params, model: str, values: Mapping[str, Any]) -> AnyRecipe:
    """Return the recipe of a model after some settings have been replaced."""
    import dataclasses

    from lineup.tuning.space import with_settings

    return params.recipe(model, **with_settings(dataclasses.asdict(params.models[model]), values))


def _check_new_name(params: Params, model: str) -> None:
    from lineup.tuning.tune import SUFFIX

    if (name := model + SUFFIX) in (*params.models, *params.committees):
        raise LineupError(f"--write: params.yaml already contains {name}; rename or remove it")


def _write(project: Project, model: str, name: str, recipe: Mapping[str, Any]) -> None:
    from lineup.params import load_params
    from lineup.tuning.params_file import add_model

    add_model(project.params, model, name, recipe, load_params)
    print(f"{name} added to {project.params}; run lineup repro to train it")
