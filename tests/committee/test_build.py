"""Build the record of a committee from the predictions of its members."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from lineup.committee.analysis import predictions_without_each
from lineup.committee.build import build_committee, combine_predictions
from lineup.committee.candidates import Candidate
from lineup.committee.fitting import cross_fitted, fit_rule
from lineup.committee.model import read_analysis, read_committee
from lineup.committee.rules import RULES
from lineup.committee.select import select
from lineup.committee.settings import Committee
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.records.header import Member
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, PREDICTIONS, Record, read_confusion
from tests.committee.strategies import skilled_members
from tests.make_records import CLASSES, DATA, make_record, member_of, random_predictions

# The split is nested: a smaller hold-out is the first part of a larger one.
ORDER = [17, 3, 8, 21, 0, 12, 5, 9, 14, 2, 20, 7]
SHARES = {"wide": 12, "narrow": 5, "middle": 8}
NAMED = dict.fromkeys(SHARES, Candidate("network", "cnn", "A"))
TRIO = Committee(members=list(SHARES), rule="average", report="A")
HOLDOUT = Scores(np.arange(120), *skilled_members(0, images=120, classes=3)[::-1])
TEST = Scores(np.arange(90), *skilled_members(1, images=90, classes=3)[::-1])


def mean_of(members: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of some members' probabilities in double precision."""
    mean: np.ndarray = np.stack(members).astype(np.float64).mean(axis=0)
    return mean


def rows_to_one(probabilities: np.ndarray) -> np.ndarray:
    """Return rows that sum to one in double precision, as scikit-learn requires."""
    rows: np.ndarray = probabilities / probabilities.sum(axis=1, keepdims=True)
    return rows


@pytest.fixture
def members(tmp_path: Path) -> list[Record]:
    """Three records with different shares of validation images."""
    return [
        make_record(tmp_path / "models" / name / "seed_1", random_predictions(seed, ORDER[:images]))
        for seed, (name, images) in enumerate(SHARES.items())
    ]


def skilled_record(folder: Path, member: int, test: Scores = TEST) -> Record:
    """Write the record of one of three members that are better than random."""
    return make_record(
        folder,
        Predictions(
            val=Scores(HOLDOUT.indices.astype(np.int32), HOLDOUT.labels, HOLDOUT.probabilities[member]),
            test=Scores(test.indices.astype(np.int32), test.labels, test.probabilities[member]),
        ),
        data=dataclasses.replace(DATA, validation_images=len(HOLDOUT.labels), test_images=len(test.labels)),
    )


def build(tmp_path: Path, members: Sequence[Member] | None = None, **changes: Any) -> Record:
    models = tmp_path / "models"
    trio = dataclasses.replace(TRIO, **changes)
    return build_committee("trio", trio, members or select("trio", trio, NAMED, models), models, tmp_path / "trio")


def test_validation_predictions_are_cross_fitted() -> None:
    committee = Committee(members=["a", "b", "c"], rule="stacking", temperature="after", seed=5)
    fitted, predictions = combine_predictions(committee, HOLDOUT, TEST)
    expected = cross_fitted("stacking", HOLDOUT.probabilities, HOLDOUT.labels, seed=5, temperature="after")
    np.testing.assert_array_equal(predictions.val.probabilities, expected, strict=True)
    assert not np.allclose(expected, fitted.apply(HOLDOUT.probabilities), atol=1e-3)
    np.testing.assert_array_equal(predictions.test.probabilities, fitted.apply(TEST.probabilities), strict=True)
    np.testing.assert_array_equal(predictions.val.indices, HOLDOUT.indices)
    np.testing.assert_array_equal(predictions.test.labels, TEST.labels)


@pytest.mark.parametrize("rule", RULES)
def test_test_images_do_not_change_the_fitted_rule(tmp_path: Path, rule: str) -> None:
    """With other test images, the fitted rule is the same to the last digit."""
    models = []
    for part, test in (("one", TEST), ("other", dataclasses.replace(TEST, labels=1 - TEST.labels % 2))):
        for number, name in enumerate(SHARES):
            skilled_record(tmp_path / part / "models" / name / "seed_1", number, test)
        record = build(tmp_path / part, rule=rule, temperature="both", seed=3)
        models.append(read_committee(record.folder / MODEL))
    assert models[0] == models[1]
    expected = fit_rule(rule, HOLDOUT.probabilities, HOLDOUT.labels, seed=3, temperature="both")
    assert models[0] == ([f"{name}_seed1" for name in SHARES], expected)


