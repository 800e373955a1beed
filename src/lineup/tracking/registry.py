"""Register the champion in the MLflow model registry.

Examples
--------
>>> f"models:/{experiment_name('synthetic')}@{CHAMPION}"  # address of the champion in MLflow
'models:/lineup-synthetic@champion'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lineup.committee.champion import Champion
from lineup.errors import LineupError
from lineup.tracking.artifacts import logged_model
from lineup.tracking.contents import KEY
from lineup.tracking.runs import find_runs
from lineup.tracking.store import experiment_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

CHAMPION, PREVIOUS = "champion", "previous"


def register_champion(client: MlflowClient, champion: Champion, *, log: Callable[[str], None]) -> None:
    """Register the champion's model under the alias ``champion``.

    The former champion gets the alias ``previous``.

    Parameters
    ----------
    client : MlflowClient
    champion : Champion
        The champion, whose run has been published. Each dataset has its own registered model.
    log : callable
        Called with one line if the alias changes.

    Raises
    ------
    LineupError
        If the champion has no run, or its run has no model.
    """
    run = next(iter(find_runs(client, KEY, champion.key)), None)
    model = logged_model(client, run) if run else None
    if run is None or model is None:
        raise LineupError(f"champion {champion.name}: no run with a model in MLflow; run dvc repro")
    name = experiment_name(run.data.tags["data"])
    version = _version_of(client, name, model) or _register(client, name, run, model)
    former = _alias(client, name, CHAMPION)
    if former == version:
        return
    if former is not None:
        client.set_registered_model_alias(name, PREVIOUS, former)
    client.set_registered_model_alias(name, CHAMPION, version)
    for key, value in (("test_accuracy", champion.test_accuracy), ("val_accuracy", champion.val_accuracy)):
        client.set_model_version_tag(name, version, key, f"{value:.4f}")
    log(f"champion: {champion.name}, version {version} of the registered model {name}")


def _version_of(client: MlflowClient, name: str, model: LoggedModel) -> str | None:
    """Return the version of a model in the registry, or None if the model is not registered."""
    found = client.search_model_versions(f"name = '{name}' and run_id = '{model.source_run_id}'")
    return next((str(version.version) for version in found if version.source == model.artifact_location), None)


def _register(client: MlflowClient, name: str, run: Run, model: LoggedModel) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name, description="Champions of lineup, chosen on validation images only.")
    description = f"{run.info.run_name}: class probabilities of uint8 images"
    version = client.create_model_version(
        name, model.artifact_location, run.info.run_id, description=description, model_id=model.model_id
    )
    return str(version.version)


def _alias(client: MlflowClient, name: str, alias: str) -> str | None:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException:
        return None
