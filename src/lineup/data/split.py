"""Split training images into nested and stratified validation sets. All models share the same split.

>>> labels = np.array([0, 0, 0, 1, 1, 1])
>>> sorted(labels[stratified_order(labels, seed=1)[:2]].tolist())
[0, 1]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lineup.data.dataset import Arrays, Dataset, Order, check_arrays, parse_description, save_dataset
from lineup.data.datasets import (
    DESCRIPTION,
    FILE_NAMES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from lineup.data.idx import read_idx
from lineup.errors import LineupError, shortened
from lineup.files import file_sha256


def stratified_order(labels: np.ndarray[Any, Any], seed: int) -> Order:
    """Shuffle the indices of images with stratification by class, and return the order.

    The first n images of the order have about the same class proportions as all images. The order within each class is
    random. The images are sorted by (rank within the class + 0.5) / (size of the class). Ties are ordered at random. If
    all classes have the same size, the class counts among the first n images differ by at most 1.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class of each image.
    seed : int
        Seed of the permutation, 0 or above.

    Returns
    -------
    ndarray of int32, shape (n,)
    """
    rng = np.random.default_rng(seed)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((rng.random(len(labels)), position)).astype(np.int32)


def write_split(raw: Path, target: Path, seed: int) -> Dataset:
    """Read a downloaded dataset, split it and write the result to one file.

    Parameters
    ----------
    raw : Path
        Output folder of `lineup.data.download.download` with four IDX files and ``dataset.json``.
    target : Path
        The uncompressed NPZ file. The output is deterministic for given data and seed.
    seed : int
        Seed of the order, 0 or above.

    Returns
    -------
    Dataset

    Raises
    ------
    LineupError
        If a file is missing, damaged or does not have the checksum in ``dataset.json``, if images and labels do not fit
        together, or the seed is below 0.
    """
    if seed < 0:
        raise LineupError(f"split.seed: expected 0 or above, found {seed}")
    described, arrays = _read_raw(raw)
    arrays["order"] = stratified_order(arrays["train_labels"], seed)
    return save_dataset(target, described, arrays, seed)


def _read_raw(raw: Path) -> tuple[dict[str, Any], Arrays]:
    """Read and check the description and the four arrays of a downloaded dataset."""
    path = raw / DESCRIPTION
    try:
        if not path.is_file():
            raise LineupError(f"{path}: no such file; run lineup download first")
        described = parse_description(path, path.read_bytes())
        _check_files(raw, described.get("files"))
    except OSError as error:
        raise LineupError(f"{error.filename or raw}: {error.strerror or error}") from error
    arrays = {
        "train_images": read_idx(raw / TRAIN_IMAGES),
        "train_labels": read_idx(raw / TRAIN_LABELS),
        "test_images": read_idx(raw / TEST_IMAGES),
        "test_labels": read_idx(raw / TEST_LABELS),
    }
    check_arrays(str(raw / TRAIN_LABELS), str(raw / TEST_LABELS), arrays, described["classes"])
    return described, arrays


def _check_files(raw: Path, checksums: object) -> None:
    """Check the checksums of all files. After an interrupted download, the folder can contain files of two different
    datasets.
    """
    for name in FILE_NAMES:
        if not (raw / name).is_file():
            raise LineupError(f"{raw / name}: no such file; run lineup download first")
        expected = checksums.get(name) if isinstance(checksums, dict) else None
        found = file_sha256(raw / name)
        if found != expected:
            raise LineupError(
                f"{raw / name}: {DESCRIPTION} expects SHA-256 {shortened(expected, 80)}, found {found}; download again"
            )
