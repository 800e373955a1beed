r"""Define the interface of all image formats.

The interface contains the classes, labels, parts and groups, and a function that reads an image.

Examples
--------
>>> in_order(["10", "9", "b", "a"])
['9', '10', 'a', 'b']
>>> clean_name(" two\n lines ")
'two lines'
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError, count, shortened

PARTS = ("", "train", "val", "test")
"""The parts of the images. The part is empty if the dataset does not assign its images to parts."""

MAX_CLASSES = 256

_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_MAX_NAME = 60
"""Longest name of a class, in characters."""


@dataclass(frozen=True)
class Entry:
    """One image with the name of its class.

    Parameters
    ----------
    name : str
        Name of the image for messages, such as the path of its file.
    label : str
        Name of its class, not cleaned.
    part : str
        One of `PARTS`.
    group : str or None
        Name of the group of the image, such as a person or an object. All images of a group are in the same part.
    """

    name: str
    label: str
    part: str = ""
    group: str | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Images that were found at a path. They are read one at a time.

    Parameters
    ----------
    path : Path
        The folder or the file.
    format : str
        Description of the format for the user.
    classes : tuple of str
        Cleaned names of the classes.
    labels : ndarray of int32, shape (n,)
        Class of each image, as an index into ``classes``.
    parts : ndarray of uint8, shape (n,)
        Part of each image, as an index into `PARTS`.
    names : sequence of str
        Name of each image for messages.
    read : callable
        Function that reads the image with a given index, of shape (height, width, 4): red, green, blue and opacity. It
        raises a `LineupError` if the image cannot be read.
    size : callable
        Function that returns the width and the height of the image with a given index.
    groups : ndarray of int32, shape (n,), or None
        Group of each image. None if the source has no groups.
    problems : list of str
        One message for each file that was left out, with the reason.
    notes : list of str
        Other notes for the user.
    """

    path: Path
    format: str
    classes: tuple[str, ...]
    labels: NDArray[np.int32]
    parts: NDArray[np.uint8]
    names: Sequence[str]
    read: Callable[[int], NDArray[np.uint8]]
    size: Callable[[int], tuple[int, int]]
    groups: NDArray[np.int32] | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)


def make_source(path: Path, form: str, entries: Sequence[Entry], **rest: Any) -> Source:
    """Assign numbers to the classes and groups of images, and return the image source.

    Parameters
    ----------
    path, form
        See `Source`.
    entries : sequence of Entry
        One for each image.
    **rest
        The other arguments of `Source`.

    Raises
    ------
    LineupError
        If there are no images, only one class, more than 256 classes, or only some of the images have a part.
    """
    if not entries:
        raise LineupError(f"{path}: found no images")
    found = in_order({entry.label for entry in entries})
    if not 2 <= len(found) <= MAX_CLASSES:
        only = f": {shortened(repr(found[0]), 80)}" if len(found) == 1 else ""
        raise LineupError(f"{path}: expected 2 to {MAX_CLASSES} classes, found {len(found):,}{only}")
    number = {label: index for index, label in enumerate(found)}
    parts = np.array([PARTS.index(entry.part) for entry in entries], np.uint8)
    _check_parts(path, parts)
    named = {entry.group for entry in entries if entry.group is not None}
    group = {name: index for index, name in enumerate(sorted(named))}
    return Source(
        path=path,
        format=form,
        classes=tuple(_distinct([clean_name(label) for label in found])),
        labels=np.array([number[entry.label] for entry in entries], np.int32),
        parts=parts,
        names=[entry.name for entry in entries],
        groups=np.array([group[entry.group or ""] for entry in entries], np.int32) if named else None,
        **rest,
    )


def part_of(text: str) -> str | None:
    """Return the part of a dataset that a name means. For example, "Training" means "train". Unknown names give
    None.
    """
    return _PART_NAMES.get(text.strip().lower())


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels by name. Whole numbers come first, by value."""
    return sorted(set(labels), key=lambda text: (not _is_number(text), int(text) if _is_number(text) else 0, text))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,15}", text) is not None


def clean_name(label: str) -> str:
    """Return a class name without control characters, with at most 60 characters.

    The name of a folder can contain any character, such as a line break. In pages and tables, each class name must fit
    on one line.
    """
    text = unicodedata.normalize("NFC", label.encode("utf-8", "replace").decode())
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)
    return shortened(plain, _MAX_NAME) or "unnamed"


def _distinct(names: Sequence[str]) -> list[str]:
    """Make the names unique. If the same name occurs again, a number is added to the name."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name} ({number})"
        found.append(free)
    return found


def _check_parts(path: Path, parts: NDArray[np.uint8]) -> None:
    """Raise an error if only some images belong to a part, or if there are no training images."""
    counts = np.bincount(parts, minlength=len(PARTS))
    if counts[0] and counts[1:].any():
        raise LineupError(
            f"{path}: {count(int(counts[0]), 'image')} without a part; expected train, val or test for every image,"
            " or for none"
        )
    if not counts[0] and not counts[PARTS.index("train")]:
        raise LineupError(f"{path}: found no training images, only images for validation or testing")
