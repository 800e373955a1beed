"""Create the detector of unusual images for a model.

Examples
--------
>>> references_of((28, 28)), references_of((512, 512, 3))
(20000, 25)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lineup.committee.gather import gather
from lineup.data.dataset import Dataset
from lineup.errors import LineupError
from lineup.evaluation.novelty import NoveltyDetector, fit_novelty
from lineup.records.record import Record

_REFERENCES, _PIXELS = 20_000, 20_000_000
"""Largest number of training images to compare with, and of all their pixels, which limits time and memory."""
_VALIDATION = 2_000
"""Largest number of validation images."""


def novelty_detector(dataset: Dataset, record: Record, members: Sequence[Record] = ()) -> NoveltyDetector:
    """Create a detector of images that are unlike the training images of a model.

    Parameters
    ----------
    dataset : Dataset
        The data of the record.
    record : Record
        A model or a committee.
    members : sequence of Record, optional
        The members of a committee. Default: none, for a single model.

    Raises
    ------
    LineupError
        If the record was made from other data.

    Notes
    -----
    The test images choose nothing. The validation images that set the threshold are not among the training images to
    compare with.
    """
    if dataset.fingerprint != record.header.data.fingerprint:
        raise LineupError(f"{record.header.label} was made from other images or another split; run dvc repro")
    holdout, _ = gather(f"novelty of {record.header.label}", list(members) or [record])
    others = dataset.order[~np.isin(dataset.order, holdout.indices)]
    training = dataset.train_images[others[: references_of(dataset.train_images.shape[1:])]]
    validation = dataset.train_images[holdout.indices[:_VALIDATION]]
    return fit_novelty(training, validation, holdout.probabilities[:, :_VALIDATION])


def references_of(shape: Sequence[int]) -> int:
    """Return how many training images a detector uses. The number depends on the image shape."""
    return max(1, min(_REFERENCES, _PIXELS // math.prod(shape)))
