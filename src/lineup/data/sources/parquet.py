"""Read images from Parquet files in the format of the Hugging Face Hub: a column of images and a column of labels.

Importing this module does not import pyarrow.

Examples
--------
>>> list(_COLUMNS)
['image', 'label']
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lineup.data.pictures import ALL_FORMATS, decode, decoded_size
from lineup.data.sources.arrays import MAX_BYTES, label_texts
from lineup.data.sources.source import Entry, Source, make_source, part_of
from lineup.errors import LineupError, count, shortened

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS: Mapping[str, Sequence[str]] = {
    "image": ("image", "img", "picture"),
    "label": ("label", "labels", "class", "fine_label", "target"),
}


def parquet_files(path: Path) -> list[Path]:
    """Return the Parquet files of a folder or of its sub-folder ``data``."""
    return sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))


def read_parquet(path: Path, group: str | None) -> Source:
    """Read the images of Parquet files. All files together have at most 4 GiB.

    Parameters
    ----------
    path : Path
        A Parquet file, or a folder with files such as ``train-00000-of-00001.parquet``. The first word of a file name
        is the part. The column ``image`` contains image files, as bytes or as a mapping with the key ``bytes``.
    group : str or None
        Name of the column with the groups.

    Raises
    ------
    LineupError
        If a file is damaged, too large, or lacks a column.
    """
    files = parquet_files(path) if path.is_dir() else [path]
    total = sum(file.stat().st_size for file in files)
    if total > MAX_BYTES:
        raise LineupError(f"{path}: expected at most {MAX_BYTES:,} bytes in all Parquet files, found {total:,}")
    contents: list[Any] = []
    entries: list[Entry] = []
    for file in files:
        table = _read_table(file)
        images, labels = (_column(file, table, kind) for kind in _COLUMNS)
        groups = None if group is None else _texts(file, table, group)
        names = label_texts(f"{file}: {labels}", *_labels(table, labels))
        part = (part_of(file.name.split("-")[0].partition(".")[0]) or "") if len(files) > 1 else ""
        contents += list(table.column(images))
        entries += [
            Entry(f"{file.name}[{row}]", name, part, None if groups is None else groups[row])
            for row, name in enumerate(names)
        ]
    form = f"Parquet, {count(len(files), 'file')}"
    read, size = partial(_read, contents, entries), partial(_size, contents, entries)
    return make_source(path, form, entries, read=read, size=size)


def _read_table(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path, memory_map=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LineupError(f"{path}: expected a Parquet file: {shortened(error, 120)}") from error


def _column(path: Path, table: pa.Table, kind: str) -> str:
    """Return the name of a column in a table."""
    found = [name for name in _COLUMNS[kind] if name in table.column_names]
    if not found:
        listed = shortened(", ".join(table.column_names), 120)
        raise LineupError(f"{path}: expected a column {' or '.join(_COLUMNS[kind])}, found {listed}")
    return found[0]


def _texts(path: Path, table: pa.Table, name: str) -> list[str]:
    if name not in table.column_names:
        raise LineupError(f"{path}: data.group: there is no column {shortened(repr(name), 80)}")
    return [str(value) for value in table.column(name).to_pylist()]


def _labels(table: pa.Table, name: str) -> tuple[NDArray[Any], int, list[str] | None]:
    """Return the labels and the number of labels. Also return the class names if the Hugging Face metadata contains
    them.
    """
    labels = np.asarray(table.column(name).to_pylist())
    try:
        described = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        names = described["info"]["features"][name]["names"]
    except (ValueError, KeyError, TypeError):
        names = None
    is_list = isinstance(names, list) and names and all(isinstance(one, str) for one in names)
    return labels, table.num_rows, names if is_list else None


def _content(contents: Sequence[Any], entries: Sequence[Entry], index: int) -> bytes:
    """Return the bytes of an image file."""
    value = contents[index].as_py()
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(content, bytes):
        raise LineupError(f"{entries[index].name}: expected the bytes of an image, found {type(content).__name__}")
    return content


def _read(contents: Sequence[Any], entries: Sequence[Entry], index: int) -> NDArray[np.uint8]:
    return decode(entries[index].name, _content(contents, entries, index), ALL_FORMATS)


def _size(contents: Sequence[Any], entries: Sequence[Entry], index: int) -> tuple[int, int]:
    return decoded_size(entries[index].name, _content(contents, entries, index), ALL_FORMATS)
