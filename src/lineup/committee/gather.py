"""Bring the members' stored answers together, image by image.

What a committee is fitted on are images that all its members held out: never a test image, nor one that a member was
trained on. Here is where that is seen to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lineup.errors import LineupError
from lineup.records.record import Predictions, Record


@dataclass(frozen=True)
class Answers:
    """What all members answer for the same images.

    Parameters
    ----------
    indices : ndarray of int, shape (n,)
        Positions of the images, among the training images or among the test images.
    labels : ndarray of uint8, shape (n,)
        Actual classes.
    probabilities : ndarray of float32, shape (members, n, classes)
        Rows sum to one.
    """

    indices: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


def gather(committee: str, records: Sequence[Record]) -> tuple[Answers, Answers]:
    """Return the answers on the images that all members held out, and on the test images.

    Members may have held out different shares of the training images. The split is nested, so the images that all of
    them held out are those of the smallest share; on the others a member's answer would be one on its training images.

    Parameters
    ----------
    committee : str
        What errors begin with, such as ``committee report_a``.
    records : sequence of Record
        Of the members, at least one.

    Raises
    ------
    LineupError
        If a member has other data or another split than the first, or was trained on an image that the member with
        the smallest hold-out held out.
    """
    _check_same_data(committee, records)
    predictions = [record.predictions() for record in records]
    smallest = min(range(len(records)), key=lambda number: len(predictions[number].val_indices))
    first = predictions[smallest]
    held_out = []
    for record, member in zip(records, predictions, strict=True):
        rows = _rows(member.val_indices, first.val_indices)
        if (rows < 0).any():
            raise LineupError(
                f"{committee}: {record.folder.name} was trained on {(rows < 0).sum():,} of the {len(rows):,} images"
                f" that {records[smallest].folder.name} held out; nothing is fitted on images that a member was"
                " trained on"
            )
        same = np.array_equal(member.val_labels[rows], first.val_labels)
        if not (same and _same_test_images(member, first)):
            raise LineupError(
                f"{committee}: {record.folder.name} has other labels or test images than"
                f" {records[smallest].folder.name}; train both anew"
            )
        held_out.append(member.val_probabilities[rows])
    tested = np.stack([member.test_probabilities for member in predictions])
    return (
        Answers(first.val_indices, first.val_labels, np.stack(held_out)),
        Answers(first.test_indices, first.test_labels, tested),
    )


def _rows(indices: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where each wanted index stands among others, -1 for those that are not there."""
    order = np.argsort(indices)
    places = order[np.searchsorted(indices, wanted, sorter=order) % len(indices)]
    rows: np.ndarray = np.where(indices[places] == wanted, places, -1)
    return rows


def _same_test_images(one: Predictions, other: Predictions) -> bool:
    return np.array_equal(one.test_indices, other.test_indices) and np.array_equal(one.test_labels, other.test_labels)


def _check_same_data(committee: str, records: Sequence[Record]) -> None:
    first = records[0]
    for record in records[1:]:
        data, expected = record.header.data, first.header.data
        if (data.fingerprint, data.classes) != (expected.fingerprint, expected.classes):
            raise LineupError(
                f"{committee}: {record.folder.name} was trained on other data or another split"
                f" than {first.folder.name}; train both on the same"
            )
