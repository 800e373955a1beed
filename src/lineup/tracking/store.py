"""Open the MLflow store, and make it if it is missing."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.data.datasets import find_dataset
from lineup.tracking.address import DATABASES, prepare_environment, sqlite_uri, store_file
from lineup.tracking.errors import store_errors
from lineup.tracking.locations import EXPERIMENT_PREFIX

if TYPE_CHECKING:
    from mlflow import MlflowClient


def experiment_name(data: str) -> str:
    """Return the experiment of a dataset's runs, so that generated data never stands among real results."""
    return f"{EXPERIMENT_PREFIX}{data}"


def open_store(root: Path, data: str) -> tuple[MlflowClient, str]:
    """Make the store and the dataset's experiment if they are missing, and connect.

    Several processes may call it at once on a store that does not exist yet: a file lock lets one of them make it
    (MLflow itself fails with «table already exists»).

    Parameters
    ----------
    root : Path
        Project folder.
    data : str
        Name of the dataset.

    Returns
    -------
    client : MlflowClient
    experiment_id : str

    Raises
    ------
    StoreError
        If the store cannot be reached, or is not one.
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
                # A server knows its own places.
                artifacts = (folder / "mlartifacts" / name).as_uri() if uri.startswith(DATABASES) else None
                return client, client.create_experiment(name, artifact_location=artifacts, tags=_experiment_tags(data))
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment.experiment_id)
            return client, experiment.experiment_id


def count_runs(root: Path) -> str:
    """Return how many runs each experiment of this project has, as a phrase.

    Raises
    ------
    StoreError
        If the store cannot be reached.
    """
    uri = prepare_environment(root)
    with store_errors(root):
        client = _connect(uri)
        found = [item for item in client.search_experiments() if item.name.startswith(EXPERIMENT_PREFIX)]
        counts = [f"{len(client.search_runs([item.experiment_id]))} runs in {item.name}" for item in found]
    return ", ".join(counts) or "no runs yet"


def has_database(database: Path) -> bool:
    """Return whether there is something in the file of a store; an empty one is as good as none."""
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False


def _make_database(database: Path) -> None:
    """Make an SQLite store if it is missing: under a temporary name, so that a kill leaves all of it or none.

    The caller holds the lock, so that whatever has the temporary name was left by a process that was killed.
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
        # MLflow itself would put runs without an experiment into the working directory.
        artifacts = (database.parent / "mlartifacts").as_uri()
        store = SqlAlchemyStore(sqlite_uri(partial / database.name), artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        (partial / database.name).replace(database)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _connect(uri: str) -> MlflowClient:
    """Return a client, once the database of the store can be opened: MLflow would try again for 100 seconds."""
    from mlflow import MlflowClient

    if uri.startswith(DATABASES):
        import sqlalchemy

        engine = sqlalchemy.create_engine(uri)
        engine.connect().close()
        engine.dispose()
    return MlflowClient(uri)


def _experiment_tags(data: str) -> dict[str, str]:
    """Return what the MLflow UI shows of an experiment: as one of model training, with a sentence on its data."""
    dataset = find_dataset(data)
    note = f"Models and committees on {dataset.title}."
    if dataset.generated:
        note = f"**Generated data.** {note} Its figures say nothing about a real dataset."
    return {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": note}
