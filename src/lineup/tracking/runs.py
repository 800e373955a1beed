"""Find a record's run in MLflow, and write into it: what live tracking and publishing share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lineup.records.machine import Machine, this_machine
from lineup.records.record import Epoch, Header

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

KEY = "lineup.key"
ATTEMPT = "lineup.attempt"
DIGEST = "lineup.digest"
PROCESS = "lineup.process"
EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
BATCH_METRICS = 1000
BATCH_PARAMS = 100


def find_runs(client: MlflowClient, tag: str, value: str) -> list[Run]:
    """Return the active runs that carry a tag, newest first.

    In all experiments: what ``mlflow run`` starts is in the one that it was told.
    """
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, filter_string=f"tags.`{tag}` = '{value}'"))


def describe(header: Header, machine: Machine) -> dict[str, str]:
    """Return the tags that are known before training: what one filters and groups runs by."""
    return {
        KEY: header.key,
        "report": header.report,
        "family": header.family,
        "architecture": header.architecture,
        "kind": header.kind,
        "data": header.data.name,
        "data_generated": str(header.data.generated).lower(),
        "device_kind": header.device.kind,
        "device_name": header.device.name,
        "cpu_model": machine.cpu_model,
        "cores": str(machine.cores),
        "host": machine.host,
        "system": machine.system,
    }


def epoch_metrics(row: Epoch) -> list[Metric]:
    """Return one epoch's metrics at its time, step by step, in a section of their own in the MLflow UI.

    ``epoch/loss``, ``epoch/val_accuracy`` and so on for the classifier, ``autoencoder/loss`` for another phase: apart
    from ``val_accuracy`` and the other final figures of ``metrics.json``.
    """
    from mlflow.entities import Metric

    section = "epoch" if row.phase == "classifier" else row.phase
    values = {name: getattr(row, name) for name in EPOCH_METRICS}
    return [
        Metric(f"{section}/{name}", value, row.timestamp, row.epoch)
        for name, value in values.items()
        if not math.isnan(value)  # a number that the phase does not have
    ]


def log_metrics(client: MlflowClient, run_id: str, metrics: Iterable[Metric]) -> None:
    """Log metrics in batches of the size that MLflow takes; what was sent before makes no duplicate."""
    metrics = list(metrics)
    for start in range(0, len(metrics), BATCH_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH_METRICS])


def log_params(client: MlflowClient, run_id: str, values: dict[str, Any]) -> None:
    """Log the parameters that the run does not have yet.

    ``mlflow run`` logs its own ``-P`` parameters first; the same key with another spelling would be an error.
    """
    from mlflow.entities import Param

    known = client.get_run(run_id).data.params
    params = [Param(name, str(value)) for name, value in values.items() if name not in known]
    for start in range(0, len(params), BATCH_PARAMS):
        client.log_batch(run_id, params=params[start : start + BATCH_PARAMS])


def process_tag(pid: int) -> str:
    """Return what identifies a process on its host, even when its number is used again: ``host:pid:start``."""
    import psutil

    return f"{this_machine().host}:{pid}:{psutil.Process(pid).create_time():.0f}"


def end_dead_runs(client: MlflowClient, experiment: str) -> None:
    """Mark as KILLED the runs that are RUNNING in MLflow while their process on this host is gone.

    A training that was killed cannot say so itself. Runs of other hosts are left alone: they may well be alive.
    """
    host = this_machine().host
    for run in client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'"):
        where, _, process = run.data.tags.get(PROCESS, "").partition(":")
        if where == host and not _alive(process):
            client.set_terminated(run.info.run_id, status="KILLED")


def _alive(process: str) -> bool:
    import psutil

    try:
        pid = int(process.partition(":")[0])
        # A killed process is a zombie until its parent asks for its status, in a container perhaps for ever.
        zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return not zombie and process_tag(pid).partition(":")[2] == process
    except (psutil.NoSuchProcess, ValueError):
        return False
