"""Find images that occur more than once, and training images that are copies of test images.

Examples
--------
>>> images = np.zeros((3, 8, 9), np.uint8)
>>> images[1] = 7
>>> exact_keys(images).tolist()
[0, 1, 0]
>>> copies_of(exact_keys(images), np.array([2]), np.array([0, 1])).tolist()
[True, False]
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lineup.errors import count
from lineup.schema import read_checked, write_json

DUPLICATES = "duplicates.json"
"""The file with the numbers of repeated images, beside the dataset."""

_ROWS = 8
_COLUMNS = 9
_CLOSE = 4.0
"""Largest mean absolute difference of the pixels (0 to 255) of two images that look nearly the same."""
_CHUNK = 4096


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Duplicates:
    """Numbers of repeated images in a dataset.

    Parameters
    ----------
    exact : int
        Number of training images with the same pixels as a test image.
    near : int
        Number of other training images that look nearly the same as a test image: the difference hashes are equal, and
        the mean absolute difference of the pixels (0 to 255) is at most 4.
    within : int
        Number of training images with the same pixels as an earlier training image.
    conflicting : int
        Number of images that have the same pixels as an image of a different class.
    dropped, moved : int
        Numbers of training images that were left out, and that were moved to the test images.
    """

    exact: int
    near: int
    within: int
    conflicting: int
    dropped: int = 0
    moved: int = 0

    def sentence(self) -> str:
        """Describe the numbers for readers.

        Examples
        --------
        >>> print(Duplicates(exact=2, near=1, within=0, conflicting=0, dropped=2).sentence())
        2 training images have the same pixels as a test image, 1 other looks nearly the same; 2 were dropped.
        """
        have, look = "has" if self.exact == 1 else "have", " looks" if self.near == 1 else "s look"
        text = f"{count(self.exact, 'training image')} {have} the same pixels as a test image"
        text += f", {self.near:,} other{look} nearly the same"
        if self.dropped or self.moved:
            done = [f"{self.dropped:,} were dropped"] * bool(self.dropped)
            done += [f"{self.moved:,} were moved to the test images"] * bool(self.moved)
            text += f"; {' and '.join(done)}"
        if self.within:
            text += f". {count(self.within, 'training image')} repeat{'s' if self.within == 1 else ''} an earlier one"
        if self.conflicting:
            text += f". {count(self.conflicting, 'image')} with the same pixels belong to different classes"
        return f"{text}."


def write_duplicates(path: Path, duplicates: Duplicates) -> None:
    """Write ``duplicates.json``."""
    write_json(path, asdict(duplicates))


def read_duplicates(path: Path) -> Duplicates:
    """Read ``duplicates.json``.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not in the format of `write_duplicates`.
    """
    found: Duplicates = read_checked(path, Duplicates)
    return found


def count_duplicates(
    images: NDArray[np.uint8], labels: NDArray[np.integer], train: NDArray[np.integer], test: NDArray[np.integer]
) -> tuple[Duplicates, NDArray[np.bool_], NDArray[np.bool_]]:
    """Count the repeated images of a dataset.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
    labels : ndarray of int, shape (n,)
    train, test : ndarray of int
        Indices of the training images, with the validation images, and of the test images.

    Returns
    -------
    duplicates : Duplicates
    exact, near : ndarray of bool, of the shape of ``train``
        Whether each training image has the same pixels as a test image, and whether it looks nearly the same as one.
    """
    keys = exact_keys(images)
    exact = copies_of(keys, test, train)
    near = ~exact & _near(images, test, train)
    # If all images with a key have the same label, the key occurs in only one pair of key and label.
    pairs = np.unique(np.stack([keys, labels.astype(np.int64)]), axis=1)
    several = np.bincount(pairs[0], minlength=len(images)) > 1
    counts = Duplicates(
        exact=int(exact.sum()),
        near=int(near.sum()),
        within=len(train) - len(np.unique(keys[train])),
        conflicting=int(several[keys].sum()),
    )
    return counts, exact, near


def exact_keys(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a number for each image. Two images have the same number if all their pixels are the same."""
    seen: dict[bytes, int] = {}
    found = (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images)
    return np.array([seen.setdefault(digest, index) for index, digest in enumerate(found)], np.int64)


def copies_of(keys: NDArray[np.integer], test: NDArray[np.integer], train: NDArray[np.integer]) -> NDArray[np.bool_]:
    """For each training image, return whether a test image has the same key."""
    return np.isin(keys[train], keys[test])


def difference_hash(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Compute the difference hash of images.

    Each image is first reduced to eight rows with nine grey values. A bit of the hash is 1 if a grey value is larger
    than the value to its left. The hash does not depend on the brightness and the contrast of an image. Small changes
    in an image rarely change the hash.
    """
    found = [_hash_chunk(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
    return np.concatenate(found) if found else np.empty(0, np.uint64)


def _hash_chunk(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    grey = images.astype(np.float32) if images.ndim == 3 else images.mean(axis=3, dtype=np.float32)
    for axis, parts in ((1, _ROWS), (2, _COLUMNS)):
        starts = np.unique(np.arange(parts) * grey.shape[axis] // parts)
        sizes = np.diff([*starts, grey.shape[axis]])
        shape = [1, 1, 1]
        shape[axis] = -1
        grey = np.add.reduceat(grey, starts, axis=axis) / sizes.reshape(shape)
    bits = (np.diff(grey, axis=2) > 0).reshape(len(grey), -1)
    powers = np.uint64(1) << np.arange(bits.shape[1], dtype=np.uint64)
    hashes: NDArray[np.uint64] = (bits * powers).sum(axis=1, dtype=np.uint64)
    return hashes


def _near(images: NDArray[np.uint8], test: NDArray[np.integer], train: NDArray[np.integer]) -> NDArray[np.bool_]:
    """For each training image, return whether a test image looks nearly the same."""
    hashes = difference_hash(images)
    by_hash: dict[int, list[int]] = {}
    for index in test.tolist():
        by_hash.setdefault(int(hashes[index]), []).append(index)
    near = np.zeros(len(train), bool)
    for place, index in enumerate(train.tolist()):
        others = by_hash.get(int(hashes[index]))
        if others:
            near[place] = _is_close(images[index], images[others])
    return near


def _is_close(image: NDArray[np.uint8], others: NDArray[np.uint8]) -> bool:
    """Return whether an image has nearly the same pixels as one of the other images."""
    differences = np.abs(others.astype(np.int16) - image).reshape(len(others), -1)
    return bool(differences.mean(axis=1).min() <= _CLOSE)
