"""Split a downloaded dataset once for every model: nested, stratified, seeded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lineup.data.dataset import Arrays, Dataset, Order, check_pair, parse_description, save_dataset
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
    """Return one random permutation of which every beginning holds the classes in their shares.

    Inside each class the order is random; the classes are then interleaved by (rank within the class + 0.5) / (size of
    the class), ties at random. With classes of equal size, no two of them differ by more than 1 in any beginning.

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
    """Read a downloaded dataset, split it, and write all of it to one file.

    Parameters
    ----------
    raw : Path
        Folder of `lineup.data.download.download`: four IDX files and ``dataset.json``.
    target : Path
        The NPZ file, uncompressed; the same bytes for the same data and seed.
    seed : int
        Seed of the order, 0 or above.

    Returns
    -------
    Dataset

    Raises
    ------
    LineupError
        If a file is missing, damaged, or not the one that ``dataset.json`` describes, if images and labels do not
        belong together, or the seed is below 0.
    """
    if seed < 0:
        raise LineupError(f"split.seed: expected 0 or above, found {seed}")
    described, arrays = _read_raw(raw)
    arrays["order"] = stratified_order(arrays["train_labels"], seed)
    return save_dataset(target, described, arrays, seed)


def _read_raw(raw: Path) -> tuple[dict[str, Any], Arrays]:
    """Return the description of a downloaded dataset and its four arrays, each held against the other."""
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
    check_pair(f"{raw / TRAIN_LABELS}", arrays["train_images"], arrays["train_labels"], described["classes"])
    check_pair(f"{raw / TEST_LABELS}", arrays["test_images"], arrays["test_labels"], described["classes"])
    return described, arrays


def _check_files(raw: Path, checksums: object) -> None:
    """Hold the files against their checksums: a download that failed half-way leaves files of two datasets."""
    for name in FILE_NAMES:
        if not (raw / name).is_file():
            raise LineupError(f"{raw / name}: no such file; run lineup download first")
        expected = checksums.get(name) if isinstance(checksums, dict) else None
        found = file_sha256(raw / name)
        if found != expected:
            raise LineupError(
                f"{raw / name}: {DESCRIPTION} expects SHA-256 {shortened(expected, 80)}, found {found}; download again"
            )
