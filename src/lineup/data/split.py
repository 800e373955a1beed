"""Split training images into nested and stratified validation sets. All models share the same split.

Examples
--------
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
    DATASETS,
    DESCRIPTION,
    FILE_NAMES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from lineup.data.duplicates import DUPLICATES, Duplicates, count_duplicates, write_duplicates
from lineup.data.idx import read_idx
from lineup.data.image_split import group_order, split_images
from lineup.data.images import RawImages, load_images
from lineup.errors import LineupError, shortened
from lineup.files import file_sha256


def stratified_order(labels: np.ndarray[Any, Any], seed: int) -> Order:
    """Shuffle the indices of images with stratification by class, and return the order.

    The first n images of the order have about the same class proportions as all images. The order within each class is
    random. The images are sorted by (rank within the class + 0.5) / (size of the class). Ties are ordered at random. If
    all classes have the same size, the first n images contain almost the same number of images of each class. These
    numbers differ by at most 1.

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


def write_split(
    raw: Path,
    target: Path,
    seed: int,
    *,
    test: float = 0.2,
    duplicates: str = "keep",
    near_duplicates: str = "keep",
) -> Dataset:
    """Read the images, split them and write the result to one file.

    The numbers of repeated images are written to ``duplicates.json`` in the same folder.

    Parameters
    ----------
    raw : Path
        Output folder of `lineup.data.download.download` with four IDX files and ``dataset.json``, or of
        `lineup.data.images.read_images`.
    target : Path
        The uncompressed NPZ file. The output is deterministic for given data and seed.
    seed : int
        Seed of the order, 0 or above.
    test : float, optional
        Share of a user's own images for testing, if the dataset contains no test images. Default 0.2.
    duplicates, near_duplicates : {"keep", "drop", "move"}, optional
        What to do with training images that are copies of test images, see `lineup.data.settings.Split`. Default keep.
        Only for a user's own images.

    Returns
    -------
    Dataset

    Raises
    ------
    LineupError
        If a file is missing, damaged or does not have the checksum in ``dataset.json``, if images and labels do not fit
        together, a class has too few images, or the seed is below 0.
    """
    if seed < 0:
        raise LineupError(f"split.seed: expected 0 or above, found {seed}")
    described = _read_description(raw)
    if described["name"] in DATASETS:
        if duplicates != "keep" or near_duplicates != "keep":
            raise LineupError(f"split.duplicates: {described['name']} is used as published; expected keep")
        arrays, copies = _read_raw(raw, described)
        arrays["order"] = stratified_order(arrays["train_labels"], seed)
    else:
        images = load_images(raw, described.get("fingerprint"))
        found = split_images(
            images, described["classes"], seed, test=test, duplicates=duplicates, near_duplicates=near_duplicates
        )
        described["validation"], copies = found.validation, found.duplicates
        arrays = _arrays(images, found.train, found.test)
        arrays["order"] = _order(arrays, found.validation or 0, seed)
        check_arrays(f"{raw}: train", f"{raw}: test", arrays, described["classes"])
    write_duplicates(target.parent / DUPLICATES, copies)
    return save_dataset(target, described, arrays, seed)


def _arrays(raw: RawImages, train: np.ndarray[Any, Any], test: np.ndarray[Any, Any]) -> Arrays:
    """Return all arrays of a user's dataset except the order of the training images."""
    arrays: Arrays = {
        "train_images": raw.images[train],
        "train_labels": raw.labels[train],
        "test_images": raw.images[test],
        "test_labels": raw.labels[test],
    }
    return arrays if raw.groups is None else arrays | {"groups": raw.groups[train]}


def _order(arrays: Arrays, validation: int, seed: int) -> Order:
    """Shuffle the training images of a user. Validation images that the user has chosen come first."""
    labels = arrays["train_labels"][validation:]
    grouped = "groups" in arrays and not validation
    random = np.random.default_rng(seed)
    order = group_order(labels, arrays["groups"], random) if grouped else stratified_order(labels, seed)
    return np.concatenate([np.arange(validation), validation + order]).astype(np.int32)


def _read_description(raw: Path) -> dict[str, Any]:
    """Read and check the description of a dataset."""
    path = raw / DESCRIPTION
    try:
        if not path.is_file():
            raise LineupError(f"{path}: no such file; run lineup download first")
        described = parse_description(path, path.read_bytes())
    except OSError as error:
        raise LineupError(f"{error.filename or raw}: {error.strerror or error}") from error
    title = described.get("title")
    if described["name"] not in DATASETS and not isinstance(title, str):
        raise LineupError(f"{path}: title: expected a str, found {shortened(repr(title), 80)}")
    return described


def _read_raw(raw: Path, described: dict[str, Any]) -> tuple[Arrays, Duplicates]:
    """Read the four arrays of a downloaded dataset, check them, and count the repeated images."""
    _check_files(raw, described.get("files"))
    arrays = {
        "train_images": read_idx(raw / TRAIN_IMAGES),
        "train_labels": read_idx(raw / TRAIN_LABELS),
        "test_images": read_idx(raw / TEST_IMAGES),
        "test_labels": read_idx(raw / TEST_LABELS),
    }
    check_arrays(str(raw / TRAIN_LABELS), str(raw / TEST_LABELS), arrays, described["classes"])
    images = np.concatenate([arrays["train_images"], arrays["test_images"]])
    labels = np.concatenate([arrays["train_labels"], arrays["test_labels"]])
    train = np.arange(len(arrays["train_labels"]))
    copies, _, _ = count_duplicates(images, labels, train, np.arange(len(train), len(labels)))
    return arrays, copies


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
