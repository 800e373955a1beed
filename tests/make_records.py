"""Small records with random numbers, for tests that read records."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lineup.evaluation.metrics import confusion_counts
from lineup.evaluation.scores import Scores
from lineup.files import folder_sha256
from lineup.records.header import DataIdentity, Device, Header, Member, Weights
from lineup.records.history import PHASES, Epoch
from lineup.records.machine import Machine
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, PREDICTIONS, Record, read_record, write_record
from lineup.records.runtime import Runtime
from lineup.records.score import score

CLASSES = ["T-shirt/top", "Trouser", "Ankle boot"]
TRAINING, VALIDATION, TEST = 24, 6, 9
STARTED = 1_760_000_000_000
MACHINE = Machine(host="elsewhere", cpu_model="A processor", cores=4, memory_bytes=2**34, system="Linux x86_64")
DATA = DataIdentity(
    name="synthetic",
    title="Synthetic garments",
    generated=True,
    fingerprint=hashlib.sha256(b"data").hexdigest(),
    shape=[28, 28, 1],
    classes=CLASSES,
    training_images=TRAINING,
    validation_images=VALIDATION,
    test_images=TEST,
)
HEADER = Header(
    name="small",
    kind="network",
    family="dense",
    architecture="shallow_nn",
    report="A",
    parameters={"epochs": 2, "learning_rate": 0.001, "scaling": "unit", "pretrain.epochs": 1},
    seed=1,
    threads=2,
    device=Device("cpu", "A processor"),
    onednn=True,
    libraries={"python": "3.11.9", "keras": "3.12.0"},
    data=DATA,
    weights=Weights(parameters=10, trainable=7, frozen=3, sha256="0" * 64),
)
RUNTIME = Runtime(
    attempt="attempt-1",
    started=STARTED,
    ended=STARTED + 5_000,
    training_seconds=3.5,
    phase_seconds={"autoencoder": 1.0, "classifier": 2.5},
    images_per_second=19.2,
    peak_memory_bytes=300 * 2**20,
    machine=MACHINE,
    git_commit="0123456789abcdef0123456789abcdef01234567-dirty",
)
HISTORY = [
    Epoch("autoencoder", 1, 0.25, math.nan, 0.24, math.nan, 0.01, 1.0, STARTED + 1_000),
    Epoch("classifier", 1, 1.1, 0.3, 1.0, 0.5, 0.001, 1.25, STARTED + 2_250),
    Epoch("classifier", 2, 0.9, 0.6, 0.8, 0.65, 0.0005, 1.25, STARTED + 3_500),
]


def probabilities(random: np.random.Generator, images: int) -> np.ndarray:
    """Return random probabilities as float32 rows that sum to one."""
    return random.dirichlet(np.ones(len(CLASSES)), images).astype(np.float32)


def random_predictions(seed: int, validation: Sequence[int] = range(VALIDATION)) -> Predictions:
    """Return random predictions for these validation images and all test images; the labels are always the same."""
    random = np.random.default_rng(seed)
    indices = np.array(validation, dtype=np.int32)
    return Predictions(val=random_scores(random, indices), test=random_scores(random, np.arange(TEST, dtype=np.int32)))


def random_scores(random: np.random.Generator, indices: np.ndarray) -> Scores:
    """Return random probabilities for these images."""
    return Scores(indices, (indices % len(CLASSES)).astype(np.uint8), probabilities(random, len(indices)))


def make_record(
    folder: Path,
    predictions: Predictions,
    *,
    history: Sequence[Epoch] | None = None,
    runtime: Runtime = RUNTIME,
    **header: Any,
) -> Record:
    """Write a record into a folder, which may contain a model already, and read it.

    Metrics and confusion matrix are those of the predictions; ``header`` changes fields of `HEADER`. The history of a
    network is `HISTORY` if no other one is given; its numbers of epochs are added to parameters without them.
    """
    if history is None:
        history = HISTORY if header.get("kind", HEADER.kind) == "network" else []
    parameters = header.get("parameters", HEADER.parameters)
    epochs = {f"{PHASES[row.phase]}epochs": row.epoch for row in history}
    header["parameters"] = parameters | {name: value for name, value in epochs.items() if name not in parameters}
    images = len(predictions.val.indices)
    name = folder.parent.name if folder.name.startswith("seed_") else folder.name
    fields: dict[str, Any] = {"name": name, "data": dataclasses.replace(DATA, validation_images=images)}
    if (folder / MODEL).is_dir():
        fields["model_files"] = folder_sha256(folder / MODEL)
    folder.mkdir(parents=True, exist_ok=True)
    write_record(
        folder,
        dataclasses.replace(HEADER, **(fields | header)),
        history,
        score(predictions, CLASSES),
        predictions,
        confusion_counts(predictions.test.probabilities, predictions.test.labels, len(CLASSES)),
        runtime,
    )
    return read_record(folder)


def member_of(record: Record) -> Member:
    """Return a record as a member of a committee."""
    digest = hashlib.sha256((record.folder / PREDICTIONS).read_bytes()).hexdigest()
    return Member(record.header.name, record.header.seed, record.header.key, digest)


def change_json(path: Path, **changes: Any) -> None:
    """Change values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def model_folder(folder: Path) -> Path:
    """Return the empty folder of a record's model."""
    (folder / MODEL).mkdir(parents=True)
    return folder / MODEL
