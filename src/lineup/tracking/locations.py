"""Update the URIs of artifacts after a project has been moved or copied.

If the store is an SQLite file, the artifacts are in the folder ``mlartifacts`` next to the file. MLflow saves absolute
URIs, which still point to the old folder after a move. Without the update, MLflow would not find existing artifacts,
and would write new artifacts to the old folder.

Examples
--------
>>> artifact_location(Path("/project/mlflow.db"), "lineup-pets")
'file:///project/mlartifacts/lineup-pets'
>>> local_folder("https://example.org/artifacts") is None
True
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT_PREFIX = "lineup-"
ARTIFACTS = "mlartifacts"
COLUMNS = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""The tables and columns of the store that contain addresses of artifacts."""


def artifact_location(database: Path, experiment: str) -> str:
    """Return the URI of the artifact folder of an experiment."""
    return (database.parent / ARTIFACTS / experiment).as_uri()


def local_folder(location: str) -> Path | None:
    """Convert an artifact URI to a local folder. Return None for remote storage."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def former_folders(client: MlflowClient, database: Path) -> list[str]:
    """Return the old project folders to which the MLflow store still refers.

    Parameters
    ----------
    client : MlflowClient
        Client of the store.
    database : Path
        File of the store.
    """
    from mlflow.entities import ViewType

    here = database.parent.as_uri()
    former = set()
    for experiment in client.search_experiments(ViewType.ALL):
        ending = artifact_location(database, experiment.name).removeprefix(here)
        folder = experiment.artifact_location.removesuffix(ending)
        # An address with another ending was chosen by the user.
        if experiment.name.startswith(EXPERIMENT_PREFIX) and folder not in (here, experiment.artifact_location):
            former.add(folder)
    return sorted(former)


def update_locations(client: MlflowClient, database: Path) -> None:
    """Update all artifact URIs that point to an old folder of the project.

    Parameters
    ----------
    client : MlflowClient
        Client of the store.
    database : Path
        File of the store.
    """
    former = former_folders(client, database)
    if not former:
        return
    connection = sqlite3.connect(database, timeout=60)
    try:
        with connection:  # one transaction: all addresses change, or none
            for folder in former:
                _replace(connection, f"{folder}/", f"{database.parent.as_uri()}/")
    finally:
        connection.close()


def _replace(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Replace the prefix ``old`` with ``new`` in all artifact URIs."""
    for table, columns in COLUMNS.items():
        for column in columns:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old), old),
            )
