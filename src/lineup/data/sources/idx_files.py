"""Read a folder of IDX files, which is the format of MNIST, KMNIST and EMNIST.

Examples
--------
>>> from lineup.data.idx import write_idx
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     write_idx(Path(folder, "train-images-idx3-ubyte.gz"), np.zeros((2, 9, 8), np.uint8))
...     write_idx(Path(folder, "train-labels-idx1-ubyte.gz"), np.array([3, 7], np.uint8))
...     source = read_idx_files(Path(folder), None)
>>> source.classes, source.size(0)
(('3', '7'), (8, 9))
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lineup.data.idx import read_idx
from lineup.data.sources.arrays import array_source, as_pictures, label_texts
from lineup.data.sources.source import Entry, Source
from lineup.errors import LineupError

_FILE = re.compile(r"(?P<before>.*?)(?P<kind>images|labels)(?P<dot>[-.])idx[134]-ubyte(?P<packed>\.gz)?", re.IGNORECASE)


def idx_pairs(path: Path) -> dict[str, tuple[Path, Path]]:
    """Return the image file and the label file of each part. The result is empty if a folder has no IDX files."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(path.iterdir()):
        match = _FILE.fullmatch(file.name)
        if match and file.is_file():
            found.setdefault(_part(match["before"]), {}).setdefault(match["kind"].lower(), file)
    for kinds in found.values():
        if len(kinds) < 2:
            (there,) = kinds.values()
            raise LineupError(f"{there}: expected one file of images and one of labels, found only this one")
    return {part: (kinds["images"], kinds["labels"]) for part, kinds in found.items()}


def read_idx_files(path: Path, group: str | None) -> Source:
    """Read the images of a folder of IDX files.

    Parameters
    ----------
    path : Path
        Folder with files such as ``train-images-idx3-ubyte.gz`` and ``train-labels-idx1-ubyte.gz``, compressed or not.
        The images in the files of EMNIST are transposed. They are transposed back.
    group : None
        IDX files have no groups.

    Raises
    ------
    LineupError
        If a file is missing or damaged, or the images do not match the labels.
    """
    if group is not None:
        raise LineupError(f"{path}: data.group: IDX files have no groups")
    stacks, entries, notes = [], [], []
    for part, (images, labels) in idx_pairs(path).items():
        stack = as_pictures(str(images), read_idx(images), 255)
        if images.name.lower().startswith("emnist"):
            stack = np.ascontiguousarray(stack.swapaxes(1, 2))
            notes = ["the images are transposed, as in all files of EMNIST, and were turned"]
        named = label_texts(str(labels), read_idx(labels), len(stack))
        stacks.append(stack)
        entries += [Entry(f"{images.name}[{index}]", name, part) for index, name in enumerate(named)]
    return array_source(path, "IDX files", entries, stacks, notes)


def _part(before: str) -> str:
    """Read the part of the dataset, such as "train", from the start of a file name."""
    words = re.split(r"[^a-z0-9]+", before.lower())
    if "t10k" in words or "test" in words:
        return "test"
    return "val" if "val" in words or "validation" in words else "train"
