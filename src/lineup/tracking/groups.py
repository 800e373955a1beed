"""Group the runs of a model under a parent run that shows the mean of each metric.

Examples
--------
>>> values = seed_statistics("loss", [0.31, 0.30, 0.32])
>>> {name: round(value, 3) for name, value in values.items()}
{'loss': 0.31, 'loss_sd': 0.01, 'loss_low': 0.285, 'loss_high': 0.335}
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lineup.evaluation.seeds import mean_interval
from lineup.records.header import Header
from lineup.records.model_runs import by_name
from lineup.records.record import Record
from lineup.tracking.contents import GENERATED, KEY, NOTE, common_tags, record_params
from lineup.tracking.runs import DIGEST, find_runs, log_values

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VERSION = "3"
"""Version of the contents of a parent run. A new number replaces all parent runs at the next publish."""
GROUP = "lineup.seeds_of"
"""Tag of a parent run with the name of its model or committee."""
PARENT = "mlflow.parentRunId"


def publish_groups(client: MlflowClient, records: Sequence[Record], run_ids: Mapping[str, str]) -> None:
    """Create a parent run for each model or committee that has several seeds.

    In the MLflow UI, the training runs of a model are shown below their parent run, one for each seed.

    Parameters
    ----------
    client : MlflowClient
    records : sequence of Record
        The records that have just been published.
    run_ids : mapping of str to str
        Ids of the runs, by the keys of their records.
    """
    pipeline = [record for record in records if record.header.experiment is None]
    for name, runs in by_name(pipeline).items():
        if len(runs) > 1:
            children = sorted(runs, key=lambda record: record.header.seed)
            parent = _parent(client, name, children, run_ids)
            _link(client, parent, [run_ids[child.header.key] for child in children])


def _parent(client: MlflowClient, name: str, children: Sequence[Record], run_ids: Mapping[str, str]) -> str:
    """Return the parent run of the given child runs.

    The parent run is created if it is missing or outdated. The parent run is identified by a hash of the keys of its
    child runs. Runs with other settings have another parent run. If a seed is added to a model, a new parent run
    replaces the old parent run.
    """
    keys = sorted(child.header.key for child in children)
    key = hashlib.sha256(" ".join(keys).encode()).hexdigest()[:16]
    digests = [VERSION, *sorted(child.digest() for child in children)]
    digest = hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]
    for run in find_runs(client, GROUP, name):
        if run.data.tags.get(KEY) == key and run.data.tags.get(DIGEST) == digest:
            return str(run.info.run_id)
        if run.data.tags.get(KEY) == key or set(run.data.tags.get("lineup.children", "").split()) & set(keys):
            client.delete_run(run.info.run_id)
    experiment = client.get_run(run_ids[keys[0]]).info.experiment_id
    started = min(child.runtime.started for child in children)
    header = children[0].header
    tags = common_tags(header) | {KEY: key, GROUP: name, "lineup.children": " ".join(keys)}
    tags[NOTE] = _note(header, len(children))
    run = client.create_run(experiment, start_time=started, run_name=f"{name}, {len(children)} seeds", tags=tags)
    _fill(client, run, children)
    client.set_terminated(run.info.run_id, "FINISHED", max(child.runtime.ended for child in children))
    client.set_tag(run.info.run_id, DIGEST, digest)
    return str(run.info.run_id)


def _note(header: Header, seeds: int) -> str:
    text = (
        f"Mean, standard deviation (`_sd`) and 95 % interval of the mean (`_low`, `_high`) of each metric over {seeds}"
        " seeds. The runs of the seeds are below this run."
    )
    return f"{GENERATED} {text}" if header.data.generated else text


def _fill(client: MlflowClient, run: Run, children: Sequence[Record]) -> None:
    """Log the common parameters of the child runs, and statistics of their metrics.

    Metrics of individual classes, such as ``test_f1/bag``, are logged only in the child runs.
    """
    from mlflow.entities import Metric

    parameters = [record_params(child) for child in children]
    shared = {name: value for name, value in parameters[0].items() if all(p.get(name) == value for p in parameters)}
    ended = max(child.runtime.ended for child in children)
    values = [{**child.metrics, "training_seconds": child.runtime.training_seconds} for child in children]
    metrics = [
        Metric(key, value, ended, 0)
        for name in values[0]
        if "/" not in name
        for key, value in seed_statistics(name, [found[name] for found in values if name in found]).items()
        if math.isfinite(value)
    ]
    log_values(client, run, shared | {"seeds": ", ".join(str(child.header.seed) for child in children)}, metrics)


def seed_statistics(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return the mean, the standard deviation and the 95 % interval of a metric.

    The result is a dictionary whose keys are the names of MLflow metrics. The result is empty for a single value.
    """
    if len(values) < 2:
        return {}
    low, high = mean_interval(values)
    return {
        name: statistics.fmean(values),
        f"{name}_sd": statistics.stdev(values),
        f"{name}_low": low,
        f"{name}_high": high,
    }


def _link(client: MlflowClient, parent: str, children: Sequence[str]) -> None:
    linked = {run.info.run_id for run in find_runs(client, PARENT, parent)}
    for child in children:
        if child not in linked:
            client.set_tag(child, PARENT, parent)
