"""Read images from the arrays of an NPZ file, with the names that Keras and MedMNIST use.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder, "dots.npz")
...     np.savez(path, x_train=np.zeros((2, 9, 8, 3)), y_train=np.array([[3], [7]]))
...     source = read_arrays(path, None)
>>> source.classes, source.size(1)
(('3', '7'), (8, 9))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.data.sources.source import Entry, Source, make_source
from lineup.errors import LineupError, expected_one_of, shortened
from lineup.npz import read_npz

MAX_BYTES = 4 << 30

_NAMES: Mapping[str, Sequence[tuple[str, str]]] = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("X_train", "y_train")),
    "val": (("x_val", "y_val"), ("x_valid", "y_valid"), ("val_images", "val_labels"), ("X_val", "y_val")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test")),
    "": (("images", "labels"), ("x", "y"), ("X", "y"), ("images", "target"), ("data", "target")),
}
"""Names of the images and of the labels of each part."""

_CHANNELS = (1, 3, 4)


def read_arrays(path: Path, group: str | None) -> Source:
    """Read the images of an NPZ file. Files with Python objects are refused, because they can contain code.

    Parameters
    ----------
    path : Path
        NPZ file. Labels are numbers or strings of shape (n,) or (n, 1), or one-hot rows of shape (n, k). Images have
        one, three or four channels, in the last or the second axis. Pixels are integers from 0 to 255, or floats from 0
        to 1 or from 0 to 255. An optional array ``class_names`` contains the names of the classes.
    group : str or None
        Name of the array with the group of each image. Only accepted if the file has a single part.

    Raises
    ------
    LineupError
        If the arrays have other names, types, shapes or values.
    """
    arrays = read_npz(path, max_bytes=MAX_BYTES)
    found = _parts(path, arrays)
    texts = _class_names(path, arrays)
    if group is not None and (len(found) > 1 or group not in arrays):
        raise LineupError(
            f"{path}: data.group = {shortened(repr(group), 80)}: expected an array of this name, and only one part"
        )
    top = max(_largest(arrays[images]) for images, _ in found.values())
    stacks, entries = [], []
    for part, (images, labels) in found.items():
        stack = as_pictures(f"{path}: {images}", arrays[images], top)
        named = label_texts(f"{path}: {labels}", arrays[labels], len(stack), texts)
        groups = _groups(path, arrays, group, len(stack))
        stacks.append(stack)
        entries += [
            Entry(f"{images}[{index}]", name, part, None if groups is None else groups[index])
            for index, name in enumerate(named)
        ]
    notes = [f"the brightest pixel is {top:g} of 255, so that the images are dark"] if 1 < top < 64 else []
    return array_source(path, "arrays in an NPZ file", entries, stacks, notes)


def array_source(
    path: Path, form: str, entries: Sequence[Entry], stacks: Sequence[NDArray[np.uint8]], notes: list[str]
) -> Source:
    """Return a source for images in memory.

    Parameters
    ----------
    path, form, entries, notes
        See `lineup.data.sources.source.Source`.
    stacks : sequence of ndarray of uint8, each of shape (n, height, width, channels)
        The images in the order of the entries.
    """
    starts = np.cumsum([0, *(len(stack) for stack in stacks)])
    pick = partial(_pick, list(stacks), starts)

    def size(index: int) -> tuple[int, int]:
        height, width = pick(index).shape[:2]
        return width, height

    return make_source(path, form, entries, read=lambda index: _with_opacity(pick(index)), size=size, notes=notes)


def as_pictures(where: str, images: NDArray[Any], top: float) -> NDArray[np.uint8]:
    """Convert an array of images to uint8 with the channels in the last axis.

    Parameters
    ----------
    where : str
        Start of each error message.
    images : ndarray
        Images of shape (n, height, width), (n, height, width, channels) or (n, channels, height, width).
    top : float
        Largest pixel of all parts of the dataset. It determines the scale, which is the same for all parts.

    Returns
    -------
    ndarray of uint8, shape (n, height, width, channels)

    Raises
    ------
    LineupError
        If the array has another shape, or a pixel is not a number or is out of range.
    """
    if images.ndim == 3:
        images = images[..., None]
    elif images.ndim == 4 and images.shape[3] not in _CHANNELS and images.shape[1] in _CHANNELS:
        images = np.moveaxis(images, 1, 3)
    if images.ndim != 4 or images.shape[3] not in _CHANNELS or 0 in images.shape:
        found = " x ".join(map(str, images.shape))
        raise LineupError(f"{where}: expected images of n x height x width (x 1, 3 or 4 channels), found {found}")
    if images.dtype.kind not in "biuf":
        raise LineupError(f"{where}: expected numbers as pixels, found {images.dtype}")
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise LineupError(f"{where}: some pixels are NaN or infinite")
    scale = _scale(images.dtype, top)
    if low < 0 or scale * high > 255.5:
        raise LineupError(f"{where}: expected pixels from 0 to 1 or from 0 to 255, found {low:g} to {high:g}")
    return np.rint(images * np.float32(scale)).astype(np.uint8)


def _scale(kind: np.dtype[Any], top: float) -> float:
    """Return the factor that converts pixels to the range from 0 to 255."""
    if kind.kind == "b" or (kind.kind == "f" and top <= 1):
        return 255.0
    return 1 / 257 if kind == np.uint16 and top > 255 else 1.0


def label_texts(where: str, labels: NDArray[Any], images: int, texts: Sequence[str] | None = None) -> list[str]:
    """Convert an array of labels to a list with one string per image.

    Parameters
    ----------
    where : str
        Start of each error message.
    labels : ndarray
        Numbers or strings of shape (n,) or (n, 1), or one-hot rows of shape (n, k).
    images : int
        Number of images.
    texts : sequence of str, optional
        Names of the classes 0, 1, 2 and so on. Default: their numbers.

    Raises
    ------
    LineupError
        If the labels have another shape or type, or a number is not an integer or has no class name.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape[:1] != (images,) or labels.ndim > 2:
        found = " x ".join(map(str, labels.shape))
        raise LineupError(f"{where}: expected {images:,} labels, one per image, found {found}")
    if labels.ndim == 2:
        if not _is_one_hot(labels):
            raise LineupError(f"{where}: expected one-hot rows with a single 1, found other rows")
        labels = labels.argmax(axis=1)
    if labels.dtype.kind in "SU":
        return [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in labels.tolist()]
    if labels.dtype.kind not in "biuf" or not np.isfinite(labels).all() or (labels != np.rint(labels)).any():
        raise LineupError(f"{where}: expected integers or strings as labels, found {labels.dtype}")
    numbers = [int(value) for value in labels.tolist()]
    if texts is None:
        return [str(value) for value in numbers]
    if min(numbers) < 0 or max(numbers) >= len(texts):
        raise LineupError(f"{where}: expected labels 0 to {len(texts) - 1}, found {min(numbers)} to {max(numbers)}")
    return [texts[value] for value in numbers]


