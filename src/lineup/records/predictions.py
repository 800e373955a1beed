"""Define and read ``predictions.npz``.

This file contains the class probabilities for the validation and test images.

Examples
--------
>>> scores = Scores(np.array([0, 1]), np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
>>> Predictions(scores, scores).arrays()["test_labels"].tolist()
[0, 1]
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.evaluation.scores import Scores
from lineup.npz import read_npz
from lineup.records.header import DataIdentity

PREDICTIONS_LIMIT = 2 * 2**30
PARTS = ("val", "test")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """``predictions.npz``: class probabilities with their labels.

    Parameters
    ----------
    val, test : Scores
        Of the validation images and of the test images: indices int32, labels uint8, probabilities float32 of shape
        (n, k).
    """

    val: Scores
    test: Scores

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of ``predictions.npz`` in a dictionary, with keys such as ``val_labels``."""
        return {f"{part}_{name}": array for part in PARTS for name, array in vars(getattr(self, part)).items()}


def read_predictions(path: Path, data: DataIdentity) -> Predictions:
    """Read ``predictions.npz``, and check that the predictions match the header of the record.

    Parameters
    ----------
    path : Path
    data : DataIdentity
        From the header of the record: the numbers of images and classes.

    Raises
    ------
    LineupError
        If the file is missing, too large or damaged, or does not match the header.
    """
    arrays = read_npz(path, max_bytes=PREDICTIONS_LIMIT)
    expected = {f"{part}_{field.name}" for part in PARTS for field in dataclasses.fields(Scores)}
    if set(arrays) != expected:
        raise LineupError(f"{path}: expected the arrays {sorted(expected)}, found {shortened(sorted(arrays))}")
    scores = {}
    for part, images in zip(PARTS, (data.validation_images, data.test_images), strict=True):
        shapes = {"indices": (images,), "labels": (images,), "probabilities": (images, len(data.classes))}
        for name, shape in shapes.items():
            if arrays[f"{part}_{name}"].shape != shape:
                found = arrays[f"{part}_{name}"].shape
                raise LineupError(f"{path}: {part}_{name}: expected shape {shape}, as in record.json, found {found}")
        try:
            scores[part] = Scores(**{name: arrays[f"{part}_{name}"] for name in shapes})
        except LineupError as error:
            raise LineupError(f"{path}: {part}_{shortened(error)}") from error
    return Predictions(**scores)
