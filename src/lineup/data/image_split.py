"""Divide a user's own images into training, validation and test images.

Examples
--------
>>> labels = np.repeat([0, 1], 10)
>>> chosen = choose_test(labels, None, 0.2, seed=1)
>>> labels[chosen].tolist()
[0, 0, 1, 1]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.data.duplicates import Duplicates, count_duplicates
from lineup.data.images import RawImages
from lineup.data.sources.source import PARTS
from lineup.errors import LineupError, count, shortened

Indices = NDArray[np.intp]

_VAL, _TEST = PARTS.index("val"), PARTS.index("test")
_NEEDED = {"train": 3, "val": 1, "test": 1}
"""Smallest number of images of each class in each part. With three training images, the first fifth has each class."""


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSplit:
    """The images of each part.

    Parameters
    ----------
    train : ndarray of int
        Indices of the training images. If the user has chosen validation images, these come first.
    test : ndarray of int
        Indices of the test images.
    validation : int or None
        Number of validation images that the user has chosen.
    duplicates : Duplicates
    """

    train: Indices
    test: Indices
    validation: int | None
    duplicates: Duplicates


def split_images(
    raw: RawImages, classes: Sequence[str], seed: int, *, test: float, duplicates: str, near_duplicates: str
) -> ImageSplit:
    """Choose test images if the dataset contains none. Remove or move each training image that is a copy of a test
    image.

    Parameters
    ----------
    raw : RawImages
    classes : sequence of str
        Names of the classes, for error messages.
    seed : int
        Seed of the choice.
    test : float
        Share of the images for testing, if the dataset contains no test images.
    duplicates, near_duplicates : {"keep", "drop", "move"}
        See `lineup.data.settings.Split`.

    Raises
    ------
    LineupError
        If a class has too few images or groups.
    """
    is_test, is_val = raw.parts == _TEST, raw.parts == _VAL
    given = {"val": bool(is_val.any()), "test": bool(is_test.any())}
    rest = np.flatnonzero(~is_val & ~is_test)
    _check_enough(raw.labels[rest], classes, given)
    if not given["test"]:
        groups = None if raw.groups is None else raw.groups[rest]
        _check_groups(raw.labels[rest], groups, classes, given)
        is_test[rest[choose_test(raw.labels[rest], groups, test, seed)]] = True
    counts, dropped = _treat_copies(raw, is_test, {"exact": duplicates, "near": near_duplicates})
    validation = np.flatnonzero(is_val & ~is_test & ~dropped)
    training = np.flatnonzero(~is_val & ~is_test & ~dropped)
    _check_training(raw.labels[training], classes)
    return ImageSplit(
        train=np.concatenate([validation, training]),
        test=np.flatnonzero(is_test),
        validation=len(validation) or None,
        duplicates=counts,
    )


def choose_test(labels: NDArray[Any], groups: NDArray[Any] | None, share: float, seed: int) -> Indices:
    """Choose the test images.

    Without groups, the test images are a fraction of the images of each class. With groups, they are the images of a
    fraction of the groups.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    groups : ndarray of int, shape (n,), or None
    share : float
    seed : int

    Returns
    -------
    ndarray of int
        Indices in ascending order.

    Raises
    ------
    LineupError
        If the images of a class cannot be divided, because they are in one group.
    """
    rng = np.random.default_rng([seed, 1])  # independent of the random order of the training images
    if groups is not None:
        order = group_order(labels, groups, rng)
        starts = _divisions(labels[order], groups[order])
        return np.sort(order[: starts[np.abs(starts - share * len(labels)).argmin()]])
    chosen = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen.append(members[: max(1, round(share * len(members)))])
    return np.sort(np.concatenate(chosen))


def _divisions(labels: NDArray[Any], groups: NDArray[Any]) -> Indices:
    """Return all positions that divide the images into two sides. Both sides contain every class, and no group is
    split.

    The images of each group are neighbours.
    """
    firsts = np.unique(labels, return_index=True)[1]
    lasts = len(labels) - 1 - np.unique(labels[::-1], return_index=True)[1]
    starts = np.flatnonzero(np.diff(groups)) + 1
    found: Indices = starts[(starts > firsts.max()) & (starts <= lasts.min())]
    if not found.size:
        raise LineupError(
            "data.group: the groups cannot be divided so that each class has training images and test images; expected"
            " at least two groups for each class"
        )
    return found


def group_order(labels: NDArray[Any], groups: NDArray[Any], rng: np.random.Generator) -> Indices:
    """Shuffle the images with stratification by class, and keep the images of each group together.

    The class of a group is the most frequent class of its images. The groups of each class are shuffled, and each group
    gets a position from 0 to 1 within its class. The position is the number of images before the middle of the group,
    divided by the number of images of the class. All groups are then sorted by position.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    names, group = np.unique(groups, return_inverse=True)
    table = np.zeros((len(names), int(labels.max()) + 1), int)
    np.add.at(table, (group, labels), 1)
    majority, sizes = table.argmax(axis=1), table.sum(axis=1)
    position = np.empty(len(names))
    for label in np.unique(majority):
        members = rng.permutation(np.flatnonzero(majority == label))
        before = np.cumsum(sizes[members]) - sizes[members]
        position[members] = (before + sizes[members] / 2) / sizes[members].sum()
    place = np.lexsort((rng.random(len(names)), position)).argsort()
    return np.lexsort((rng.random(len(labels)), place[group]))


