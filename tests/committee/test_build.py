"""A committee's record: combined from its members' stored answers, on the images that all of them held out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from lineup.committee.build import build_committee, combine_predictions
from lineup.committee.select import select
from lineup.config import Committee
from lineup.errors import LineupError
from lineup.records.record import MODEL, Member, Predictions, Record, read_confusion
from tests.make_records import CLASSES, DATA, TEST, make_record, member_of, random_predictions

# The split is nested: a smaller hold-out is the beginning of a larger one.
ORDER = [17, 3, 8, 21, 0, 12, 5, 9, 14, 2, 20, 7]
SHARES = {"wide": 12, "narrow": 5, "middle": 8}
PAIR = Committee(members=list(SHARES), rule="average", report="A")


def mean_of(members: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of some members' probabilities in double precision."""
    mean: np.ndarray = np.stack(members).astype(np.float64).mean(axis=0)
    return mean


def rows_to_one(probabilities: np.ndarray) -> np.ndarray:
    """Return rows that sum to one in double precision, as scikit-learn wants them."""
    rows: np.ndarray = probabilities / probabilities.sum(axis=1, keepdims=True)
    return rows


@pytest.fixture
def members(tmp_path: Path) -> list[Record]:
    """Three records with different shares of validation images."""
    return [
        make_record(tmp_path / "models" / name, random_predictions(seed, ORDER[:images]))
        for seed, (name, images) in enumerate(SHARES.items())
    ]


def build(tmp_path: Path, members: Sequence[Member] | None = None) -> Record:
    models = tmp_path / "models"
    return build_committee("trio", PAIR, members or select(PAIR, models), models, tmp_path / "trio")


def test_combined_on_the_shared_validation_images(members: list[Record]) -> None:
    predictions = [record.predictions() for record in members]
    combined = combine_predictions("average", predictions)
    assert combined.val_indices.tolist() == ORDER[:5]
    assert combined.val_labels.tolist() == [index % len(CLASSES) for index in ORDER[:5]]
    mean = mean_of([member.val_probabilities[:5] for member in predictions])
    np.testing.assert_array_equal(combined.val_probabilities, mean.astype(np.float32))
    mean = mean_of([member.test_probabilities for member in predictions])
    np.testing.assert_array_equal(combined.test_probabilities, mean.astype(np.float32))
    assert combined.test_indices.tolist() == list(range(TEST))


def test_rows_are_matched_by_image_not_by_place(members: list[Record]) -> None:
    """A member that lists its validation images in another order has the same answers."""
    predictions = [record.predictions() for record in members]
    order = np.random.default_rng(0).permutation(len(predictions[0].val_indices))
    shuffled = dataclasses.replace(
        predictions[0],
        val_indices=predictions[0].val_indices[order],
        val_labels=predictions[0].val_labels[order],
        val_probabilities=predictions[0].val_probabilities[order],
    )
    expected = combine_predictions("average", predictions)
    found = combine_predictions("average", [shuffled, *predictions[1:]])
    for name in vars(expected):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


def test_order_of_members_changes_no_bit(members: list[Record]) -> None:
    predictions = [record.predictions() for record in members]
    expected = combine_predictions("average", predictions)
    found = combine_predictions("average", predictions[::-1])
    for name in vars(expected):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()


def test_metrics_are_those_of_the_mean(members: list[Record], tmp_path: Path) -> None:
    record = build(tmp_path)
    predictions: list[Predictions] = [member.predictions() for member in members]
    mean = mean_of([member.test_probabilities for member in predictions])
    labels = predictions[0].test_labels
    answers = mean.argmax(axis=1)
    assert record.metrics["test_accuracy"] == accuracy_score(labels, answers)
    assert record.metrics["test_loss"] == pytest.approx(log_loss(labels, rows_to_one(mean)), rel=1e-6)
    assert record.metrics["test_macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro"))
    np.testing.assert_array_equal(read_confusion(record), confusion_matrix(labels, answers))
    shared = mean_of([member.val_probabilities[:5] for member in predictions])
    val_labels = predictions[1].val_labels
    assert record.metrics["val_accuracy"] == accuracy_score(val_labels, shared.argmax(axis=1))
    assert record.metrics["val_loss"] == pytest.approx(
        log_loss(val_labels, rows_to_one(shared), labels=range(3)), rel=1e-6
    )


def test_header_says_what_it_was_made_from(members: list[Record], tmp_path: Path) -> None:
    header = build(tmp_path).header
    assert (header.name, header.kind, header.architecture) == ("trio", "committee", "average")
    assert header.report == "A"
    assert header.members == [member_of(record) for record in members]
    assert header.parameters == {"rule": "average", "members": "wide, narrow, middle"}
    assert header.weights is None
    assert header.data == dataclasses.replace(DATA, validation_images=5)
    assert json.loads((tmp_path / "trio" / MODEL / "committee.json").read_text()) == {
        "rule": "average",
        "members": list(SHARES),
    }


@pytest.mark.usefixtures("members")
def test_built_twice_is_the_same_answer_under_the_same_key(tmp_path: Path) -> None:
    first = build(tmp_path)
    answers = (first.folder / "predictions.npz").read_bytes()
    second = build(tmp_path)
    assert second.header.key == first.header.key
    assert (second.folder / "predictions.npz").read_bytes() == answers


@pytest.mark.usefixtures("members")
def test_changed_answers_of_a_member_are_refused(tmp_path: Path) -> None:
    selected = select(PAIR, tmp_path / "models")
    make_record(tmp_path / "models" / "middle", random_predictions(7, ORDER[:8]))
    with pytest.raises(LineupError, match="committee trio: the predictions of middle have changed; run lineup select"):
        build(tmp_path, selected)
    assert not (tmp_path / "trio").exists()


@pytest.mark.usefixtures("members")
def test_other_data_is_refused(tmp_path: Path) -> None:
    other = dataclasses.replace(DATA, fingerprint="f" * 64, validation_images=8)
    make_record(tmp_path / "models" / "middle", random_predictions(2, ORDER[:8]), data=other)
    with pytest.raises(
        LineupError, match="committee trio: middle was trained on other data or another split than wide"
    ):
        build(tmp_path)
    assert not (tmp_path / "trio").exists()


@pytest.mark.usefixtures("members")
def test_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"models.gone: no record here"):
        build(tmp_path, [Member("gone", "0" * 16, "0" * 64)])
