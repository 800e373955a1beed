"""Log the trials of a study in MLflow, as child runs of one parent run.

Examples
--------
>>> experiment_of("pets")
'pets-tuning'
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineup.errors import LineupError
from lineup.records.history import Epoch
from lineup.records.runtime import now
from lineup.tracking.contents import NOTE, epoch_metrics
from lineup.tracking.runs import find_runs, log_metrics, log_values
from lineup.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

STUDY = "lineup.study"
"""Tag of the parent run, with the name of the study."""
_PARENT = "mlflow.parentRunId"


def experiment_of(data: str) -> str:
    """Return a name for `open_store`. With this name, the trials have their own MLflow experiment."""
    return f"{data}-tuning"


class StudyRuns:
    """The runs of a study in MLflow.

    If MLflow fails, one warning is printed and the search continues.

    Parameters
    ----------
    root : Path
        Project folder, which determines the MLflow store.
    data : str
        Name of the dataset.
    study, model : str
        Name of the study and of the model.
    params : mapping
        Parameters of the parent run.
    note : str
        Note of all runs.
    """

    def __init__(self, root: Path, data: str, study: str, model: str, params: Mapping[str, Any], note: str) -> None:
        self._root, self._data, self._note = root, data, note
        self._study, self._model, self._params = study, model, dict(params)
        self._client: MlflowClient | None = None
        self._parent = ""
        self._works = True
        self._try(self._open)

    def _open(self) -> None:
        client, experiment = open_store(self._root, experiment_of(self._data), self._note)
        found = find_runs(client, STUDY, self._study)
        if found:
            self._parent = found[0].info.run_id
            client.update_run(self._parent, status="RUNNING")
        else:
            tags = {STUDY: self._study, NOTE: self._note}
            run = client.create_run(experiment, run_name=f"tune {self._model}", tags=tags)
            self._parent = run.info.run_id
            log_values(client, run, self._params)
        self._client, self._experiment = client, experiment

    def log(
        self, name: str, params: Mapping[str, Any], metrics: Mapping[str, float], history: list[Epoch], seconds: float
    ) -> None:
        """Log a training run as a child run.

        Parameters
        ----------
        name : str
            Name of the run.
        params, metrics : mapping
            Parameters and final metrics.
        history : list of Epoch
            Its epochs.
        seconds : float
            Time of the training.
        """
        self._try(lambda: self._log(name, params, metrics, history, seconds))

    def _log(
        self, name: str, params: Mapping[str, Any], metrics: Mapping[str, float], history: list[Epoch], seconds: float
    ) -> None:
        from mlflow.entities import Metric

        assert self._client is not None  # if `_open` failed, `_try` does not call this method
        ended = now()
        tags = {_PARENT: self._parent, NOTE: self._note}
        started = ended - round(1000 * seconds)
        run = self._client.create_run(self._experiment, start_time=started, run_name=name, tags=tags)
        final = [Metric(key, value, ended, 0) for key, value in metrics.items()]
        log_values(self._client, run, params, [*(metric for row in history for metric in epoch_metrics(row)), *final])
        self._client.set_terminated(run.info.run_id, "FINISHED", ended)

    def close(self, status: str, metrics: Mapping[str, float], folder: Path | None = None) -> None:
        """End the parent run.

        Parameters
        ----------
        status : str
            ``FINISHED`` or ``KILLED``.
        metrics : mapping
            Final metrics of the parent run.
        folder : Path, optional
            Folder whose files are logged as artifacts. Default: none.
        """
        self._try(lambda: self._close(status, metrics, folder))

    def _close(self, status: str, metrics: Mapping[str, float], folder: Path | None) -> None:
        from mlflow.entities import Metric

        assert self._client is not None  # see `_log`
        log_metrics(self._client, self._parent, [Metric(key, value, now(), 0) for key, value in metrics.items()])
        for path in sorted(folder.glob("*.*")) if folder else ():
            if path.suffix != ".db":
                self._client.log_artifact(self._parent, str(path))
        self._client.set_terminated(self._parent, status)

    def _try(self, call: Callable[[], None]) -> None:
        if not self._works:
            return
        from lineup.tracking.errors import store_errors

        try:
            with store_errors(self._root):
                call()
        except LineupError as error:
            self._works = False
            print(f"warning: trials not logged in MLflow ({error}); the search continues", file=sys.stderr, flush=True)
