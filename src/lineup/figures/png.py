r"""Write pixels as a PNG file.

Examples
--------
>>> png_of(np.full((2, 3, 4), 255, np.uint8), dpi=110)[:8]
b'\x89PNG\r\n\x1a\n'
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_LEVEL = 3
"""Compression level. Higher levels take longer for nearly the same size."""
_METRES_PER_INCH = 0.0254
_EIGHT_BITS, _RGB, _NO_INTERLACE, _PER_METRE = 8, 2, 0, 1


def png_of(pixels: NDArray[np.uint8], dpi: float) -> bytes:
    """Return a PNG file as bytes.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity. The opacity is ignored, because no figure is transparent.
    dpi : float
        Resolution in pixels per inch.

    Notes
    -----
    Pillow looks for the best filter of each row, which takes twice as long. Figures consist mostly of areas of one
    colour, which zlib compresses better without filters. The format is described at https://www.w3.org/TR/png-3/.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with the number of its filter: 0 for none
    rows[:, 1:] = pixels[..., :3].reshape(height, -1)
    resolution = round(dpi / _METRES_PER_INCH)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, _EIGHT_BITS, _RGB, 0, 0, _NO_INTERLACE),
        b"pHYs": struct.pack(">IIB", resolution, resolution, _PER_METRE),
        b"IDAT": zlib.compress(rows.tobytes(), _LEVEL),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks.items())


def _chunk(name: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG file, including its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
