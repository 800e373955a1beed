"""Read pictures from files, with limits for size and format.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lineup.errors import LineupError, shortened

FORMATS = ("PNG", "JPEG", "WEBP")
"""Formats of the pictures that `lineup predict` accepts."""
FILE_FORMATS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""File name extensions of the pictures in a dataset, with their formats."""
ALL_FORMATS = tuple(sorted({*FORMATS, *FILE_FORMATS.values()}))
MAX_BYTES = 50 * 2**20
"""Largest size of a file."""
MAX_PIXELS = 50_000_000
"""Largest number of pixels of a picture. Without this limit, a small compressed file could fill the memory."""
LONGEST = 1024
"""Longest edge of a picture after reading, in pixels. Larger pictures are reduced."""

_ORIENTATION = 0x0112
"""The EXIF tag of the orientation."""


def read_picture(path: Path, formats: Sequence[str] = FORMATS) -> NDArray[np.uint8]:
    """Read a picture from a file.

    The picture is rotated according to its EXIF orientation. If a file contains an animation, only the first frame is
    read.

    Parameters
    ----------
    path : Path
        The file. The format is detected from its content, not from its name.
    formats : sequence of str, optional
        Accepted formats, as Pillow names them. Default `FORMATS`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity from 0 to 255. The longest edge has at most `LONGEST` pixels.

    Raises
    ------
    LineupError
        If the file is missing, is damaged, has another format, or exceeds `MAX_BYTES` or `MAX_PIXELS`.
    """
    return decode(str(path), _read_bytes(path), formats)


def decode(where: str, content: bytes, formats: Sequence[str] = FORMATS) -> NDArray[np.uint8]:
    """Read a picture from the bytes of a file. The text in ``where`` is the beginning of each error message.

    The format, the result and the errors are described in `read_picture`.
    """
    with _one_line(where, formats), Image.open(io.BytesIO(content), formats=tuple(formats)) as image:
        _check_size(where, image)
        return _pixels(image)


def picture_size(path: Path, formats: Sequence[str] = FORMATS) -> tuple[int, int]:
    """Return the width and the height of a picture in pixels. Only the header of the file is read.

    This is the size after the rotation according to the EXIF orientation. See `read_picture` for the errors.
    """
    _check_file(path)
    with _one_line(str(path), formats), Image.open(path, formats=tuple(formats)) as image:
        return _upright_size(str(path), image)


def decoded_size(where: str, content: bytes, formats: Sequence[str] = FORMATS) -> tuple[int, int]:
    """Return the width and the height of a picture from the bytes of a file. See `picture_size`."""
    with _one_line(where, formats), Image.open(io.BytesIO(content), formats=tuple(formats)) as image:
        return _upright_size(where, image)


@contextmanager
def _one_line(where: str, formats: Sequence[str]) -> Iterator[None]:
    """Convert each error of Pillow to a one-line error message."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures, which are refused here, and about damaged metadata.
            warnings.simplefilter("ignore")
            yield
    except LineupError:
        raise
    except UnidentifiedImageError as error:
        *others, last = ("WebP" if name == "WEBP" else name for name in formats)
        raise LineupError(f"{where}: expected a picture in the format {', '.join(others)} or {last}") from error
    except Image.DecompressionBombError as error:
        raise _too_large(where) from error
    except Exception as error:  # for damaged files, the decoders raise errors of many types
        raise LineupError(f"{where}: cannot read the picture; the file is damaged: {shortened(error, 80)}") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise LineupError(f"{path}: no such file")
    if not path.is_file():  # reading a folder fails, and reading a device may never end
        raise LineupError(f"{path}: expected a file")


def _read_bytes(path: Path) -> bytes:
    _check_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LineupError(f"{path}: {error.strerror or shortened(error)}") from error
    if len(content) > MAX_BYTES:
        raise LineupError(f"{path}: expected a file of at most {MAX_BYTES // 2**20} MiB")
    return content


def _check_size(where: str, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(where)


def _upright_size(where: str, image: Image.Image) -> tuple[int, int]:
    _check_size(where, image)
    turned = image.getexif().get(_ORIENTATION, 1) >= 5  # the orientations 5 to 8 swap width and height
    return (image.height, image.width) if turned else (image.width, image.height)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    upright = _eight_bits(ImageOps.exif_transpose(image))
    if max(upright.size) > LONGEST:
        scale = LONGEST / max(upright.size)
        size = (max(1, round(upright.width * scale)), max(1, round(upright.height * scale)))
        # Pillow weights the colours by the opacity when it resizes.
        upright = upright.resize(size, Image.Resampling.BOX)
    return np.array(upright, dtype=np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGBA with 8 bits per channel."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is unknown; expected integers")
    if not image.mode.startswith("I"):
        return image.convert("RGBA")
    # Pillow's own conversion from 16 bits would turn all values above 255 into white.
    grey = (np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGBA")


def _too_large(where: str) -> LineupError:
    return LineupError(f"{where}: expected a picture of at most {MAX_PIXELS:,} pixels")
