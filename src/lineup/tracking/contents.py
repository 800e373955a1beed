"""Convert a record to the tags, parameters and metrics of an MLflow run.

Examples
--------
>>> from lineup.records.header import DataIdentity
>>> data = DataIdentity("pets", "Pets", False, "0" * 64, [32, 32, 3], ["cat", "dog"], 80, 20, 50)
>>> experiment_note(data)
'Models and committees on Pets.'
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from lineup.data.datasets import DATASETS
from lineup.errors import count
from lineup.published.claims import load_claims
from lineup.records.header import DataIdentity, Header
from lineup.records.history import Epoch
from lineup.records.imported import is_imported
from lineup.records.machine import Machine
from lineup.records.record import Record

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric

KEY = "lineup.key"
"""Tag with the key of the record. It identifies the run."""
ATTEMPT = "lineup.attempt"
"""Tag with the attempt of the training. It identifies the live run of a record."""
NOTE = "mlflow.note.content"
"""Tag with the note that the MLflow UI shows."""

MEMBERS = "lineup.members"
"""Tag of a committee's run with the ids of the members' runs, as JSON."""
IMPORTED = "lineup.imported"
"""Tag of the run of an imported record: ``true``. The project's own records never replace such a run."""
SOURCE_TAGS = {"mlflow.source.name": "lineup", "mlflow.source.type": "LOCAL"}
"""Tags of a run and of its model: the MLflow UI shows which program has logged them."""
FORMER_TAGS = re.compile(r"architecture|cpu_model|cores|host|system|lineup\.process|lineup\.seen|member\..*")
"""Tags of finished runs of earlier versions that are no longer used."""

EPOCH_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
GENERATED = "**Generated data**: the results do not apply to real images."


def label(header: Header) -> str:
    """Return the default name of an MLflow run, which is the label of the record."""
    return header.label


def common_tags(header: Header) -> dict[str, str]:
    """Return the tags that all runs of a model or committee have in common.

    In the MLflow UI, users can filter and group runs by tag.
    """
    return {
        "report": header.report,
        "family": header.family,
        "kind": header.kind,
        "data": header.data.name,
        "data_generated": str(header.data.generated).lower(),
    }


def start_tags(header: Header, machine: Machine) -> dict[str, str]:
    """Return the tags of a run that are known before training starts."""
    return common_tags(header) | {
        KEY: header.key,
        "device_kind": header.device.kind,
        "device_name": header.device.name,
        "machine": f"{machine.host}: {machine.cpu_model}, {count(machine.cores, 'core')}, {machine.system}",
        NOTE: record_note(header),
    }


def record_tags(record: Record) -> dict[str, str]:
    """Return all tags for the run of a record."""
    header, runtime = record.header, record.runtime
    tags = start_tags(header, runtime.machine) | {
        **SOURCE_TAGS,
        ATTEMPT: runtime.attempt,
        "git_commit": runtime.git_commit,
        "mlflow.source.git.commit": runtime.git_commit.removesuffix("-dirty"),
    }
    if is_imported(record):
        tags[IMPORTED] = "true"
    if runtime.nondeterminism:
        tags["nondeterminism"] = runtime.nondeterminism
    if header.members:
        tags["members"] = ", ".join(member.label for member in header.members)
    return tags


def record_note(header: Header) -> str:
    """Return a note that describes the model and the data of a run.

    If the accuracy of the model has been published, the note also contains the published accuracy.
    """
    report = f", report {header.report}" if header.report not in ("", "-") else ""
    data = f"{header.data.title}, {count(header.data.test_images, 'test image')}"
    text = f"{header.kind.capitalize()} `{header.label}`{report}. {data}."
    if header.data.generated:
        text += f" {GENERATED}"
    claim = load_claims(header.data.name).get(header.name)
    return f"{text} Published accuracy: {claim.text}." if claim else text


def experiment_note(data: DataIdentity) -> str:
    """Return a note that names the dataset of an experiment."""
    text = f"Models and committees on {data.title}."
    return f"{text} {GENERATED}" if data.generated else text


def record_params(record: Record) -> dict[str, Any]:
    """Return the parameters that are logged in MLflow for a record."""
    header = record.header
    values: dict[str, Any] = {
        **header.parameters,
        "data": header.data.name,
        "data_fingerprint": header.data.fingerprint,
        "onednn": header.onednn,
    }
    if header.weights:
        values |= {
            "parameters": header.weights.parameters,
            "parameters_trainable": header.weights.trainable,
            "parameters_frozen": header.weights.frozen,
            "weights_sha256": header.weights.sha256,
        }
    return values | {f"library.{name}": version for name, version in header.libraries.items()}


def epoch_metrics(row: Epoch) -> list[Metric]:
    """Return the metrics of one epoch for MLflow.

    In MLflow, the step of each metric is the number of the epoch.

    The name of each metric starts with the training phase, as in ``autoencoder/loss``. The names of the classifier's
    metrics start with ``epoch``. The MLflow UI shows metrics with the same prefix together in one section.
    """
    from mlflow.entities import Metric

    section = "epoch" if row.phase == "classifier" else row.phase
    values = {name: getattr(row, name) for name in EPOCH_METRICS}
    return [
        Metric(f"{section}/{name}", value, row.timestamp, row.epoch)
        for name, value in values.items()
        if not math.isnan(value)  # the phase does not have this metric
    ]


def final_metrics(record: Record, model_id: str | None = None) -> list[Metric]:
    """Return the final metrics of a record for MLflow. The timestamp of each metric is the time when training ended.

    The MLflow UI shows metrics without a prefix, such as ``test_accuracy``, before all others.

    Parameters
    ----------
    record : Record
        Record of a model or a committee.
    model_id : str, optional
        Id of a model in MLflow that gets the metrics without a prefix too. The metrics of single classes are many, and
        only the run gets them. Default: only the run gets metrics.
    """
    from mlflow.entities import Metric

    runtime = record.runtime
    values = dict(record.metrics) | {
        "training_seconds": runtime.training_seconds,
        "resources/peak_memory_mib": runtime.peak_memory_bytes / 2**20,
    }
    if len(runtime.phase_seconds) > 1:
        values |= {f"training_seconds/{phase}": seconds for phase, seconds in runtime.phase_seconds.items()}
    if runtime.images_per_second is not None:
        values["resources/images_per_second"] = runtime.images_per_second
    values |= {f"resources/energy_{part}_joules": energy for part, energy in runtime.energy_joules.items()}
    return [
        Metric(name, value, runtime.ended, 0, model_id=None if "/" in name else model_id)
        for name, value in values.items()
    ]


def dataset_input(data: DataIdentity) -> DatasetInput:
    """Describe the dataset of a run for MLflow, including the image shape and the class names."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    height, width, channels = data.shape
    shape = f"(n, {height}, {width})" if channels == 1 else f"(n, {height}, {width}, {channels})"
    profile = {
        "training_images": data.training_images,
        "validation_images": data.validation_images,
        "test_images": data.test_images,
    }
    dataset = Dataset(
        name=data.name,
        digest=data.fingerprint[:36],
        source_type="generated" if data.generated else "download" if data.name in DATASETS else "local",
        source=json.dumps({"name": data.name, "title": data.title}),
        schema=json.dumps({"images": f"uint8 {shape}", "classes": data.classes}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "train, validation, test")])
