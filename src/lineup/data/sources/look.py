"""Detect the format of a user's images, and describe the images.

Examples
--------
>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as folder:
...     for name in ("cat", "dog"):
...         Path(folder, name).mkdir()
...         Image.new("L", (30, 20)).save(Path(folder, name, "one.png"))
...     found = look(Path(folder))
>>> found.shape, found.counts
((20, 30, 1), {'cat': 1, 'dog': 1})
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lineup.data.sources.arrays import read_arrays
from lineup.data.sources.folder import read_folder
from lineup.data.sources.idx_files import idx_pairs, read_idx_files
from lineup.data.sources.parquet import parquet_files, read_parquet
from lineup.data.sources.source import PARTS, Source
from lineup.data.sources.table import read_csv
from lineup.errors import LineupError, count, shortened

_FILES = {".csv": read_csv, ".tsv": read_csv, ".npz": read_arrays, ".parquet": read_parquet}

LOOKED_AT = 10_000
"""Largest number of images whose size is read. In a larger dataset, evenly spaced images are read."""
_DECODED = 200
"""Number of images that are decoded to check whether they have colours."""
_KEPT = 96
"""If all images have the same size, and their edges have at most this number of pixels, the size does not change."""
_EDGE = 64
"""Edge of the square images to which larger pictures are resized, in pixels."""
_SMALLEST = 8
"""Smallest edge of an image, in pixels."""


@dataclass(frozen=True, eq=False)
class Found:
    """Description of the images at a path.

    Parameters
    ----------
    source : Source
    sizes : list of tuple of int
        Width and height of the inspected images.
    unreadable : list of str
        One message for each inspected image that cannot be read.
    colour : bool
        Whether some images have colours.
    """

    source: Source
    sizes: list[tuple[int, int]]
    unreadable: list[str]
    colour: bool

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each class."""
        numbers = np.bincount(self.source.labels, minlength=len(self.source.classes))
        return dict(zip(self.source.classes, map(int, numbers), strict=True))

    @property
    def imbalance(self) -> float:
        """Ratio of the largest class size to the smallest class size."""
        return max(self.counts.values()) / min(self.counts.values())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Suitable height, width and channels.

        If all images are small and have the same size, this size is kept. Otherwise, all images are resized to squares.
        The squares have 64 by 64 pixels, or fewer if most images are smaller.
        """
        channels = 3 if self.colour else 1
        if len(set(self.sizes)) == 1 and min(self.sizes[0]) >= _SMALLEST and max(self.sizes[0]) <= _KEPT:
            width, height = self.sizes[0]
            return height, width, channels
        edge = round(statistics.median(max(size) for size in self.sizes))
        edge = min(_EDGE, max(_SMALLEST, edge))
        return edge, edge, channels

    def lines(self) -> list[str]:
        """Describe the images for the user."""
        source, counts = self.source, self.counts
        listed = ", ".join(f"{shortened(name, 30)} {number:,}" for name, number in list(counts.items())[:12])
        more = ", ..." if len(counts) > 12 else ""
        lines = [
            f"{source.path}: {source.format}",
            f"  {count(len(source), 'image')} in {len(counts)} classes: {listed}{more}",
        ]
        given = np.bincount(source.parts, minlength=len(PARTS))
        if given[1:].any():
            parts = ", ".join(f"{PARTS[part]} {given[part]:,}" for part in range(1, len(PARTS)) if given[part])
            lines.append(f"  given parts: {parts}")
        lines.append(f"  {self._sizes()}, {'colour' if self.colour else 'grey'}")
        if source.groups is not None:
            lines.append(f"  {count(int(source.groups.max()) + 1, 'group')}, which stay in one part each")
        if self.imbalance >= 1.5:
            lines.append(f"  the largest class has {self.imbalance:.1f} times as many images as the smallest")
        problems = [*source.problems, *self.unreadable]
        if problems:
            looked = f" of the {LOOKED_AT:,} looked at" if len(source) > LOOKED_AT else ""
            lines.append(f"  {count(len(problems), 'file')}{looked} cannot be used: {problems[0]}")
            lines += [f"    {problem}" for problem in problems[1:5]]
            lines += ["    ..."] * (len(problems) > 5)
        return [*lines, *(f"  {note}" for note in source.notes)]

    def _sizes(self) -> str:
        """Describe the sizes of the images, as width x height."""
        widths, heights = zip(*self.sizes, strict=True)
        if len(set(self.sizes)) == 1:
            return f"all {widths[0]} x {heights[0]} pixels"
        smallest, largest = min(self.sizes, key=np.prod), max(self.sizes, key=np.prod)
        middle = f"{round(statistics.median(widths))} x {round(statistics.median(heights))}"
        return f"{smallest[0]} x {smallest[1]} to {largest[0]} x {largest[1]} pixels, median {middle}"


def open_source(path: Path, group: str | None = None) -> Source:
    """List the images at a path.

    Parameters
    ----------
    path : Path
        A folder of pictures with one sub-folder per class, a folder of IDX or Parquet files, or a CSV, NPZ or Parquet
        file.
    group : str, optional
        Column or array with the groups, or "folder". Default: none.

    Raises
    ------
    LineupError
        If the path does not exist, or its format is unknown, or its content is not valid.
    """
    try:
        if path.is_dir():
            return _open_folder(path, group)
        if not path.exists():
            raise LineupError(f"{path}: no such file or folder")
        reader = _FILES.get(path.suffix.lower())
        if reader is None or not path.is_file():
            raise LineupError(f"{path}: expected a folder of pictures, or a file that ends in {', '.join(_FILES)}")
        return reader(path, group)
    except OSError as error:
        raise LineupError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error


def _open_folder(path: Path, group: str | None) -> Source:
    if idx_pairs(path):
        return read_idx_files(path, group)
    if parquet_files(path):
        return read_parquet(path, group)
    return read_folder(path, group)


def look(path: Path, group: str | None = None) -> Found:
    """Inspect the images at a path, and return a description.

    Parameters
    ----------
    path, group
        See `open_source`.

    Raises
    ------
    LineupError
        See `open_source`; also if no image can be read.
    """
    source = open_source(path, group)
    chosen = np.unique(np.linspace(0, len(source) - 1, LOOKED_AT).round().astype(int)).tolist()
    sizes, readable, unreadable = [], [], []
    with progress("looking at the images", len(chosen)) as step:
        for index in chosen:
            try:
                sizes.append(source.size(index))
                readable.append(index)
            except LineupError as error:
                unreadable.append(str(error))
            step()
    colour, damaged = _colour(source, readable)
    if len(damaged) == len(readable):
        raise LineupError(f"{path}: no image can be read: {(unreadable + damaged)[0]}")
    return Found(source, sizes, unreadable + damaged, colour)


def _colour(source: Source, readable: list[int]) -> tuple[bool, list[str]]:
    """Decode some images. Return whether at least one image is coloured, and return a message for each damaged
    image.
    """
    damaged = []
    colour = False
    for place in np.unique(np.linspace(0, len(readable) - 1, _DECODED).round().astype(int)) if readable else []:
        try:
            picture = source.read(readable[place])
        except LineupError as error:
            damaged.append(str(error))
        else:
            colour = colour or bool((picture[..., :3] != picture[..., :1]).any())
    return colour, damaged


@contextmanager
def progress(text: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar if the output is a terminal. Yield a function that advances the progress bar by one."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total)
        yield lambda: bar.advance(task)
