"""Find a record's run in MLflow, and write into it: what live tracking and publishing share."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineup.errors import LineupError
from lineup.records.machine import Machine, this_machine
from lineup.records.record import RUNTIME, Epoch, Header, Record, now
from lineup.schema import read_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

KEY = "lineup.key"
ATTEMPT = "lineup.attempt"
DIGEST = "lineup.digest"
PROCESS = "lineup.process"
SEEN = "lineup.seen"
SILENT_SECONDS = 3600
"""A run of another host that has not said for so long that it is alive is taken for dead."""
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


def final_metrics(record: Record) -> list[Metric]:
    """Return the metrics of a whole record, at the time at which it ended."""
    from mlflow.entities import Metric

    runtime = record.runtime
    values = dict(record.metrics) | {
        "training_seconds": runtime.training_seconds,
        "peak_memory_mib": runtime.peak_memory_bytes / 2**20,
    }
    if len(runtime.phase_seconds) > 1:
        values |= {f"training_seconds/{phase}": seconds for phase, seconds in runtime.phase_seconds.items()}
    if runtime.images_per_second is not None:
        values["images_per_second"] = runtime.images_per_second
    return [Metric(name, value, runtime.ended, 0) for name, value in values.items()]


def process_tags() -> dict[str, str]:
    """Return the tags of a run that this process is at work on: which process, and that it is alive now."""
    return {PROCESS: process_tag(os.getpid()), SEEN: str(now())}


def process_tag(pid: int) -> str:
    """Return what identifies a process on its host, even when its number is used again: ``host:pid:start``."""
    import psutil

    return f"{this_machine().host}:{pid}:{psutil.Process(pid).create_time():.0f}"


def end_dead_runs(client: MlflowClient, experiment: str, root: Path) -> None:
    """End the runs that are RUNNING in MLflow while their process is gone: as KILLED, or FINISHED with a record.

    A training that was killed (SIGKILL) cannot say so itself, and one that could not reach the store at its end
    neither. The processes of this host can be looked at. A process of another host notes in its run about each minute
    that it is alive; it is taken for dead after an hour without a note, to allow for clocks that differ and for a
    computer that slept. If it is alive after all, it ends its run again when the training ends.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        Id of the experiment whose runs are looked at.
    root : Path
        Project folder, in whose records the attempt of a run is looked for.
    """
    running = client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'")
    dead = [run for run in running if PROCESS in run.data.tags and not is_alive(run)]
    attempts = _attempts(root) if dead else set()
    for run in dead:
        status = "FINISHED" if run.data.tags.get(ATTEMPT) in attempts else "KILLED"
        client.set_terminated(run.info.run_id, status=status)


def is_own(run: Run) -> bool:
    """Return whether this very process is at work on a run."""
    return run.data.tags.get(PROCESS) == process_tag(os.getpid())


def is_alive(run: Run) -> bool:
    """Return whether the process that is at work on a run is alive, as far as can be known."""
    where, _, process = run.data.tags.get(PROCESS, "").partition(":")
    if where == this_machine().host:
        return _alive(process)
    try:
        return now() - int(run.data.tags[SEEN]) < SILENT_SECONDS * 1000
    except (KeyError, ValueError):
        return True  # of an earlier lineup, or of somebody else


def _attempts(root: Path) -> set[str]:
    """Return the attempts that have left a record in a project."""
    found = set()
    for path in (*root.glob(f"runs/*/*/*/{RUNTIME}"), *root.glob(f"experiments/*/{RUNTIME}")):
        with suppress(LineupError, KeyError, TypeError):
            found.add(str(read_json(path)["attempt"]))
    return found


def _alive(process: str) -> bool:
    import psutil

    try:
        pid = int(process.partition(":")[0])
        # A killed process is a zombie until its parent asks for its status, in a container perhaps for ever.
        zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        return not zombie and process_tag(pid).partition(":")[2] == process
    except (psutil.NoSuchProcess, ValueError):
        return False
