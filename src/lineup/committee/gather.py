"""Bring the stored answers of several records together, image by image.

A committee is fitted on images that all its members held out, and the champion chosen by those that all candidates held
out: never by a test image, nor by one that any of them was trained on. Here is where that is seen to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lineup.errors import LineupError
from lineup.records.record import Predictions, Record


@dataclass(frozen=True)
class Answers:
    """What several models or committees answer for the same images, of a committee its members.

    Parameters
    ----------
    indices : ndarray of int, shape (n,)
        Positions of the images, among the training images or among the test images.
    labels : ndarray of uint8, shape (n,)
        Actual classes.
    probabilities : ndarray of float32, shape (records, n, classes)
        Rows sum to one.
    """

    indices: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


def gather(purpose: str, records: Sequence[Record]) -> tuple[Answers, Answers]:
    """Return the answers on the images that all records held out, and on the test images.

    They may have held out different shares of the training images. The split is nested, so the images that all of
    them held out are those of the smallest share; on the others an answer would be one on training images.

    Parameters
    ----------
    purpose : str
        What errors begin with: ``committee report_a``, ``champion``.
    records : sequence of Record
        Of the members or the candidates, at least one.

    Raises
    ------
    LineupError
        If one has other data or another split than the first, or was trained on an image that the one with the
        smallest hold-out held out.
    """
    _check_same_data(purpose, records)
    predictions = [record.predictions() for record in records]
    smallest = min(range(len(records)), key=lambda number: len(predictions[number].val_indices))
    first = predictions[smallest]
    held_out = []
    for record, member in zip(records, predictions, strict=True):
        rows = _rows(member.val_indices, first.val_indices)
        if (rows < 0).any():
            raise LineupError(
                f"{purpose}: {record.header.label} was trained on {(rows < 0).sum():,} of the {len(rows):,} validation"
                f" images of {records[smallest].header.label}; expected models of the same split (dvc repro)"
            )
        same = np.array_equal(member.val_labels[rows], first.val_labels)
        if not (same and _same_test_images(member, first)):
            raise LineupError(
                f"{purpose}: {record.header.label} and {records[smallest].header.label} have different labels or test"
                " images; train both again (dvc repro)"
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


def _check_same_data(purpose: str, records: Sequence[Record]) -> None:
    first = records[0]
    for record in records[1:]:
        data, expected = record.header.data, first.header.data
        if (data.fingerprint, data.classes) != (expected.fingerprint, expected.classes):
            raise LineupError(
                f"{purpose}: {record.header.label} and {first.header.label} were made from different data or splits;"
                " train both again (dvc repro)"
            )
