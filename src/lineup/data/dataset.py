"""The one file that holds all images and labels of a dataset, and their split.

The training images are permuted once. The first ``share`` of the order validates, the rest trains, so the hold-out of a
small share lies inside that of a larger one, and all models share its beginning. The test set is never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lineup.data.datasets import IMAGE_SIZE, find_dataset
from lineup.errors import LineupError, shortened
from lineup.npz import read_npz, write_npz

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Order = np.ndarray[Any, np.dtype[np.int32]]
Arrays = dict[str, np.ndarray[Any, Any]]

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
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    order: Order
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, *channels = self.train_images.shape[1:]
        return height, width, channels[0] if channels else 1

    @property
    def title(self) -> str:
        """The dataset's name as a reader knows it."""
        return find_dataset(self.name).title

    def validation_indices(self, share: float) -> Order:
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

    def training_indices(self, share: float) -> Order:
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


def save_dataset(path: Path, described: Mapping[str, Any], arrays: Arrays, seed: int) -> Dataset:
    """Write images, labels and order to one uncompressed NPZ file: the same bytes for the same content.

    Parameters
    ----------
    path : Path
        The NPZ file.
    described : mapping
        Has the keys ``name``, ``generated`` and ``classes``.
    arrays : dict of str to ndarray
        The five arrays of `Dataset`.
    seed : int
        Seed of the order.

    Returns
    -------
    Dataset
    """
    metadata = {
        "schema": _SCHEMA,
        "name": described["name"],
        "generated": described["generated"],
        "classes": described["classes"],
        "seed": seed,
        "fingerprint": _fingerprint(described["name"], arrays),
    }
    write_npz(path, {_METADATA: np.frombuffer(json.dumps(metadata).encode(), np.uint8), **arrays})
    return _dataset(metadata, arrays)


def load_dataset(path: Path) -> Dataset:
    """Read and verify the file of `save_dataset`.

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
    metadata = parse_description(path, arrays.pop(_METADATA).tobytes())
    if metadata.get("schema") != _SCHEMA:
        raise LineupError(
            f"{path}: expected schema {_SCHEMA}, found {shortened(metadata.get('schema'), 80)}; run lineup split again"
        )
    check_pair(f"{path}: train_labels", arrays["train_images"], arrays["train_labels"], metadata["classes"])
    check_pair(f"{path}: test_labels", arrays["test_images"], arrays["test_labels"], metadata["classes"])
    _check_order(path, arrays["order"], len(arrays["train_labels"]))
    found = _fingerprint(metadata["name"], arrays)
    if metadata.get("fingerprint") != found:
        fingerprint = shortened(metadata.get("fingerprint"), 80)
        raise LineupError(f"{path}: expected the fingerprint {fingerprint}, found {found}")
    return _dataset(metadata, arrays)


def _dataset(metadata: dict[str, Any], arrays: Arrays) -> Dataset:
    return Dataset(
        name=metadata["name"],
        generated=metadata["generated"],
        classes=tuple(metadata["classes"]),
        fingerprint=metadata["fingerprint"],
        **arrays,
    )


def parse_description(path: Path, content: bytes) -> dict[str, Any]:
    """Return the JSON object with at least name, generated and classes, each of its type."""
    try:
        described = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise LineupError(f"{path}: expected JSON, found something else: {shortened(error)}") from error
    if not isinstance(described, dict):
        raise LineupError(f"{path}: expected a JSON object, found {type(described).__name__}")
    for key, kind in (("name", str), ("generated", bool), ("classes", list)):
        if not isinstance(described.get(key), kind):
            found = shortened(repr(described.get(key)), 80)
            raise LineupError(f"{path}: {key}: expected a {kind.__name__}, found {found}")
    classes = described["classes"]
    if not 2 <= len(classes) <= 256 or not all(isinstance(name, str) for name in classes):
        raise LineupError(f"{path}: classes: expected 2 to 256 names, found {shortened(classes, 80)}")
    return described


def check_pair(where: str, images: Bytes, labels: Bytes, classes: Sequence[str]) -> None:
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
        missing = shortened(repr(classes[int(counts.argmin())]), 80)
        raise LineupError(f"{where}: expected images of every class, found none of {missing}")


def _check_layout(path: Path, arrays: Arrays) -> None:
    expected = {_METADATA: np.dtype(np.uint8), **{name: np.dtype(kind) for name, kind in _DTYPES.items()}}
    found = {name: array.dtype for name, array in arrays.items()}
    if found != expected:
        listed = [", ".join(f"{name} {kind}" for name, kind in kinds.items()) for kinds in (expected, found)]
        raise LineupError(f"{path}: expected the arrays {listed[0]}; found {shortened(listed[1] or 'none')}")


def _check_order(path: Path, order: Order, count: int) -> None:
    if order.shape != (count,) or not np.array_equal(np.sort(order), np.arange(count)):
        raise LineupError(f"{path}: order: expected a permutation of 0 to {count - 1}")


def _fingerprint(name: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(json.dumps(name).encode())
    for key in _DTYPES:
        digest.update(f"|{key} {arrays[key].shape}|".encode())
        digest.update(np.ascontiguousarray(arrays[key]).data)
    return digest.hexdigest()
