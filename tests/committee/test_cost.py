"""Committees that consider the prediction time of their members."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lineup.committee.build import build_committee
from lineup.committee.cascade import count_evaluated
from lineup.committee.cost import Times
from lineup.committee.fitting import fit_rule
from lineup.committee.model import read_analysis, read_committee
from lineup.committee.settings import Committee
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, Record
from tests.committee.strategies import skilled_members
from tests.make_records import CLASSES, DATA, make_record, member_of

NAMES = ["fast", "middle", "slow"]
SECONDS = (0.1, 0.5, 2.0)
HOLDOUT, TEST = (
    Scores(np.arange(300, dtype=np.int32), labels, probabilities)
    for probabilities, labels in (skilled_members(seed, (1.5, 2.0, 2.2), classes=len(CLASSES)) for seed in (0, 1))
)


def measure(records: Sequence[Record]) -> Times:
    """Return fixed times instead of measured ones."""
    assert [record.header.name for record in records] == NAMES
    return Times("a processor, 1 thread", SECONDS)


def build(folder: Path, committee: Committee, *, measured: bool = True) -> Record:
    data = dataclasses.replace(DATA, validation_images=300, test_images=300)
    members = []
    for number, name in enumerate(NAMES):
        parts = (dataclasses.replace(part, probabilities=part.probabilities[number]) for part in (HOLDOUT, TEST))
        members.append(member_of(make_record(folder / "models" / name / "seed_1", Predictions(*parts), data=data)))
    return build_committee(
        "trio", committee, members, folder / "models", folder / "trio", measure=measure if measured else None
    )


def right(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(probabilities.argmax(axis=1) == TEST.labels)


def test_a_cascade_is_compared_with_the_mean_of_all_members(tmp_path: Path) -> None:
    record = build(tmp_path, Committee(NAMES, "cascade", accuracy_loss=0.02))
    _, fitted = read_committee(record.folder / MODEL)
    cost = read_analysis(record.folder / MODEL).cost
    assert cost is not None
    counts = count_evaluated(TEST.probabilities, fitted.parameters["threshold"])
    shares = [1.0, *(float((counts > step).mean()) for step in (1, 2))]
    assert cost.evaluated == pytest.approx(shares)
    assert 0 < cost.evaluated[2] < cost.evaluated[1] < 1
    assert cost.images_per_second == pytest.approx(1000 / np.dot(SECONDS, shares))
    assert cost.full_images_per_second == pytest.approx(1000 / 2.6)
    own, full = right(record.predictions().test.probabilities), right(TEST.probabilities.mean(axis=0))
    assert record.metrics["test_accuracy"] == np.mean(own)
    assert cost.full_accuracy == pytest.approx(np.mean(full))
    assert (cost.only_committee, cost.only_full) == (np.sum(own & ~full), np.sum(full & ~own))
    assert record.header.parameters["accuracy_loss"] == 0.02


def test_a_price_leaves_slow_members_out(tmp_path: Path) -> None:
    record = build(tmp_path, Committee(NAMES, "greedy", price=0.2))
    _, fitted = read_committee(record.folder / MODEL)
    free = fit_rule("greedy", HOLDOUT.probabilities, HOLDOUT.labels, seed=1)
    assert fitted.weights[2] == 0
    assert free.weights[2] > 0
    cost = read_analysis(record.folder / MODEL).cost
    assert cost is not None
    assert cost.evaluated == tuple(float(weight > 0) for weight in fitted.weights)
    assert cost.full_evaluated == tuple(float(weight > 0) for weight in free.weights)
    assert cost.full_accuracy == pytest.approx(np.mean(right(free.apply(TEST.probabilities))))
    assert record.header.parameters["price"] == 0.2


def test_times_are_only_measured_if_they_are_needed(tmp_path: Path) -> None:
    record = build(tmp_path / "average", Committee(NAMES, "average"), measured=False)
    assert read_analysis(record.folder / MODEL).cost is None
    assert not {"price", "accuracy_loss"} & set(record.header.parameters)
    record = build(tmp_path / "cascade", Committee(NAMES, "cascade"), measured=False)
    assert read_analysis(record.folder / MODEL).cost is None
    assert not Committee(NAMES, "greedy").needs_times
    with pytest.raises(LineupError, match="a price requires the prediction time of each member"):
        build(tmp_path / "greedy", Committee(NAMES, "greedy", price=0.2), measured=False)
    assert not (tmp_path / "greedy" / "trio").exists()
