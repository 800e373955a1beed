"""Find missing artifacts of published runs. Each published run contains a list of its artifacts and their sizes.

Examples
--------
>>> f"runs:/RUN_ID/{LISTING}"  # address of the list in MLflow
'runs:/RUN_ID/artifacts.json'
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.errors import LineupError
from lineup.schema import read_checked
from lineup.tracking.address import prepare_environment, store_file
from lineup.tracking.errors import store_errors
from lineup.tracking.groups import GROUP
from lineup.tracking.listing import files_in
from lineup.tracking.locations import EXPERIMENT_PREFIX, former_folders, local_folder
from lineup.tracking.runs import DIGEST

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import FileInfo, LoggedModel, Run

LISTING = "artifacts.json"
"""The artifact with the list of the other artifacts and the files of the model, with their sizes in bytes."""

Listing = dict[str, dict[str, int | None]]


def logged_model(client: MlflowClient, run: Run) -> LoggedModel | None:
    """Return the last model that was logged in a run.

    If the run has no model or the model was deleted, return None.
    """
    from mlflow.exceptions import MlflowException

    for output in reversed(run.outputs.model_outputs if run.outputs else []):
        with suppress(MlflowException):
            return client.get_logged_model(output.model_id)
    return None


def local_folders(run: Run, model: LoggedModel | None) -> list[Path]:
    """Return the local folders that contain the artifacts and the model of a run."""
    locations = [run.info.artifact_uri, *([model.artifact_location] if model else [])]
    return [folder for location in locations if (folder := local_folder(location))]


def list_artifacts(client: MlflowClient, run: Run, model: LoggedModel | None) -> Listing:
    """List the artifacts of a run and the files of its model, with their sizes.

    If the artifacts are in a folder on this machine, the list contains all files. On remote storage, only the top level
    is listed, because each folder requires a separate request.
    """
    folder = local_folder(run.info.artifact_uri)
    found = files_in(folder) if folder else _sizes(client.list_artifacts(run.info.run_id))
    if model is None:
        return {"run": found, "model": {}}
    folder = local_folder(model.artifact_location)
    in_model = files_in(folder) if folder else _sizes(client.list_logged_model_artifacts(model.model_id))
    return {"run": found, "model": in_model}


def log_listing(client: MlflowClient, run: Run, model: LoggedModel | None) -> None:
    """Log the list of all artifacts of a run. Call this function after all artifacts have been logged."""
    listing = list_artifacts(client, run, model)
    listing["run"].pop(LISTING, None)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, LISTING)
        path.write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
        client.log_artifact(run.info.run_id, str(path))


def lacks_artifacts(client: MlflowClient, run: Run, model: LoggedModel | None) -> bool:
    """Return whether any artifact or model file of a published run is missing or has the wrong size."""
    found = list_artifacts(client, run, model)
    if LISTING not in found["run"]:
        return True
    with tempfile.TemporaryDirectory() as temporary:
        folder = local_folder(run.info.artifact_uri)
        path = folder / LISTING if folder else client.download_artifacts(run.info.run_id, LISTING, temporary)
        try:
            listed = read_checked(Path(path), Listing)
        except LineupError:
            return True
    return any(not sizes.items() <= found.get(part, {}).items() for part, sizes in listed.items())


def describe_missing_artifacts(root: Path) -> str:
    """Return a short description of the missing artifacts in an SQLite store.

    If no artifacts are missing, the description is empty. The description is also empty for a store on a server,
    because a check would require many requests.

    Parameters
    ----------
    root : Path
        Project folder.

    Raises
    ------
    LineupError
        If the store cannot be read.
    """
    uri = prepare_environment(root)
    database = store_file(uri)
    if database is None:
        return ""
    with store_errors(root):
        import mlflow

        client = mlflow.MlflowClient(uri)
        former = former_folders(client, database)
        if former:
            return f"its artifacts are in another folder ({', '.join(map(str, former))})"
        found = [item.experiment_id for item in client.search_experiments() if item.name.startswith(EXPERIMENT_PREFIX)]
        runs = client.search_runs(found, "attributes.status = 'FINISHED'") if found else []
        published = [run for run in runs if DIGEST in run.data.tags and GROUP not in run.data.tags]
        lost = sum(lacks_artifacts(client, run, logged_model(client, run)) for run in published)
    return f"{lost} of {len(published)} published runs lack artifacts" if lost else ""


def _sizes(items: Iterable[FileInfo]) -> dict[str, int | None]:
    return {item.path: item.file_size for item in items}
