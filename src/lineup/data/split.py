"""One nested, stratified split for every model, and the one file that holds the images in its order.

The training images are permuted once. The first ``share`` of the order validates, the rest trains, so the hold-out of a
small share lies inside that of a larger one, and all models share its beginning. The test set is never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lineup.data.datasets import (
    DESCRIPTION,
    FILE_NAMES,
    IMAGE_SIZE,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    file_sha256,
)
from lineup.data.idx import read_idx
from lineup.errors import LineupError
from lineup.npz import read_npz, write_npz

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Order = np.ndarray[Any, np.dtype[np.int32]]
_Arrays = dict[str, np.ndarray[Any, Any]]

_SCHEMA = 1
_METADATA = "metadata"
_DTYPES = {
    "train_images": np.uint8,
    "train_labels": np.uint8,
    "test_images": np.uint8,
    "test_labels": np.uint8,
    "order": np.int32,
}
# A million images.
_MAX_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, labels and their split.

    Parameters
    ----------
    name : str
        Key of the dataset in `lineup.data.datasets.DATASETS`.
    generated : bool
        True if the images are drawn.
    classes : tuple of str
        Class names; a label is an index into them.
    train_images, test_images : ndarray of uint8, shape (n, 28, 28)
        Grey values, 0 to 255.
    train_labels, test_labels : ndarray of uint8, shape (n,)
        Classes of the images.
    order : ndarray of int32, shape (n,)
        A permutation of the training images; see `stratified_order`.
    fingerprint : str
        SHA-256 over name, arrays and order, 64 hexadecimal digits.
    """

    name: str
    generated: bool
    classes: tuple[str, ...]
    train_images: _Bytes
    train_labels: _Bytes
    test_images: _Bytes
    test_labels: _Bytes
    order: _Order
    fingerprint: str

    def validation_indices(self, share: float) -> _Order:
        """Return which training images a model with this validation share is validated on.

        Parameters
        ----------
        share : float
            Above 0, at most 0.5; ``round(share * n)`` images. Those of a smaller share come first.

        Returns
        -------
        ndarray of int32

        Raises
        ------
        LineupError
            If the share is out of range, or leaves a class without an image on either side.
        """
        return self.order[: self._cut(share)]

    def training_indices(self, share: float) -> _Order:
        """Return which training images a model with this validation share is trained on: all others.

        Parameters, returned value and errors are those of `validation_indices`.
        """
        return self.order[self._cut(share) :]

    def _cut(self, share: float) -> int:
        if not 0 < share <= 0.5:
            raise LineupError(f"validation: expected a share above 0 and at most 0.5, found {share}")
        total = len(self.order)
        cut = round(share * total)
        for part, purpose in ((self.order[:cut], "validation"), (self.order[cut:], "training")):
            counts = np.bincount(self.train_labels[part], minlength=len(self.classes))
            if counts.min() == 0:
                missing = self.classes[int(counts.argmin())]
                raise LineupError(
                    f"validation: {share} of {total:,} images leaves {len(part):,} for {purpose}, none of class"
                    f" {missing!r}; expected at least one of each class"
                )
        return cut


def stratified_order(labels: np.ndarray[Any, Any], seed: int) -> _Order:
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
        raise LineupError(f"data.seed: expected 0 or above, found {seed}")
    described, arrays = _read_raw(raw)
    arrays["order"] = stratified_order(arrays["train_labels"], seed)
    metadata = {
        "schema": _SCHEMA,
        "name": described["name"],
        "generated": described["generated"],
        "classes": described["classes"],
        "seed": seed,
        "fingerprint": _fingerprint(described["name"], arrays),
    }
    write_npz(target, {_METADATA: np.frombuffer(json.dumps(metadata).encode(), np.uint8), **arrays})
    return _dataset(metadata, arrays)


def load_dataset(path: Path) -> Dataset:
    """Read and verify the file of `write_split`.

    Parameters
    ----------
    path : Path
        The NPZ file.

    Returns
    -------
    Dataset

    Raises
    ------
    LineupError
        If the file is missing, damaged, of another layout, or its content does not have the fingerprint that it names.
    """
    if not path.is_file():
        raise LineupError(f"{path}: no such file; run lineup split first")
    arrays = read_npz(path, max_bytes=_MAX_BYTES)
    _check_layout(path, arrays)
    metadata = _parse_description(path, arrays.pop(_METADATA).tobytes())
    if metadata.get("schema") != _SCHEMA:
        raise LineupError(f"{path}: expected schema {_SCHEMA}, found {metadata.get('schema')}; run lineup split again")
    _check_pair(f"{path}: train_labels", arrays["train_images"], arrays["train_labels"], metadata["classes"])
    _check_pair(f"{path}: test_labels", arrays["test_images"], arrays["test_labels"], metadata["classes"])
    _check_order(path, arrays["order"], len(arrays["train_labels"]))
    found = _fingerprint(metadata["name"], arrays)
    if metadata.get("fingerprint") != found:
        raise LineupError(f"{path}: expected the fingerprint {metadata.get('fingerprint')}, found {found}")
    return _dataset(metadata, arrays)