def _treat_copies(
    raw: RawImages, is_test: NDArray[np.bool_], settings: dict[str, str]
) -> tuple[Duplicates, NDArray[np.bool_]]:
    """Count the training images that are copies of test images. Leave these copies out, or move them to the test
    images.

    The function sets ``is_test`` to true for the moved images. Return the numbers of copies, and a mask of the images
    that are left out.
    """
    train = np.flatnonzero(~is_test)
    counts, exact, near = count_duplicates(raw.images, raw.labels, train, np.flatnonzero(is_test))
    dropped = np.zeros(len(is_test), bool)
    moved = dropped.copy()
    for copies, setting in ((exact, settings["exact"]), (near, settings["near"])):
        if setting == "drop":
            dropped[train[copies]] = True
        elif setting == "move":
            moved[train[copies]] = True
    if raw.groups is not None:
        moved |= ~is_test & np.isin(raw.groups, raw.groups[moved])  # all images of a group
    dropped &= ~moved
    is_test |= moved
    return dataclasses.replace(counts, dropped=int(dropped.sum()), moved=int(moved.sum())), dropped


def _check_enough(labels: NDArray[Any], classes: Sequence[str], given: dict[str, bool]) -> None:
    """Raise an error if a class has too few images for the missing parts of the dataset."""
    chosen = [part for part in _NEEDED if not given.get(part)]
    needed = sum(_NEEDED[part] for part in chosen)
    counts = np.bincount(labels, minlength=len(classes))
    smallest, few = int(counts.argmin()), int((counts < needed).sum())
    if few:
        others = f" ({few} classes have too few)" if few > 1 else ""
        raise LineupError(
            f"class {_shown(classes, smallest)} has {count(int(counts[smallest]), 'image')} for {', '.join(chosen)},"
            f" expected at least {needed}{others}; add images, or remove the class"
        )


def _check_groups(
    labels: NDArray[Any], groups: NDArray[Any] | None, classes: Sequence[str], given: dict[str, bool]
) -> None:
    """Raise an error if a class has too few groups."""
    if groups is None:
        return
    needed = 3 - sum(given.values())
    for label in range(len(classes)):
        found = len(np.unique(groups[labels == label]))
        if found < needed:
            raise LineupError(
                f"class {_shown(classes, label)} has images of {count(found, 'group')}, expected at least {needed}, one"
                " per part"
            )


def _check_training(labels: NDArray[Any], classes: Sequence[str]) -> None:
    """Raise an error if no training images of a class are left."""
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() == 0:
        raise LineupError(
            f"class {_shown(classes, int(counts.argmin()))} has no images left for training, because all are in other"
            " parts or are copies of test images; set split.duplicates to keep, or choose another split.seed"
        )


def _shown(classes: Sequence[str], label: int) -> str:
    return shortened(repr(classes[label]), 80)
