"""Combine many small images in one PNG file that an HTML page can contain.

Examples
--------
>>> sheet = image_sheet(np.zeros((9, 28, 28), np.uint8), order=[4, 0, 8], limit=10_000)
>>> sheet.indices, sheet.columns, sheet.png[1:4]
([4, 0, 8], 2, b'PNG')
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

MOST = 2_500
"""Largest number of images in a sheet."""

SIDE = 64
"""Largest height and width of an image in a sheet, in pixels. Larger images are reduced."""


@dataclass(frozen=True)
class ImageSheet:
    """PNG file with many images in rows and columns.

    Parameters
    ----------
    png : bytes
        The file. It is empty if there are no images.
    indices : list of int
        Indices of the images, row by row.
    columns : int
        Number of images in each row.
    width, height : int
        Size of an image in the sheet, in pixels.
    """

    png: bytes
    indices: list[int]
    columns: int
    width: int
    height: int


def image_sheet(images: np.ndarray, order: Sequence[int], limit: int, most: int = MOST) -> ImageSheet:
    """Create a PNG file with as many images as the size limit allows.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
        Images with three channels are in colour. Of other numbers of channels, the sheet shows the mean.
    order : sequence of int
        Indices of the images, the most important first.
    limit : int
        Largest size of the file in bytes.
    most : int, optional
        Largest number of images. Default: 2,500.
    """
    chosen = list(order[:most])
    while chosen:
        sheet = _sheet(images[chosen], chosen)
        if len(sheet.png) <= limit:
            return sheet
        # The size of a PNG file grows nearly in proportion to its number of images.
        chosen = chosen[: min(len(chosen) - 1, int(0.97 * len(chosen) * limit / len(sheet.png)))]
    return ImageSheet(b"", [], 0, 0, 0)


def _sheet(images: np.ndarray, indices: list[int]) -> ImageSheet:
    if images.ndim == 4 and images.shape[3] != 3:
        images = images.mean(axis=3).round().astype(np.uint8)
    mode = "L" if images.ndim == 3 else "RGB"
    scale = min(1, SIDE / max(images.shape[1:3]))
    height, width = (max(1, round(size * scale)) for size in images.shape[1:3])
    columns = math.ceil(math.sqrt(len(images)))
    sheet = Image.new(mode, (columns * width, math.ceil(len(images) / columns) * height))
    for number, pixels in enumerate(images):
        image = Image.fromarray(pixels)
        place = (number % columns * width, number // columns * height)
        sheet.paste(image if scale == 1 else image.resize((width, height), Image.Resampling.BOX), place)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return ImageSheet(file.getvalue(), indices, columns, width, height)
