"""Open the MLflow store, and create it if it is missing.

Examples
--------
>>> experiment_name("pets")
'lineup-pets'
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.errors import count
from lineup.tracking.address import DATABASES, prepare_environment, sqlite_uri, store_file
from lineup.tracking.contents import NOTE
from lineup.tracking.errors import store_errors
from lineup.tracking.locations import EXPERIMENT_PREFIX
from lineup.tracking.views import view_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


def experiment_name(data: str) -> str:
    """Return the name of the MLflow experiment for a dataset. Each dataset has its own experiment."""
    return f"{EXPERIMENT_PREFIX}{data}"


def open_store(root: Path, data: str, note: str = "") -> tuple[MlflowClient, str]:
    """Connect to the store. Create the store and the experiment of the dataset if they are missing.

    Several processes may try to create the store at the same time. A file lock prevents the MLflow error "table already
    exists".

    Parameters
    ----------
    root : Path
        Project folder.
    data : str
        Name of the dataset.
    note : str, optional
        Note of the experiment in the MLflow UI. Default: do not change the note.

    Returns
    -------
    client : MlflowClient
    experiment_id : str

    Raises
    ------
    StoreError
        If the store cannot be reached or is damaged.
    """
    uri = prepare_environment(root)
    import mlflow
    from filelock import FileLock

    from lineup.tracking.locations import update_locations

    with store_errors(root):
        mlflow.set_tracking_uri(uri)
        name = experiment_name(data)
        database = store_file(uri)
        folder = database.parent if database else root
        with FileLock(folder / ".mlflow.lock"):
            if database:
                _make_database(database)
            client = _connect(uri)
            if database:
                update_locations(client, database)
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                # A server chooses the location itself.
                artifacts = (folder / "mlartifacts" / name).as_uri() if uri.startswith(DATABASES) else None
                tags = {NOTE: note, "mlflow.experimentKind": "custom_model_development"} | view_tags()
                return client, client.create_experiment(name, artifact_location=artifacts, tags=tags)
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment.experiment_id)
            for tag, value in (view_tags() | ({NOTE: note} if note else {})).items():
                if experiment.tags.get(tag) != value:
                    client.set_experiment_tag(experiment.experiment_id, tag, value)
            return client, experiment.experiment_id


def count_runs(root: Path) -> str:
    """Return a text that states how many runs each MLflow experiment of lineup contains.

    Raises
    ------
    StoreError
        If the store cannot be reached.
    """
    uri = prepare_environment(root)
    with store_errors(root):
        client = _connect(uri)
        found = [item for item in client.search_experiments() if item.name.startswith(EXPERIMENT_PREFIX)]
        counts = [f"{count(client.search_runs([item.experiment_id]), 'run')} in {item.name}" for item in found]
    return ", ".join(counts) or "no runs yet"


def has_database(database: Path) -> bool:
    """Return whether the database file exists and is not empty."""
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False


def _make_database(database: Path) -> None:
    """Create an SQLite store if it is missing.

    The store is created under a temporary name, so that a killed process does not leave an incomplete store. The caller
    holds the lock. If a file with the temporary name exists, a killed process has left it.
    """
    partial = database.with_name(f".{database.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    if database.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(database))
    if has_database(database):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    partial.mkdir(parents=True)
    try:
        # By default, MLflow would put artifacts of runs without an experiment into the working directory.
        artifacts = (database.parent / "mlartifacts").as_uri()
        store = SqlAlchemyStore(sqlite_uri(partial / database.name), artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        (partial / database.name).replace(database)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _connect(uri: str) -> MlflowClient:
    """Test the connection to the MLflow store, and return an MLflow client.

    Without this test, MLflow would retry a failed connection for 100 seconds.
    """
    from mlflow import MlflowClient

    if uri.startswith(DATABASES):
        import sqlalchemy

        engine = sqlalchemy.create_engine(uri)
        engine.connect().close()
        engine.dispose()
    return MlflowClient(uri)