def test_the_metrics_are_those_of_the_mean_of_the_members(members: list[Record], tmp_path: Path) -> None:
    record = build(tmp_path)
    predictions: list[Predictions] = [member.predictions() for member in members]
    mean = mean_of([member.test.probabilities for member in predictions])
    np.testing.assert_array_equal(record.predictions().test.probabilities, mean.astype(np.float32))
    labels = predictions[0].test.labels
    predicted = mean.argmax(axis=1)
    assert record.metrics["test_accuracy"] == accuracy_score(labels, predicted)
    assert record.metrics["test_loss"] == pytest.approx(log_loss(labels, rows_to_one(mean)), rel=1e-6)
    assert record.metrics["test_macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    np.testing.assert_array_equal(read_confusion(record), confusion_matrix(labels, predicted))
    shared = mean_of([member.val.probabilities[:5] for member in predictions])
    val_labels = predictions[1].val.labels
    assert record.metrics["val_accuracy"] == accuracy_score(val_labels, shared.argmax(axis=1))
    assert record.metrics["val_loss"] == pytest.approx(
        log_loss(val_labels, rows_to_one(shared), labels=range(3)), rel=1e-6
    )


def test_the_order_of_the_members_does_not_change_the_predictions(tmp_path: Path) -> None:
    for number, name in enumerate(SHARES):
        skilled_record(tmp_path / "models" / name / "seed_1", number)
    predictions = []
    chosen = select("trio", TRIO, NAMED, tmp_path / "models")
    for order in (chosen, chosen[::-1]):
        record = build(tmp_path, order, rule="weighted_log_loss")
        predictions.append((record.folder / "predictions.npz").read_bytes())
    assert predictions[0] == predictions[1]


def test_the_header_names_rule_members_and_data(members: list[Record], tmp_path: Path) -> None:
    header = build(tmp_path, temperature="after", seed=7).header
    assert (header.name, header.kind, header.architecture) == ("trio", "committee", "average")
    assert header.report == "A"
    assert header.members == [member_of(record) for record in members]
    assert header.parameters == {
        "rule": "average",
        "members": "wide_seed1, narrow_seed1, middle_seed1",
        "temperature": "after",
        "seed": 7,
    }
    assert header.weights is None
    assert header.data == dataclasses.replace(DATA, validation_images=5)
    assert "scikit-learn" not in header.libraries


def test_the_analysis_is_written_with_the_rule(tmp_path: Path) -> None:
    for number, name in enumerate(SHARES):
        skilled_record(tmp_path / "models" / name / "seed_1", number)
    record = build(tmp_path, rule="stacking")
    _, fitted = read_committee(record.folder / MODEL)
    analysis = read_analysis(record.folder / MODEL)
    assert analysis.accuracy == record.metrics["test_accuracy"]
    assert [member.name for member in analysis.members] == [f"{name}_seed1" for name in SHARES]
    assert [member.weight for member in analysis.members] == pytest.approx(fitted.weights)
    # The penalty of the whole committee is used, without another search.
    earlier = fitted.details
    others = predictions_without_each(
        "stacking", HOLDOUT.probabilities, HOLDOUT.labels, TEST.probabilities, earlier=earlier
    )
    assert others is not None
    for member, predictions in zip(analysis.members, others, strict=True):
        change = accuracy_score(TEST.labels, predictions.argmax(axis=1)) - analysis.accuracy
        assert member.change_without == pytest.approx(change, abs=1e-12)
    assert record.header.libraries["scikit-learn"]


@pytest.mark.usefixtures("members")
def test_building_twice_gives_the_same_predictions_and_key(tmp_path: Path) -> None:
    first = build(tmp_path)
    predictions = (first.folder / "predictions.npz").read_bytes()
    second = build(tmp_path)
    assert second.header.key == first.header.key
    assert (second.folder / "predictions.npz").read_bytes() == predictions
    assert build(tmp_path, temperature="before").header.key != first.header.key


@pytest.mark.usefixtures("members")
def test_changed_predictions_of_a_member_are_an_error(tmp_path: Path) -> None:
    selected = select("trio", TRIO, NAMED, tmp_path / "models")
    make_record(tmp_path / "models" / "middle" / "seed_1", random_predictions(7, ORDER[:8]))
    with pytest.raises(LineupError, match="the predictions of middle_seed1 have changed; run lineup select"):
        build(tmp_path, selected)
    assert not (tmp_path / "trio").exists()


@pytest.mark.usefixtures("members")
def test_missing_predictions_of_a_member_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    selected = select("trio", TRIO, NAMED, tmp_path / "models")
    (tmp_path / "models" / "middle" / "seed_1" / PREDICTIONS).unlink()
    with pytest.raises(LineupError, match=r"middle.seed_1.predictions\.npz: no such file; make it again"):
        build(tmp_path, selected)
    assert not (tmp_path / "trio").exists()


@pytest.mark.usefixtures("members")
def test_a_member_that_was_trained_on_held_out_images_is_an_error(tmp_path: Path) -> None:
    make_record(tmp_path / "models" / "middle" / "seed_1", random_predictions(2, [3, 8, 17, 0, 12, 5, 9, 1]))
    with pytest.raises(LineupError, match="committee trio: middle_seed1 was trained on 1 of the 5 validation"):
        build(tmp_path)
    assert not (tmp_path / "trio").exists()


@pytest.mark.usefixtures("members")
def test_a_missing_member_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"models.gone.seed_1: no record here"):
        build(tmp_path, [Member("gone", 1, "0" * 16, "0" * 64)])


@pytest.mark.usefixtures("members")
def test_the_model_files_are_strict_json(tmp_path: Path) -> None:
    folder = build(tmp_path, rule="majority", temperature="both").folder / MODEL

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = {path.name: json.loads(path.read_text(), parse_constant=refuse) for path in folder.iterdir()}
    assert set(found) == {"committee.json", "analysis.json"}
    assert len(found["analysis.json"]["members"]) == len(SHARES)
    assert len(CLASSES) == found["committee.json"]["fitted"]["classes"]
