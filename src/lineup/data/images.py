"""Read a user's images once, and write them to one file with arrays of the same size.

Examples
--------
>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("cat", "dog"):
...         Path(folder, name).mkdir()
...         Image.new("L", (30, 20)).save(Path(folder, name, "one.png"))
...     done = read_images("pets", Path(folder), Path(folder, "raw"), (8, 8, 1))
>>> done
'Pets: 2 images of 8 x 8 pixels in 2 classes read'
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.data.datasets import DESCRIPTION
from lineup.data.preparation import prepare
from lineup.data.sources.look import open_source, progress
from lineup.data.sources.source import PARTS, Source
from lineup.errors import LineupError, count, shortened
from lineup.files import check_room, replacing_file
from lineup.npz import read_npz, write_npz
from lineup.schema import write_json

IMAGES = "images.npz"
UNREADABLE = "unreadable.txt"
MAX_BYTES = 4 << 30
"""Largest size of all images, in bytes. All images are kept in memory during training."""

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class RawImages:
    """Content of the file that `read_images` writes.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
    labels, parts : ndarray of uint8, shape (n,)
        Class and part of each image. A part is an index into `lineup.data.sources.source.PARTS`.
    groups : ndarray of int32, shape (n,), or None
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    groups: NDArray[np.int32] | None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the file in a dictionary."""
        return {name: array for name, array in vars(self).items() if array is not None}

    @property
    def fingerprint(self) -> str:
        """SHA-256 hash of the pixels, labels, parts and groups. The hash does not depend on the image format."""
        digest = hashlib.sha256()
        for name, array in self.arrays().items():
            digest.update(f"|{name} {array.shape}|".encode())
            for start in range(0, len(array), 4096):
                digest.update(np.ascontiguousarray(array[start : start + 4096]).data)
        return digest.hexdigest()


def read_images(
    name: str, path: Path, target: Path, shape: Shape, *, group: str | None = None, unreadable: float = 0.05
) -> str:
    """Read all images at a path, resize them, and write them to ``images.npz`` and ``dataset.json``.

    The images are decoded one at a time and written to a temporary file, so they need not fit into memory.

    Parameters
    ----------
    name : str
        Name of the dataset, lower-case letters, digits and ``_``.
    path : Path
        See `lineup.data.sources.look.open_source`.
    target : Path
        Output folder. It is created if it does not exist.
    shape : tuple of int
        Height, width and channels of the images to write.
    group : str, optional
        See `lineup.data.sources.look.open_source`. Default: no groups.
    unreadable : float, optional
        Largest share of the images that may be unreadable. Unreadable images are left out and listed in
        ``unreadable.txt``. Default 0.05.

    Returns
    -------
    str
        Message that describes the images.

    Raises
    ------
    LineupError
        If the format is unknown, the images are larger than `MAX_BYTES`, too many images are unreadable, or a class has
        no readable image.
    """
    source = open_source(path, group)
    stored = shape if shape[2] > 1 else shape[:2]
    size = len(source) * math.prod(stored)
    if size > MAX_BYTES:
        raise LineupError(
            f"{path}: {len(source):,} images of {' x '.join(map(str, shape))} need {size / 2**30:.1f} GiB, expected at"
            f" most {MAX_BYTES / 2**30:.0f} GiB; reduce data.size"
        )
    target.mkdir(parents=True, exist_ok=True)
    check_room(target / IMAGES, 2 * size + 2**20)
    with tempfile.TemporaryFile(dir=target) as file:
        images = np.memmap(file, np.uint8, "w+", shape=(len(source), *stored))
        reading = _Reading(source, lambda picture: prepare(name, picture, shape), unreadable)
        reading.fill(images)
        raw = _kept(source, images, reading)
        _check_classes(source, raw, reading)
        write_npz(target / IMAGES, raw.arrays())
        fingerprint = raw.fingerprint
    _write_list(target / UNREADABLE, [*source.problems, *reading.failed])
    title = title_of(name)
    description = {
        "name": name,
        "title": title,
        "classes": source.classes,
        "generated": False,
        "fingerprint": fingerprint,
        "format": source.format,
        "unreadable": len(source.problems) + len(reading.failed),
    }
    write_json(target / DESCRIPTION, description)
    return _done(title, source, raw, target)


def title_of(name: str) -> str:
    """Return the title of a user's dataset for pages and figures.

    Examples
    --------
    >>> title_of("garden_birds")
    'Garden birds'
    """
    return name.replace("_", " ").strip().capitalize()


def load_images(raw: Path, fingerprint: object) -> RawImages:
    """Read the file that `read_images` wrote, and compare its content with the fingerprint in ``dataset.json``.

    Raises
    ------
    LineupError
        If the file is missing or damaged, or its content does not have this fingerprint.
    """
    path = raw / IMAGES
    arrays = read_npz(path, max_bytes=MAX_BYTES + 2**30)
    expected = {"images": np.uint8, "labels": np.uint8, "parts": np.uint8, "groups": np.int32}
    found = {name: array.dtype for name, array in arrays.items()}
    if found != {name: np.dtype(kind) for name, kind in expected.items() if name != "groups" or "groups" in found}:
        raise LineupError(f"{path}: expected the arrays {', '.join(expected)}; found {shortened(', '.join(found))}")
    images = RawImages(arrays["images"], arrays["labels"], arrays["parts"], arrays.get("groups"))
    if images.fingerprint != fingerprint:
        raise LineupError(
            f"{path}: {DESCRIPTION} expects the fingerprint {shortened(fingerprint, 80)}, found {images.fingerprint};"
            " run lineup download again"
        )
    return images


@dataclass
class _Reading:
    """Read the images of a source one at a time.

    Parameters
    ----------
    source : Source
    prepare : callable
        Function that converts a picture to an image of the dataset.
    share : float
        Largest share of the images that may be unreadable.
    kept : list of int
        Indices of the images that were read.
    failed : list of str
        One message for each image that cannot be read.
    """

    source: Source
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    share: float
    kept: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def fill(self, images: NDArray[np.uint8]) -> None:
        """Read all images, and write them to the first rows of an array."""
        self._check_limit()
        with progress("reading the images", len(self.source)) as step:
            for index in range(len(self.source)):
                try:
                    images[len(self.kept)] = self.prepare(self.source.read(index))
                    self.kept.append(index)
                except LineupError as error:
                    self.failed.append(str(error))
                    self._check_limit()
                step()

    def _check_limit(self) -> None:
        """Raise an error as soon as too many images cannot be read."""
        total = len(self.source) + len(self.source.problems)
        problems = [*self.source.problems, *self.failed]
        if len(problems) > math.floor(self.share * total):
            raise LineupError(
                f"{self.source.path}: more than {self.share:.1%} of the {total:,} images cannot be read (limit:"
                f" data.unreadable); first error: {problems[0]}"
            )


def _kept(source: Source, images: NDArray[np.uint8], reading: _Reading) -> RawImages:
    """Return the images that were read, with their labels, parts and groups."""
    kept = np.array(reading.kept, np.intp)
    groups = None if source.groups is None else source.groups[kept]
    return RawImages(images[: len(kept)], source.labels[kept].astype(np.uint8), source.parts[kept], groups)


def _check_classes(source: Source, raw: RawImages, reading: _Reading) -> None:
    counts = np.bincount(raw.labels, minlength=len(source.classes))
    if counts.min() == 0:
        missing = shortened(repr(source.classes[int(counts.argmin())]), 80)
        raise LineupError(f"{source.path}: no image of class {missing} can be read; first error: {reading.failed[0]}")


def _write_list(path: Path, problems: list[str]) -> None:
    """Write the messages about unreadable images to a file. If there are no messages, remove the file that an earlier
    run wrote.
    """
    if not problems:
        path.unlink(missing_ok=True)
        return
    with replacing_file(path) as partial:
        partial.write_text("\n".join(map(shortened, problems)) + "\n", encoding="utf-8", errors="backslashreplace")


def _done(title: str, source: Source, raw: RawImages, target: Path) -> str:
    height, width = raw.images.shape[1:3]
    left_out = len(source) + len(source.problems) - len(raw.labels)
    given = np.bincount(raw.parts, minlength=len(PARTS))
    parts = ", ".join(f"{PARTS[part]} {given[part]:,}" for part in range(1, len(PARTS)) if given[part])
    return (
        f"{title}: {count(len(raw.labels), 'image')} of {height} x {width} pixels in {len(source.classes)} classes read"
        + (f" ({parts})" if parts else "")
        + (f", {left_out:,} left out, see {target / UNREADABLE}" if left_out else "")
    )
