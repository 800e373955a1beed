"""Separate the object in a picture from its background.

Examples
--------
>>> picture = np.full((40, 30, 4), 255, np.uint8)
>>> picture[10:20, 5:25, :3] = (0, 90, 160)
>>> rows, columns = np.nonzero(object_mask(picture))
>>> int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())
(10, 19, 5, 24)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

CLOSE = 0.05
"""Colours are close if their distance is at most this share of the largest possible distance of two colours.

The makers of Fashion-MNIST trimmed their photographs with this value.
"""

_FARTHEST = 255 * 3**0.5
"""Distance of black and white."""
_PLAIN = 0.6
"""Share of the border that has one colour, from which on the background counts as plain."""
_COLOURS = 8
"""Number of colours that describe a busy background."""
_MOST_SPREAD = 0.15
"""Largest tolerance for a background whose colour varies, as a share of `_FARTHEST`."""
_SMALLEST = 0.005
"""Smallest share of the picture that counts as an object."""
_SMALLEST_FILL = 0.2
"""Smallest share of its rectangle that an object on a busy background fills.

The garments in the training images of Fashion-MNIST fill at least 0.23. Less is a part of the background.
"""


def object_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the object in a picture, and return a mask of the object.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity.

    Returns
    -------
    ndarray of bool, shape (height, width)
        True for the pixels of the object. True for all pixels if no object is found.

    Notes
    -----
    If most of the border is transparent, the opacity is the mask. Otherwise the border of the picture shows the
    background. If most of the border has one colour, all pixels that are close to this colour belong to the background.
    If not, the colours of the border are reduced to a few, and all pixels that are close to one of them belong to the
    background. An object with the colours of its background is not found. If only scattered parts of a busy picture
    remain, no object is found.
    """
    opaque = picture[..., 3] >= 128
    transparent_border = np.mean(_border(opaque)) < 0.5
    mask = opaque if transparent_border else opaque & _unlike_border(picture[..., :3].astype(np.float32))
    return mask if mask.mean() >= _SMALLEST else np.ones_like(mask)


def _border(values: NDArray[Any]) -> NDArray[Any]:
    """Return all pixels at the four edges of a picture as one row."""
    edge = max(1, round(0.02 * min(values.shape[:2])))
    parts = (values[:edge], values[-edge:], values[edge:-edge, :edge], values[edge:-edge, -edge:])
    return np.concatenate([part.reshape(-1, *values.shape[2:]) for part in parts])


def _unlike_border(colours: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask of the pixels whose colours differ from the colours at the border."""
    border = _border(colours)
    median = np.median(border, axis=0)
    distances = np.linalg.norm(border - median, axis=1)
    close, spread = CLOSE * _FARTHEST, _MOST_SPREAD * _FARTHEST
    if np.mean(distances <= spread) >= _PLAIN:
        near = distances[distances <= spread]
        tolerance = max(close, 1.2 * float(np.quantile(near, 0.9)))
        return _tidy(np.linalg.norm(colours - median, axis=2) > tolerance, smallest=0.02)
    palette = _palette(border)
    tolerance = max(close, float(np.quantile(_to_nearest(border, palette), 0.99)))
    mask = _tidy(ndimage.binary_opening(_to_nearest(colours, palette) > tolerance), smallest=0.2)
    return mask if _fill(mask) >= _SMALLEST_FILL else np.ones_like(mask)


def _fill(mask: NDArray[np.bool_]) -> float:
    """Return which fraction of its bounding rectangle an object fills. Without an object, return 0."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return 0.0
    return float(mask.sum() / ((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)))


def _palette(border: NDArray[np.float32]) -> NDArray[np.float32]:
    """Choose a few colours that represent the border, with the median-cut algorithm."""
    reduced = Image.fromarray(border.astype(np.uint8)[None]).quantize(_COLOURS, Image.Quantize.MEDIANCUT)
    colours = np.array(reduced.getpalette() or [], np.float32).reshape(-1, 3)
    used: NDArray[np.float32] = colours[np.unique(np.asarray(reduced))]
    return used


def _to_nearest(colours: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the distance of each pixel to the nearest of several colours."""
    nearest: NDArray[np.float32] = np.min([np.linalg.norm(colours - one, axis=-1) for one in palette], axis=0)
    return nearest


def _tidy(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """Remove small parts of a mask and close small holes.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    smallest : float
        Smallest size of a part, as a share of the largest part. Holes of up to 5 % of the largest part are closed.
    """
    mask, largest = _without_small(mask, smallest)
    holes = ndimage.binary_fill_holes(mask) & ~mask
    open_holes, _ = _without_small(holes, 0.05, largest)
    tidy: NDArray[np.bool_] = mask | (holes & ~open_holes)
    return tidy


def _without_small(mask: NDArray[np.bool_], share: float, largest: int = 0) -> tuple[NDArray[np.bool_], int]:
    """Remove all parts of a mask that are much smaller than the largest part. Return the size of the largest part."""
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = largest or int(sizes.max())
    kept: NDArray[np.bool_] = (sizes >= max(1.0, share * largest))[parts]
    return kept, largest