def _is_one_hot(rows: NDArray[Any]) -> bool:
    """Return whether each row contains a single 1 and all its other values are 0."""
    return rows.dtype.kind in "biuf" and bool(((rows == 1).sum(axis=1) == 1).all() and (rows != 0).sum() == len(rows))


def _parts(path: Path, arrays: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """For each part of the dataset, return the name of its image array and the name of its label array."""
    found: dict[str, tuple[str, str]] = {}
    for part, choices in _NAMES.items():
        pair = next((pair for pair in choices if pair[0] in arrays and pair[1] in arrays), None)
        if pair and (part or not found):
            found[part] = pair
    if not found or ("train" not in found and "" not in found):
        accepted = [f"{images} and {labels}" for images, labels in (*_NAMES["train"][:2], *_NAMES[""][:1])]
        listed = shortened(", ".join(arrays) or "none", 120)
        raise LineupError(f"{path}: {expected_one_of('', accepted)}; found the arrays {listed}")
    return found


def _class_names(path: Path, arrays: Mapping[str, NDArray[Any]]) -> list[str] | None:
    names = next((arrays[key] for key in ("class_names", "classes", "target_names") if key in arrays), None)
    if names is None:
        return None
    return label_texts(f"{path}: class names", names, len(names) if names.ndim else 0)


def _groups(path: Path, arrays: Mapping[str, NDArray[Any]], group: str | None, images: int) -> list[str] | None:
    return None if group is None else label_texts(f"{path}: {group}", arrays[group], images)


def _largest(images: NDArray[Any]) -> float:
    return float(np.max(images, initial=0)) if images.dtype.kind in "biuf" else 0.0


def _pick(stacks: Sequence[NDArray[np.uint8]], starts: NDArray[Any], index: int) -> NDArray[np.uint8]:
    """Return one image from a list of arrays. The arrays form one list of images, and ``index`` is a position in this
    list.
    """
    number = int(np.searchsorted(starts, index, side="right")) - 1
    image: NDArray[np.uint8] = stacks[number][index - starts[number]]
    return image


def _with_opacity(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert an image with 1, 3 or 4 channels to red, green, blue and opacity."""
    if image.shape[2] == 4:
        return image
    picture = np.full((*image.shape[:2], 4), 255, np.uint8)
    picture[..., :3] = image
    return picture
