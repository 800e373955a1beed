"""Small records with chosen accuracies, for the tests of the pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lineup.evaluation.scores import Scores
from lineup.paths import seed_folder
from lineup.records.predictions import Predictions
from lineup.records.record import Record
from tests.make_records import CLASSES, DATA, RUNTIME, make_record

IMAGES = 900
GENERATED = dataclasses.replace(DATA, validation_images=IMAGES, test_images=IMAGES)
REAL = dataclasses.replace(GENERATED, name="fashion_mnist", title="Fashion-MNIST", generated=False)


def predictions(right: int, seed: int = 0) -> Predictions:
    """Return predictions that are correct for a given number of images; the seed decides for which ones."""
    random = np.random.default_rng(seed)
    labels = (np.arange(IMAGES) % len(CLASSES)).astype(np.uint8)
    wrong = random.permutation(IMAGES) >= right
    predicted = (labels + wrong) % len(CLASSES)
    confidence = random.uniform(0.5, 0.99, IMAGES)
    probabilities = np.repeat(((1 - confidence) / (len(CLASSES) - 1))[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(IMAGES), predicted] = confidence
    scores = Scores(np.arange(IMAGES, dtype=np.int32), labels, probabilities.astype(np.float32))
    return Predictions(scores, scores)


def make_run(folder: Path, name: str, right: int, seconds: float = 3.5, **header: Any) -> Record:
    """Write the record of a run with a given number of correct images of 900; ``header`` replaces header fields."""
    fields: dict[str, Any] = {"data": GENERATED, "name": name} | header
    runtime = dataclasses.replace(RUNTIME, training_seconds=seconds, phase_seconds={"classifier": seconds})
    # Each run has different errors.
    mistakes = f"{name}{header['seed']}" if header.get("seed", 1) > 1 else name
    seed = sum(map(ord, mistakes))
    return make_record(
        seed_folder(folder / name, header.get("seed", 1)), predictions(right, seed), runtime=runtime, **fields
    )


def make_seeds(folder: Path, name: str, rights: Sequence[int], **others: Any) -> list[Record]:
    """Write the records of a model with several seeds."""
    return [make_run(folder, name, right, seed=seed, **others) for seed, right in enumerate(rights, start=1)]
