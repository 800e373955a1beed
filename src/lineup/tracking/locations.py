"""Where a store that is a file has its artifacts: in ``mlartifacts`` beside it, also after both have been moved.

MLflow writes absolute addresses into the tables of such a store. After a project was moved or copied they still name
the former folder: its artifacts are not found, new ones go there, and a copy shares them with its original.
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
"""What of the store's tables holds addresses of artifacts."""


def artifact_location(database: Path, experiment: str) -> str:
    """Return the address of an experiment's artifacts: beside the file of the store."""
    return (database.parent / ARTIFACTS / experiment).as_uri()


def local_folder(location: str) -> Path | None:
    """Return the folder that an address of artifacts names; None if it names a server or another storage."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def former_folders(client: MlflowClient, database: Path) -> list[str]:
    """Return the addresses of other folders in which experiments of lineup in this store have their artifacts.

    Parameters
    ----------
    client : MlflowClient
        Of the store.
    database : Path
        File of the store.
    """
    from mlflow.entities import ViewType

    here = database.parent.as_uri()
    former = set()
    for experiment in client.search_experiments(ViewType.ALL):
        ending = artifact_location(database, experiment.name).removeprefix(here)
        folder = experiment.artifact_location.removesuffix(ending)
        # An address that ends differently is not lineup's own: somebody chose it.
        if experiment.name.startswith(EXPERIMENT_PREFIX) and folder not in (here, experiment.artifact_location):
            former.add(folder)
    return sorted(former)


def update_locations(client: MlflowClient, database: Path) -> None:
    """Let all addresses in a store name the folder in which the store is now.

    Parameters
    ----------
    client : MlflowClient
        Of the store.
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
    """Replace what addresses begin with."""
    for table, columns in COLUMNS.items():
        for column in columns:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old), old),
            )
