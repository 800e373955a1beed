"""Files of a few megabytes that would expand to gigabytes if they were read without limits.

>>> sorted(LARGE)[:2]
['IDX: more values than bytes', 'IDX: zeros, compressed']
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lineup.files import TEXT_LIMIT
from lineup.records.archive import MANIFEST
from lineup.records.history import HISTORY_COLUMNS
from lineup.records.record import HEADER, HISTORY, METRICS, MODEL, PREDICTIONS
from lineup.schema import YAML_BYTES

from .formats import listed, npy, small_records, write_files, zipped


def _zeros(count: int) -> bytes:
    """Return a compressed NPZ file of zeros, which is a thousand times smaller than the array."""
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            header = npy(np.zeros(0, np.uint8))
            header = header.replace(b"(0,), }" + b" " * len(str(count)), f"({count},), }}".encode() + b" ")
            with archive.open("val_labels.npy", "w", force_zip64=True) as entry:
                entry.write(header)
                for _ in range(count // 2**20):
                    entry.write(bytes(2**20))
        return stream.getvalue()


def _filled(begin: str, item: str, end: str, size: int = TEXT_LIMIT) -> bytes:
    """Repeat a text until a file has its largest size."""
    return f"{begin}{item * ((size - len(begin) - len(end)) // len(item))}{end}".encode()


def _numbered(item: str, size: int = TEXT_LIMIT) -> bytes:
    """Return a JSON section with as many keys as it can contain."""
    count = (size - 2) // (len(item) + 12)
    return ("{" + ", ".join(f'"{number:07}":{item}' for number in range(count)) + "}").encode()


def _in_record(name: str, content: Callable[[], bytes], folder: Path) -> Path:
    write_files(small_records()[0] | {name: content()}, folder / "record")
    return folder / "record"


def _in_archive(name: str, content: Callable[[], bytes], folder: Path) -> Path:
    files = {f"a/{file}": value for file, value in small_records()[1].items()} | {f"a/{name}": content()}
    return _as_file(lambda: zipped(listed(files)), folder)


def _as_file(content: Callable[[], bytes], folder: Path) -> Path:
    path = folder / "input"
    path.write_bytes(content())
    return path


def _picture(format_: str) -> bytes:
    """Return a picture of 49 million equal pixels."""
    with io.BytesIO() as file:
        Image.new("RGB", (7_000, 7_000)).save(file, format_)
        return file.getvalue()


def _idx(size: int, content: int) -> bytes:
    return bytes((0, 0, 8, 1)) + struct.pack(">I", size) + bytes(content)


def _models() -> bytes:
    """Return a ``params.yaml`` with as many empty models as it can contain."""
    lines = "".join(f"  a{number:06}: {{}}\n" for number in range((YAML_BYTES - 8) // 14))
    return f"models:\n{lines}".encode()


def _manifest() -> bytes:
    return zipped({MANIFEST: b'{"files": ' + _numbered("{}", TEXT_LIMIT - 20) + b"}"})


_MEMBERS: Callable[[], bytes] = partial(_filled, '{"members": [{}', ", {}", "]}")
_HISTORY: Callable[[], bytes] = partial(_filled, ",".join(HISTORY_COLUMNS) + "\n", "x,x,x,x,x,x,x,x,x\n", "")

LARGE: Mapping[str, tuple[str, Callable[[Path], Path]]] = {
    "IDX: more values than bytes": ("IDX", partial(_as_file, partial(_idx, 2**32 - 1, 10))),
    "IDX: zeros, compressed": ("IDX", partial(_as_file, lambda: gzip.compress(_idx(2**30, 2**30), 1))),
    "NPZ: 1 GiB of zeros, compressed": ("NPZ", partial(_as_file, partial(_zeros, 2**30))),
    "params.yaml: many models": ("params.yaml", partial(_as_file, _models)),
    "params.yaml: many seeds": (
        "params.yaml",
        partial(_as_file, partial(_filled, "models: {a: {seeds: [x", ",x", "]}}", YAML_BYTES)),
    ),
    "picture: PNG of 49 million pixels": ("picture", partial(_as_file, partial(_picture, "PNG"))),
    "picture: JPEG of 49 million pixels": ("picture", partial(_as_file, partial(_picture, "JPEG"))),
    "record: many members": ("record", partial(_in_record, HEADER, _MEMBERS)),
    "record: many metrics": ("record", partial(_in_record, METRICS, partial(_numbered, "[]"))),
    "record: many epochs": ("record", partial(_in_record, HISTORY, _HISTORY)),
    "record: predictions of 1 GiB, compressed": ("record", partial(_in_record, PREDICTIONS, partial(_zeros, 2**30))),
    "archive: many members": ("archive", partial(_in_archive, HEADER, _MEMBERS)),
    "archive: predictions of 1 GiB, compressed": ("archive", partial(_in_archive, PREDICTIONS, partial(_zeros, 2**30))),
    "archive: figures of 1 GiB, compressed": (
        "archive",
        partial(_in_archive, f"{MODEL}/figures.npz", partial(_zeros, 2**30)),
    ),
    "archive: many files in the manifest": (
        "archive",
        partial(_as_file, _manifest),
    ),
}
"""The format of each file, and a function that writes the file into a folder and returns its path."""