def _dataset(metadata: dict[str, Any], arrays: _Arrays) -> Dataset:
    return Dataset(
        name=metadata["name"],
        generated=metadata["generated"],
        classes=tuple(metadata["classes"]),
        fingerprint=metadata["fingerprint"],
        **arrays,
    )


def _read_raw(raw: Path) -> tuple[dict[str, Any], _Arrays]:
    """Return the description of a downloaded dataset and its four arrays, each held against the other."""
    path = raw / DESCRIPTION
    try:
        if not path.is_file():
            raise LineupError(f"{path}: no such file; run lineup download first")
        described = _parse_description(path, path.read_bytes())
        _check_files(raw, described.get("files"))
    except OSError as error:
        raise LineupError(f"{error.filename or raw}: {error.strerror or error}") from error
    arrays = {
        "train_images": read_idx(raw / TRAIN_IMAGES),
        "train_labels": read_idx(raw / TRAIN_LABELS),
        "test_images": read_idx(raw / TEST_IMAGES),
        "test_labels": read_idx(raw / TEST_LABELS),
    }
    _check_pair(f"{raw / TRAIN_LABELS}", arrays["train_images"], arrays["train_labels"], described["classes"])
    _check_pair(f"{raw / TEST_LABELS}", arrays["test_images"], arrays["test_labels"], described["classes"])
    return described, arrays


def _check_layout(path: Path, arrays: _Arrays) -> None:
    expected = {_METADATA: np.dtype(np.uint8), **{name: np.dtype(kind) for name, kind in _DTYPES.items()}}
    found = {name: array.dtype for name, array in arrays.items()}
    if found != expected:
        listed = [", ".join(f"{name} {kind}" for name, kind in kinds.items()) for kinds in (expected, found)]
        raise LineupError(f"{path}: expected the arrays {listed[0]}; found {listed[1] or 'none'}")


def _parse_description(path: Path, content: bytes) -> dict[str, Any]:
    """Return the JSON object with at least name, generated and classes, each of its type."""
    try:
        described = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise LineupError(f"{path}: expected JSON, found something else: {error}") from error
    if not isinstance(described, dict):
        raise LineupError(f"{path}: expected a JSON object, found {type(described).__name__}")
    for key, kind in (("name", str), ("generated", bool), ("classes", list)):
        if not isinstance(described.get(key), kind):
            raise LineupError(f"{path}: {key}: expected a {kind.__name__}, found {described.get(key)!r}")
    classes = described["classes"]
    if not 2 <= len(classes) <= 256 or not all(isinstance(name, str) for name in classes):
        raise LineupError(f"{path}: classes: expected 2 to 256 names, found {str(classes)[:80]}")
    return described


def _check_files(raw: Path, checksums: object) -> None:
    """Hold the files against their checksums: a download that failed half-way leaves files of two datasets."""
    for name in FILE_NAMES:
        if not (raw / name).is_file():
            raise LineupError(f"{raw / name}: no such file; run lineup download first")
        expected = checksums.get(name) if isinstance(checksums, dict) else None
        found = file_sha256(raw / name)
        if found != expected:
            raise LineupError(
                f"{raw / name}: {DESCRIPTION} expects SHA-256 {expected}, found {found}; download it again"
            )


def _check_pair(where: str, images: _Bytes, labels: _Bytes, classes: Sequence[str]) -> None:
    """Check that images and labels belong together; ``where`` names the labels."""
    if images.ndim != 3 or images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        shape = " x ".join(map(str, images.shape))
        raise LineupError(f"{where}: expected images of n x {IMAGE_SIZE} x {IMAGE_SIZE} beside it, found {shape}")
    if labels.shape != (len(images),):
        shape = " x ".join(map(str, labels.shape))
        raise LineupError(f"{where}: expected {len(images):,} labels, one an image, found {shape}")
    if len(labels) and labels.max() >= len(classes):
        raise LineupError(f"{where}: expected labels 0 to {len(classes) - 1}, found {labels.max()}")
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() == 0:
        raise LineupError(f"{where}: expected images of every class, found none of {classes[int(counts.argmin())]!r}")


def _check_order(path: Path, order: _Order, count: int) -> None:
    if order.shape != (count,) or not np.array_equal(np.sort(order), np.arange(count)):
        raise LineupError(f"{path}: order: expected a permutation of 0 to {count - 1}")


def _fingerprint(name: str, arrays: _Arrays) -> str:
    digest = hashlib.sha256(json.dumps(name).encode())
    for key in _DTYPES:
        digest.update(f"|{key} {arrays[key].shape}|".encode())
        digest.update(np.ascontiguousarray(arrays[key]).data)
    return digest.hexdigest()
