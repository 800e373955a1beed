"""Write NPZ files that are reproducible, and read NPZ files safely.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     write_npz(Path(folder, "labels.npz"), {"labels": np.array([3, 5])})
...     read_npz(Path(folder, "labels.npz"), max_bytes=1000)
{'labels': array([3, 5])}
"""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.files import open_regular, replacing_file

# The earliest date of the ZIP format. np.savez writes the current time, so its files always differ.
_DATE = (1980, 1, 1, 0, 0, 0)
_SUFFIX = ".npy"


def write_npz(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays to an uncompressed NPZ file. The output is deterministic.

    Parameters
    ----------
    path : Path
        The file. It is replaced atomically; its folder is created.
    arrays : mapping of str to ndarray
        Arrays of any shape, by name, without Python objects.

    Raises
    ------
    ValueError
        If an array holds Python objects.
    """
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(name + _SUFFIX, _DATE)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array, order="C"), allow_pickle=False)


def read_npz(path: Path, *, max_bytes: int) -> dict[str, np.ndarray[Any, Any]]:
    """Read all arrays of an NPZ file. Code in the file is not executed.

    Parameters
    ----------
    path : Path
        A file of :func:`write_npz`, ``np.savez`` or ``np.savez_compressed``.
    max_bytes : int
        Largest total size of the arrays in bytes. It is compared with the ZIP directory before an array is read.

    Returns
    -------
    dict of str to ndarray
        The arrays by name, in the order of the file.

    Raises
    ------
    LineupError
        If the file is missing, damaged, larger than ``max_bytes``, not an NPZ file, or contains Python objects.
    """
    try:
        with open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            total = sum(entry.file_size for entry in entries)
            if total > max_bytes:
                raise LineupError(f"{path}: too large: expected at most {max_bytes:,} bytes unpacked, found {total:,}")
            return {entry.filename.removesuffix(_SUFFIX): _read_entry(path, archive, entry) for entry in entries}
    except LineupError:
        raise
    except FileNotFoundError:
        from lineup.remedies import how_to_make

        raise LineupError(f"{path}: no such file; {how_to_make(path)}") from None
    except Exception as error:  # damaged files cause many types of errors: zipfile, zlib, struct, tokenize, numpy, ...
        reason = shortened(error) or type(error).__name__
        raise LineupError(
            f"{path}: expected an NPZ file of arrays, found a damaged or different file: {reason}"
        ) from error


def _read_entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    """Read one array. Check that its header and the ZIP directory state the same size."""
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings(action="ignore"):  # NumPy warns about files of Python 2
            shape, _, dtype = read_header(stream)
        if dtype.hasobject:
            raise LineupError(f"{path}: array {_shown(entry)}: expected numbers, found Python objects")
        promised = stream.tell() + math.prod(shape) * dtype.itemsize
        if promised != entry.file_size or min(shape, default=1) < 0:
            raise LineupError(
                f"{path}: array {_shown(entry)}: its header gives {promised:,} bytes, found {entry.file_size:,}"
            )
    with archive.open(entry) as stream, warnings.catch_warnings(action="ignore"):
        array: np.ndarray[Any, Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _shown(entry: zipfile.ZipInfo) -> str:
    return shortened(entry.filename, 60)
