"""Update the artifact addresses of an SQLite store after the project has been moved or copied.

The artifacts are in the folder ``mlartifacts`` beside the store. MLflow writes absolute addresses into its tables, and
these still name the old folder after a move. MLflow would then not find existing artifacts, and would write new ones to
the old folder.

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
    """Return the address of the artifact folder of an experiment."""
    return (database.parent / ARTIFACTS / experiment).as_uri()


def local_folder(location: str) -> Path | None:
    """Return the local folder of an artifact address, or None for remote storage."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def former_folders(client: MlflowClient, database: Path) -> list[str]:
    """Return the artifact folders that are named in the store but are not beside it.

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
        # The user chose every address that has another ending.
        if experiment.name.startswith(EXPERIMENT_PREFIX) and folder not in (here, experiment.artifact_location):
            former.add(folder)
    return sorted(former)


def update_locations(client: MlflowClient, database: Path) -> None:
    """Replace the old folder with the current folder of the store in all artifact addresses.

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
    """Replace a prefix of all artifact addresses."""
    for table, columns in COLUMNS.items():
        for column in columns:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old), old),
            )
