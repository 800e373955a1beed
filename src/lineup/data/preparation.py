"""Convert pictures of any size and colour to the image format of a dataset.

Examples
--------
>>> picture = np.full((60, 40, 4), 255, np.uint8)
>>> picture[10:50, 10:30, :3] = (0, 90, 160)
>>> image = prepare("fashion_mnist", picture, (28, 28, 1))
>>> image.shape, int(image[14, 14]), int(image[14, 0])
((28, 28), 184, 0)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lineup.data.cutout import object_mask
from lineup.errors import LineupError

Picture = NDArray[np.uint8]
Shape = tuple[int, int, int]

_WORKING = 512
"""Longest edge of a picture while its object is searched, in pixels."""

_THUMBNAIL = 73 / 28
"""Size of the photographs of Fashion-MNIST before every few rows and columns were kept, relative to their final size.

The photographs were 51 x 73 pixels.
"""


def prepare(dataset: str, picture: Picture, shape: Shape) -> NDArray[np.uint8]:
    """Convert a picture to the image format of a dataset.

    Parameters
    ----------
    dataset : str
        Name of the dataset. Pictures for the user's own datasets are resized and padded, see `pad`.
    picture : ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity.
    shape : tuple of int
        Height, width and channels of the images of the dataset.

    Returns
    -------
    ndarray of uint8
        Of shape (height, width) for one channel, otherwise (height, width, channels). A picture that has the size and
        the channels of the dataset already is not changed.

    Raises
    ------
    LineupError
        If the images of the dataset have neither one channel nor three.
    """
    if picture.shape[:2] == shape[:2] and _is_opaque(picture) and (shape[2] == 3 or _is_grey(picture)):
        return resize(picture, shape)
    return _PREPARATIONS.get(dataset, pad)(picture, shape)


def pad(picture: Picture, shape: Shape) -> NDArray[np.uint8]:
    """Resize a picture, but keep the ratio of its width to its height. Transparent areas become white.

    The rest of the image gets the median colour of the picture's edge. A white background therefore remains white, and
    a black background remains black. See `prepare` for the parameters.
    """
    height, width, channels = shape
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
    small = resize(picture, (*size, channels))
    if size == (height, width):
        return small
    edge = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    canvas = np.empty((height, width, *small.shape[2:]), np.uint8)
    canvas[:] = np.median(edge, axis=0).round()
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    canvas[top : top + size[0], left : left + size[1]] = small
    return canvas


def resize(picture: Picture, shape: Shape) -> NDArray[np.uint8]:
    """Resize a picture. Transparent areas become white. The aspect ratio may change.

    See `prepare` for the parameters.
    """
    height, width, channels = shape
    colours = Image.fromarray(_on_white(picture)).convert(_mode(channels))
    return np.array(colours.resize((width, height), Image.Resampling.BOX), dtype=np.uint8)


def cut_out_and_negate(picture: Picture, shape: Shape) -> NDArray[np.uint8]:
    """Cut out the object in a photograph, and return its negative on a black background.

    The function follows section 3.1 of the paper on Fashion-MNIST (Xiao, Rasul and Vollgraf, arXiv:1708.07747). It
    first trims the edges, keeps only some rows and columns, and sharpens the picture. It then extends the shorter edge,
    negates the picture, and converts the picture to grey. Pixels outside the object are set to white, because the
    photographs in the paper have a white background. Large pictures are reduced to the size that the paper on
    Fashion-MNIST uses.

    See `prepare` for the parameters.
    """
    height, width, channels = shape
    picture = _reduced(picture, max(_WORKING, 4 * max(height, width)))
    mask = object_mask(picture)
    white = np.where(mask[..., None], _on_white(picture), np.uint8(255))
    photograph = np.asarray(Image.fromarray(_trim(white, mask)).convert(_mode(channels)))
    scale = min(height / photograph.shape[0], width / photograph.shape[1])
    thumbnail = _reduced(photograph, round(_THUMBNAIL * scale * max(photograph.shape[:2])))
    small = _sharpen(_subsample(thumbnail, min(height / thumbnail.shape[0], width / thumbnail.shape[1]), shape))
    return 255 - _extend(small, height, width)


_PREPARATIONS: dict[str, Callable[[Picture, Shape], NDArray[np.uint8]]] = {
    "fashion_mnist": cut_out_and_negate,
    "synthetic": cut_out_and_negate,
}
"""How to prepare pictures for a dataset. Without an entry, they are resized and padded."""


def _mode(channels: int) -> str:
    """Return the mode that Pillow uses for images with this number of channels."""
    if channels not in (1, 3):
        raise LineupError(f"images with {channels} channels: pictures can only be prepared for models with 1 or 3")
    return "L" if channels == 1 else "RGB"


def _is_opaque(picture: Picture) -> bool:
    return bool((picture[..., 3] == 255).all())


def _is_grey(picture: Picture) -> bool:
    return bool((picture[..., :3] == picture[..., :1]).all())


def _on_white(picture: Picture) -> Picture:
    """Place a picture on a white background, using its alpha channel."""
    opacity = picture[..., 3:] / 255
    return np.rint(picture[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)


def _reduced(picture: Picture, longest: int) -> Picture:
    """If the longest edge of a picture has more than ``longest`` pixels, reduce the picture by averaging."""
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX), dtype=np.uint8)


def _trim(picture: Picture, mask: NDArray[np.bool_]) -> Picture:
    """Remove the rows and columns at the edges if they do not contain the object."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _subsample(picture: Picture, scale: float, shape: Shape) -> Picture:
    """Keep only every n-th row and column. If the picture is too small, rows and columns are repeated."""
    chosen = []
    for found, most in zip(picture.shape[:2], shape, strict=False):
        size = min(most, max(1, round(found * scale)))
        chosen.append((((np.arange(size) + 0.5) * found) // size).astype(np.intp))
    return picture[np.ix_(*chosen)]


def _sharpen(picture: Picture) -> Picture:
    """Sharpen a picture with the algorithm of ImageMagick. The radius and the standard deviation are 1.

    The kernel is a negative Gaussian, except at its centre. The value at the centre is twice the sum of all values of
    the Gaussian. The kernel is then divided by its sum.
    """
    offsets = np.array([-1.0, 0.0, 1.0])
    kernel = -np.exp(-(offsets[:, None] ** 2 + offsets**2) / 2)
    kernel[1, 1] = -2 * kernel.sum()
    kernel /= kernel.sum()
    channels = picture.reshape(*picture.shape[:2], -1).astype(np.float64)
    sharp = ndimage.convolve(channels, kernel[..., None], mode="nearest")
    sharp_bytes: Picture = np.rint(sharp.clip(0, 255)).astype(np.uint8)
    return sharp_bytes.reshape(picture.shape)


def _extend(picture: Picture, height: int, width: int) -> Picture:
    """Pad a picture with white pixels, so that the picture is in the centre."""
    canvas = np.full((height, width, *picture.shape[2:]), 255, np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas
