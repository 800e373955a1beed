"""Where the runs are: the one place that decides on the MLflow store, and makes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lineup.data.datasets import find_dataset
from lineup.errors import LineupError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT_PREFIX = "lineup-"

# What of a URI may be private: user name and password, which a database takes with any sign but a space in them, and
# what follows a question mark, where drivers look for a password, too.
_PRIVATE = re.compile(r"://(?:[^/\s:]*(?::\S*)?@)?([^\s?]*)(?:\?[^\s'\"]*)?")

# Read by MLflow when it is imported; what the user has set stays. No word to anybody, no news of database tables, and
# a server that does not answer is asked once more within seconds, where the defaults would go on for minutes.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def tracking_uri(root: Path) -> str:
    """Return the URI of the MLflow store: ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in the project folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"


def shown_uri(text: str) -> str:
    """Return a URI, or a text that holds some, without credentials: for all that is printed."""
    return _PRIVATE.sub(r"://\1", text)


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
    mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError
        If the store cannot be reached or is none; see `store_errors_as_one_line`.
    """
    _settle()
    import mlflow
    from filelock import FileLock

    uri = tracking_uri(root)
    mlflow.set_tracking_uri(uri)
    name = experiment_name(data)
    database = store_file(uri)
    folder = database and database.parent
    with FileLock((folder or root) / ".mlflow.lock"):
        client = mlflow.MlflowClient(uri)  # makes the tables of a store that has none
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            artifacts = (folder / "mlartifacts" / name).as_uri() if folder else None
            return client, client.create_experiment(name, artifact_location=artifacts, tags=_experiment_tags(data))
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return client, experiment.experiment_id


def _experiment_tags(data: str) -> dict[str, str]:
    """Return what the MLflow UI shows of an experiment: as one of model training, with a sentence on its data."""
    dataset = find_dataset(data)
    note = f"Models and committees on {dataset.title}."
    if dataset.generated:
        note = f"**Generated data.** {note} Its figures say nothing about a real dataset."
    return {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": note}


def store_file(uri: str) -> Path | None:
    """Return the file of a sqlite store; None for a server, which knows its own places."""
    parts = urlsplit(uri)
    return Path(parts.path.removeprefix("/")).resolve() if parts.scheme == "sqlite" else None


def count_runs(root: Path) -> str:
    """Return how many runs each experiment of this project has, as a phrase.

    Raises
    ------
    LineupError
        If the store cannot be reached.
    """
    uri = tracking_uri(root)
    with store_errors_as_one_line(uri):
        import mlflow

        client = mlflow.MlflowClient(uri)
        found = [item for item in client.search_experiments() if item.name.startswith(EXPERIMENT_PREFIX)]
        counts = [f"{len(client.search_runs([item.experiment_id]))} runs in {item.name}" for item in found]
    return ", ".join(counts) or "no runs yet"


@contextmanager
def store_errors_as_one_line(uri: str, advice: str = "") -> Iterator[None]:
    """Turn what MLflow raises of a store that is out of reach, damaged or refuses something into a `LineupError`."""
    _settle()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError  # what MLflow lets through when it opens a damaged file

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = " ".join(shown_uri(str(error)).split())[:300]
        raise LineupError(f"MLflow store {shown_uri(uri)}: {reason}{advice}") from error


def _settle() -> None:
    """Set what MLflow reads from the environment when it is imported, its news on the terminal among it."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
