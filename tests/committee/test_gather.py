"""Collect predictions for the images that all records held out, or raise an error that names the wrong record."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lineup.committee.gather import gather
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.records.record import Record
from tests.make_records import CLASSES, DATA, TEST, make_record, random_predictions

# The split is nested: a smaller hold-out is the first part of a larger one.
ORDER = [17, 3, 8, 21, 0, 12, 5, 9, 14, 2, 20, 7]
SHARES = {"wide": 12, "narrow": 5, "middle": 8}


@pytest.fixture
def members(tmp_path: Path) -> list[Record]:
    """Three records with different shares of validation images."""
    return [
        make_record(tmp_path / name, random_predictions(seed, ORDER[:images]))
        for seed, (name, images) in enumerate(SHARES.items())
    ]


def test_the_images_of_the_smallest_share_and_all_test_images_are_used(members: list[Record]) -> None:
    holdout, test = gather("committee trio", members)
    predictions = [record.predictions() for record in members]
    assert holdout.indices.tolist() == ORDER[:5]
    assert holdout.labels.tolist() == [index % len(CLASSES) for index in ORDER[:5]]
    expected = np.stack([member.val.probabilities[:5] for member in predictions])
    np.testing.assert_array_equal(holdout.probabilities, expected, strict=True)
    assert test.indices.tolist() == list(range(TEST))
    assert test.labels.tolist() == [index % len(CLASSES) for index in range(TEST)]
    expected = np.stack([member.test.probabilities for member in predictions])
    np.testing.assert_array_equal(test.probabilities, expected, strict=True)


def test_predictions_are_matched_by_image_not_by_position(members: list[Record]) -> None:
    """A member with its validation images in another order gives the same result."""
    wide = members[0].predictions()
    order = np.random.default_rng(0).permutation(len(wide.val.indices))
    shuffled = dataclasses.replace(
        wide, val=Scores(wide.val.indices[order], wide.val.labels[order], wide.val.probabilities[order])
    )
    expected, _ = gather("committee trio", members)
    found, _ = gather("committee trio", [make_record(members[0].folder, shuffled), *members[1:]])
    for name in vars(expected):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)


@pytest.mark.parametrize(("images", "trained_on"), [([3, 8, 17, 0, 12, 5, 9, 1], 1), ([1, 2, 4, 6, 10, 11], 5)])
def test_images_that_a_member_was_trained_on_are_an_error_that_names_it(
    members: list[Record], images: list[int], trained_on: int
) -> None:
    other = make_record(members[2].folder, random_predictions(2, images))
    with pytest.raises(LineupError) as caught:
        gather("committee trio", [members[0], members[1], other])
    assert str(caught.value) == (
        f"committee trio: middle_seed1 was trained on {trained_on} of the 5 validation images of narrow_seed1;"
        " expected models of the same split (dvc repro)"
    )


@pytest.mark.parametrize("changes", [{"fingerprint": "f" * 64}, {"classes": [*CLASSES[1:], CLASSES[0]]}])
def test_different_data_is_an_error(members: list[Record], changes: dict[str, object]) -> None:
    data = dataclasses.replace(DATA, validation_images=8, **changes)  # type: ignore[arg-type]
    other = make_record(members[2].folder, random_predictions(2, ORDER[:8]), data=data)
    with pytest.raises(
        LineupError, match=r"^c: middle_seed1 and wide_seed1 were made from different data or splits; train"
    ):
        gather("c", [*members[:2], other])


@pytest.mark.parametrize(("part", "array"), [("val", "labels"), ("test", "labels"), ("test", "indices")])
def test_different_labels_and_test_images_are_an_error(members: list[Record], part: str, array: str) -> None:
    middle = members[2].predictions()
    scores: Scores = getattr(middle, part)
    changed = dataclasses.replace(scores, **{array: np.roll(getattr(scores, array), 1)})
    other = make_record(members[2].folder, dataclasses.replace(middle, **{part: changed}))
    with pytest.raises(
        LineupError, match=r"^c: middle_seed1 and narrow_seed1 have different labels or test images; train"
    ):
        gather("c", [*members[:2], other])


def test_one_record_is_enough(members: list[Record]) -> None:
    holdout, test = gather("c", members[:1])
    assert holdout.probabilities.shape == (1, 12, len(CLASSES))
    assert test.probabilities.shape == (1, TEST, len(CLASSES))
