"""Read pictures in the formats PNG, JPEG and WebP.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     path = Path(folder) / "dot.png"
...     Image.new("L", (3, 2), color=200).save(path)
...     picture = read_picture(path)
>>> picture.shape, picture[0, 0].tolist()
((2, 3, 4), [200, 200, 200, 255])
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lineup.errors import LineupError, shortened

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 50 * 2**20
"""Largest size of a file."""
MAX_PIXELS = 50_000_000
"""Largest number of pixels of a picture. A small file can contain far more, and would fill the memory."""
LONGEST = 1024
"""Longest edge of a picture after reading, in pixels. Larger pictures are reduced."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture from a file.

    The picture is rotated according to its EXIF orientation. If a file contains an animation, only the first frame is
    read.

    Parameters
    ----------
    path : Path
        PNG, JPEG or WebP file. The content decides, not the name.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity from 0 to 255. The longest edge has at most `LONGEST` pixels.

    Raises
    ------
    LineupError
        If the file is missing, is damaged, has another format, or exceeds `MAX_BYTES` or `MAX_PIXELS`.
    """
    content = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures, which are refused here, and about damaged metadata.
            warnings.simplefilter("ignore")
            return _decode(path, content)
    except LineupError:
        raise
    except UnidentifiedImageError as error:
        raise LineupError(f"{path}: expected a picture in the format PNG, JPEG or WebP") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except Exception as error:  # for damaged files, the decoders raise errors of many types
        raise LineupError(f"{path}: cannot read the picture; the file is damaged: {shortened(error, 80)}") from error


def _read_bytes(path: Path) -> bytes:
    if not path.exists():
        raise LineupError(f"{path}: no such file")
    if not path.is_file():  # reading a folder fails, and reading a device may never end
        raise LineupError(f"{path}: expected a file")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LineupError(f"{path}: {error.strerror or shortened(error)}") from error
    if len(content) > MAX_BYTES:
        raise LineupError(f"{path}: expected a file of at most {MAX_BYTES // 2**20} MiB")
    return content


def _decode(path: Path, content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(path)
        upright = _eight_bits(ImageOps.exif_transpose(image))
    if max(upright.size) > LONGEST:
        scale = LONGEST / max(upright.size)
        size = (max(1, round(upright.width * scale)), max(1, round(upright.height * scale)))
        # Pillow weights the colours by the opacity when it resizes.
        upright = upright.resize(size, Image.Resampling.BOX)
    return np.array(upright, dtype=np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGBA with 8 bits per channel."""
    if not image.mode.startswith("I"):
        return image.convert("RGBA")
    # Pillow's own conversion from 16 bits would turn all values above 255 into white.
    grey = (np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGBA")


def _too_large(path: Path) -> LineupError:
    return LineupError(f"{path}: expected a picture of at most {MAX_PIXELS:,} pixels")
