"""Find MLflow runs, log metrics and parameters, and end runs that were interrupted.

Examples
--------
>>> process_tag(os.getpid()).split(":")[1] == str(os.getpid())
True
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineup.errors import LineupError
from lineup.records.machine import this_machine
from lineup.records.record import RUNTIME
from lineup.records.runtime import now
from lineup.schema import read_json
from lineup.tracking.contents import ATTEMPT

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

DIGEST = "lineup.digest"
"""Tag with the digest of the record. Only complete runs have this tag."""
PROCESS = "lineup.process"
"""Tag with the process that writes the run."""
SEEN = "lineup.seen"
"""Tag with the last time at which this process was alive, in milliseconds since 1970."""
SILENT_SECONDS = 3600
"""A run of another host counts as dead if its tag was not updated for this time."""
INVENTED_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")
BATCH_METRICS, BATCH_PARAMS = 850, 100
"""Largest numbers in one request. MLflow limits the number of parameters to 100, and the sum with the tags to 1,000."""


def all_experiments(client: MlflowClient) -> list[str]:
    """Return the ids of all experiments of an MLflow store."""
    return [experiment.experiment_id for experiment in client.search_experiments()]


def find_runs(client: MlflowClient, tag: str, value: str, experiments: list[str] | None = None) -> list[Run]:
    """Return all runs with the given tag, newest first. Deleted runs are not included.

    Parameters
    ----------
    client : MlflowClient
    tag, value : str
        Name and value of the tag.
    experiments : list of str, optional
        Ids of the experiments to search. Default: all experiments, which takes one more request.
    """
    searched = all_experiments(client) if experiments is None else experiments
    return list(client.search_runs(searched, filter_string=f"tags.`{tag}` = '{value}'"))


def log_metrics(client: MlflowClient, run_id: str, metrics: Iterable[Metric]) -> None:
    """Log metrics in batches, because MLflow limits the number of metrics per request.

    If a metric is logged twice for the same step, MLflow stores only one value.
    """
    metrics = list(metrics)
    for start in range(0, len(metrics), BATCH_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH_METRICS])


def log_values(
    client: MlflowClient,
    run: Run,
    params: Mapping[str, Any],
    metrics: Iterable[Metric] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log metrics, new parameters and tags with as few requests as possible. The tags are logged last.

    Parameters that the run already contains are not logged again. ``mlflow run`` has already logged the parameters that
    were given with ``-P``. MLflow raises an error if the value of a parameter is changed. Even a change from 3 to 3.0
    is an error.

    Parameters
    ----------
    client : MlflowClient
    run : Run
        Current state of the run.
    params : mapping
        Values by the name of the parameter.
    metrics : iterable of Metric, optional
        Default: none.
    tags : mapping, optional
        At most 50 tags, by name. Default: none.
    """
    from mlflow.entities import Param, RunTag

    new = [Param(name, str(value)) for name, value in params.items() if name not in run.data.params]
    remaining, last = list(metrics), [RunTag(name, value) for name, value in (tags or {}).items()]
    while len(new) > BATCH_PARAMS or len(remaining) > BATCH_METRICS:
        client.log_batch(run.info.run_id, params=new[:BATCH_PARAMS], metrics=remaining[:BATCH_METRICS])
        new, remaining = new[BATCH_PARAMS:], remaining[BATCH_METRICS:]
    if new or remaining or last:
        client.log_batch(run.info.run_id, params=new, metrics=remaining, tags=last)  # MLflow logs the tags last


def name_run(client: MlflowClient, run: Run, name: str) -> None:
    """Rename a run if MLflow generated its name, such as ``bold-lark-123``. Other names come from the user."""
    if INVENTED_NAME.fullmatch(run.info.run_name or ""):
        client.update_run(run.info.run_id, name=name)


def process_tags() -> dict[str, str]:
    """Return tags with the id of the current process and the current time."""
    return {PROCESS: process_tag(os.getpid()), SEEN: str(now())}


def process_tag(pid: int) -> str:
    """Return a string that identifies a process even if its process id is reused.

    The format is ``host:pid:start``.
    """
    import psutil

    return f"{this_machine().host}:{pid}:{psutil.Process(pid).create_time():.0f}"


def end_dead_runs(client: MlflowClient, experiment: str, root: Path) -> None:
    """End runs that still have the status RUNNING after their process has ended.

    A run keeps the status RUNNING if its process was killed. The same happens if the MLflow store cannot be reached at
    the end of the training. The new status is FINISHED if a record was written, otherwise KILLED.

    A process on this host is considered alive if a running process has the same id and the same start time. A process
    on another host is considered dead if it has not updated the tag of its run during the last hour. Each training
    process updates the tag every minute. The limit of one hour is long, because clocks may differ and computers may be
    suspended. If a running process was wrongly considered dead, the process corrects the status of its run at the end.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        Id of the experiment.
    root : Path
        Project folder. Its records are searched for the attempts of dead runs.
    """
    running = client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'")
    dead = [run for run in running if PROCESS in run.data.tags and not is_alive(run)]
    attempts = recorded_attempts(root) if dead else set()
    for run in dead:
        status = "FINISHED" if run.data.tags.get(ATTEMPT) in attempts else "KILLED"
        client.set_terminated(run.info.run_id, status=status)


def is_own(run: Run) -> bool:
    """Return whether an MLflow run is written by the current process."""
    return run.data.tags.get(PROCESS) == process_tag(os.getpid())


def is_alive(run: Run) -> bool:
    """Return whether the process that writes a run may still be alive."""
    where, _, process = run.data.tags.get(PROCESS, "").partition(":")
    if where == this_machine().host:
        return _alive(process)
    try:
        return now() - int(run.data.tags[SEEN]) < SILENT_SECONDS * 1000
    except (KeyError, ValueError):
        return True  # from an earlier version of lineup, or another program


def recorded_attempts(root: Path) -> set[str]:
    """Return the ids of all training runs that have a record in the project."""
    found = set()
    for path in (*root.glob(f"runs/*/*/*/{RUNTIME}"), *root.glob(f"experiments/*/{RUNTIME}")):
        with suppress(LineupError, KeyError, TypeError):
            found.add(str(read_json(path)["attempt"]))
    return found


def _alive(process: str) -> bool:
    import psutil

    try:
        pid = int(process.partition(":")[0])
        # A killed process is a zombie until its parent reads its status, which may never happen in a container.
        zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return not zombie and process_tag(pid).partition(":")[2] == process
    except (psutil.NoSuchProcess, ValueError):
        return False
