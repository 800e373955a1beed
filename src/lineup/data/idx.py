"""Read and write files in the IDX format, which MNIST and Fashion-MNIST use.

An IDX file starts with two zero bytes, one byte for the data type and one byte for the number of dimensions. This
module supports only unsigned bytes (data type 8). After these four bytes, the header contains the size of each
dimension as a big-endian 32-bit integer. The values follow in row-major order. An array of images with several channels
has four dimensions.

Notes
-----
The format is that of Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".

Examples
--------
>>> idx_bytes(np.array([7, 9], np.uint8)).hex()
'00000801000000020709'
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from lineup.errors import LineupError
from lineup.files import open_regular, replacing_file

_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_BYTES = 1 << 31


def read_idx(path: Path, *, max_bytes: int = _MAX_BYTES) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read an IDX file of unsigned bytes, with or without gzip compression.

    The header is checked before memory for the array is allocated. Reading stops if a file contains more data than its
    header specifies.

    Parameters
    ----------
    path : Path
        The file. Compression is detected from the first two bytes and not from the file name.
    max_bytes : int
        Largest size of the array in bytes. Default 2 GiB.

    Returns
    -------
    ndarray of uint8
        Writeable array with the one to four dimensions given in the header.

    Raises
    ------
    LineupError
        If the file is missing, damaged, not an IDX file of unsigned bytes, larger than ``max_bytes``, or its size does
        not match the header.
    """
    try:
        with open_regular(path) as plain:
            magic = plain.read(2)
            plain.seek(0)
            if magic != _GZIP_MAGIC:
                return _read_stream(path, plain, max_bytes)
            with gzip.GzipFile(fileobj=plain, mode="rb") as unpacked:
                return _read_stream(path, unpacked, max_bytes)
    except FileNotFoundError:
        raise LineupError(f"{path}: no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise LineupError(f"{path}: cannot be read: {reason}") from error


def _read_stream(
    path: Path, stream: BufferedReader | gzip.GzipFile, max_bytes: int
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = _read_header(path, stream)
    promised = math.prod(shape)
    what = f"{' x '.join(map(str, shape))} bytes of data"
    if promised > max_bytes:
        raise LineupError(f"{path}: its header gives {what}, expected at most {max_bytes:,} bytes")
    array = np.empty(promised, np.uint8)
    found = 0
    while count := stream.readinto(array.data[found:]):
        found += count
    if found < promised:
        raise LineupError(f"{path}: expected {what}, found only {found:,}")
    if stream.read(1):
        raise LineupError(f"{path}: expected {what}, found more")
    return array.reshape(shape)


def _read_header(path: Path, stream: BufferedReader | gzip.GzipFile) -> tuple[int, ...]:
    """Read the header of an IDX file, and return the dimensions of the array."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0":
        raise LineupError(f"{path}: expected an IDX file, which starts with two zero bytes, found {start[:4]!r}")
    _, _, kind, dimensions = start
    if kind != _UNSIGNED_BYTE:
        raise LineupError(f"{path}: expected IDX type 0x08 (unsigned byte), found 0x{kind:02x}")
    if not 1 <= dimensions <= 4:
        raise LineupError(f"{path}: expected 1 to 4 dimensions, found {dimensions}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise LineupError(f"{path}: the IDX header ends early: expected {4 + 4 * dimensions} bytes")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise LineupError(f"{path}: expected dimensions above 0, found {' x '.join(map(str, shape))}")
    return shape


def idx_bytes(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Convert an array to the content of an uncompressed IDX file.

    Raises
    ------
    ValueError
        If the array is not uint8, does not have one to four dimensions, or is empty.
    """
    if array.dtype != np.uint8 or not 1 <= array.ndim <= 4 or array.size == 0:
        raise ValueError(f"expected a uint8 array with 1 to 4 dimensions above 0, found {array.dtype} {array.shape}")
    return struct.pack(f">HBB{array.ndim}I", 0, _UNSIGNED_BYTE, array.ndim, *array.shape) + array.tobytes()


def write_idx(path: Path, array: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Write an array as a gzip-compressed IDX file. With the same version of zlib, equal arrays give identical files.

    Parameters
    ----------
    path : Path
        The file. It is replaced atomically; its folder is created.
    array : ndarray of uint8
        Array with one to four dimensions, each above 0.

    Raises
    ------
    ValueError
        If the array is not uint8, or its shape is invalid.
    """
    content = idx_bytes(array)
    # The gzip header has no file name and no time, which would change the bytes. Level 9 is ten times as slow.
    with (
        replacing_file(path) as partial,
        partial.open("wb") as plain,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=plain, mtime=0) as packed,
    ):
        packed.write(content)
