"""Runs of one model with several seeds stand below one parent run, which has their mean and standard deviation."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lineup.records.model_runs import by_name
from lineup.records.record import Header, Record
from lineup.tracking.runs import DIGEST, KEY, find_runs, log_metrics, log_params

if TYPE_CHECKING:
    from mlflow import MlflowClient

GROUP = "lineup.seeds_of"
PARENT = "mlflow.parentRunId"


def publish_groups(client: MlflowClient, records: Sequence[Record], run_ids: Mapping[str, str]) -> None:
    """Make the parent runs of all models and committees that have several seeds, and put their runs below them.

    Parameters
    ----------
    client : MlflowClient
    records : sequence of Record
        Those that have just been published.
    run_ids : mapping of str to str
        Their runs by the records' keys.
    """
    pipeline = [record for record in records if record.header.experiment is None]
    for name, runs in by_name(pipeline).items():
        if len(runs) > 1:
            children = sorted(runs, key=lambda record: record.header.seed)
            parent = _parent(client, name, children, run_ids)
            _adopt(client, parent, [run_ids[child.header.key] for child in children])


def _parent(client: MlflowClient, name: str, children: Sequence[Record], run_ids: Mapping[str, str]) -> str:
    """Return the parent run of these children, made anew if it is not there or not up to date.

    Its key is made of theirs: when the model is trained with other settings, the former runs keep their parent. A
    parent with some of these children, from before a seed was added, is removed.
    """
    keys = sorted(child.header.key for child in children)
    key = hashlib.sha256(" ".join(keys).encode()).hexdigest()[:16]
    digest = hashlib.sha256(" ".join(sorted(child.digest() for child in children)).encode()).hexdigest()[:16]
    for run in find_runs(client, GROUP, name):
        if run.data.tags.get(KEY) == key and run.data.tags.get(DIGEST) == digest:
            return str(run.info.run_id)
        if run.data.tags.get(KEY) == key or set(run.data.tags.get("lineup.children", "").split()) & set(keys):
            client.delete_run(run.info.run_id)
    experiment = client.get_run(run_ids[keys[0]]).info.experiment_id
    started = min(child.runtime.started for child in children)
    tags = _tags(children[0].header, len(children)) | {KEY: key, GROUP: name, "lineup.children": " ".join(keys)}
    run = client.create_run(experiment, start_time=started, run_name=f"{name}, {len(children)} seeds", tags=tags)
    _fill(client, run.info.run_id, children)
    client.set_terminated(run.info.run_id, "FINISHED", max(child.runtime.ended for child in children))
    client.set_tag(run.info.run_id, DIGEST, digest)
    return str(run.info.run_id)


def _tags(header: Header, seeds: int) -> dict[str, str]:
    generated = "**Generated data**: says nothing about a real dataset. " if header.data.generated else ""
    return {
        "report": header.report,
        "family": header.family,
        "architecture": header.architecture,
        "kind": header.kind,
        "data": header.data.name,
        "data_generated": str(header.data.generated).lower(),
        "mlflow.note.content": f"{generated}Mean and standard deviation (`_sd`) over the {seeds} runs below it.",
    }


def _fill(client: MlflowClient, run_id: str, children: Sequence[Record]) -> None:
    """Log what the children share, and the mean and the standard deviation of each of their metrics."""
    from mlflow.entities import Metric

    parameters = [child.header.parameters for child in children]
    shared = {name: value for name, value in parameters[0].items() if all(p.get(name) == value for p in parameters)}
    seeds = ", ".join(str(child.header.seed) for child in children)
    log_params(client, run_id, shared | ({"seeds": seeds} if seeds else {}))
    ended = max(child.runtime.ended for child in children)
    metrics = []
    for name in children[0].metrics:
        values = [child.metrics[name] for child in children if name in child.metrics]
        numbers = {name: statistics.fmean(values), f"{name}_sd": statistics.stdev(values)} if len(values) > 1 else {}
        metrics += [Metric(key, value, ended, 0) for key, value in numbers.items() if math.isfinite(value)]
    log_metrics(client, run_id, metrics)


def _adopt(client: MlflowClient, parent: str, children: Sequence[str]) -> None:
    for child in children:
        if client.get_run(child).data.tags.get(PARENT) != parent:
            client.set_tag(child, PARENT, parent)
