"""Collect the predictions of several models for the same images.

A committee is fitted only on images that were not used to train its members. The champion is chosen on images that were
not used to train any candidate. Test images are never used to fit a committee or to choose the champion.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.records.record import Record


def gather(purpose: str, records: Sequence[Record]) -> tuple[Scores, Scores]:
    """Return the predictions of several models for the same held-out images and test images.

    The models may have validation sets of different sizes. Each validation set contains all smaller ones. Only the
    smallest validation set is used, because no model was trained on its images.

    Parameters
    ----------
    purpose : str
        First words of error messages, such as ``committee report_a`` or ``champion``.
    records : sequence of Record
        Records of the members or the candidates, at least one.

    Returns
    -------
    holdout, test : Scores
        Probabilities of shape (records, images, classes), in the order of the records.

    Raises
    ------
    LineupError
        If two records have different data or splits, or one was trained on images that another one held out.
    """
    _check_same_data(purpose, records)
    predictions = [record.predictions() for record in records]
    smallest = min(range(len(records)), key=lambda number: len(predictions[number].val.indices))
    first = predictions[smallest]
    held_out = []
    for record, member in zip(records, predictions, strict=True):
        rows = _find_rows(member.val.indices, first.val.indices)
        if (rows < 0).any():
            raise LineupError(
                f"{purpose}: {record.header.label} was trained on {(rows < 0).sum():,} of the {len(rows):,} validation"
                f" images of {records[smallest].header.label}; expected models of the same split (dvc repro)"
            )
        same = np.array_equal(member.val.labels[rows], first.val.labels)
        if not (same and _is_same_test_set(member.test, first.test)):
            raise LineupError(
                f"{purpose}: {record.header.label} and {records[smallest].header.label} have different labels or test"
                " images; train both again (dvc repro)"
            )
        held_out.append(member.val.probabilities[rows])
    test = np.stack([member.test.probabilities for member in predictions])
    return (
        Scores(first.val.indices, first.val.labels, np.stack(held_out)),
        Scores(first.test.indices, first.test.labels, test),
    )


def _find_rows(indices: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Search for several indices. Return the position of each index, or -1 if the index is missing.

    Examples
    --------
    >>> _find_rows(np.array([30, 10, 20]), wanted=np.array([10, 20, 40])).tolist()
    [1, 2, -1]
    """
    order = np.argsort(indices)
    places = order[np.searchsorted(indices, wanted, sorter=order) % len(indices)]
    rows: np.ndarray = np.where(indices[places] == wanted, places, -1)
    return rows


def _is_same_test_set(one: Scores, other: Scores) -> bool:
    return np.array_equal(one.indices, other.indices) and np.array_equal(one.labels, other.labels)


def _check_same_data(purpose: str, records: Sequence[Record]) -> None:
    first = records[0]
    for record in records[1:]:
        data, expected = record.header.data, first.header.data
        if (data.fingerprint, data.classes) != (expected.fingerprint, expected.classes):
            raise LineupError(
                f"{purpose}: {record.header.label} and {first.header.label} were made from different data or splits;"
                " train both again (dvc repro)"
            )
