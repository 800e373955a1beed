"""Generate images of garments, for use without a network connection.

The classes are those of Fashion-MNIST. One function per class draws the garments. The shapes have soft edges and random
proportions. T-shirts, pullovers, coats, shirts and dresses differ only in details such as sleeves, length and collar.
Models therefore confuse these five classes, as they do in Fashion-MNIST.

The module uses only sums, products, square roots and other operations that IEEE 754 defines exactly. The images are
therefore identical on all CPUs.

Examples
--------
>>> generate(20, 10, seed=1).train_images.shape
(20, 28, 28)
>>> generate(20, 10, seed=1, shape=(32, 40, 3)).train_images.shape
(20, 32, 40, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lineup.data.datasets import DATASETS
from lineup.errors import LineupError

_Field = np.ndarray[Any, np.dtype[np.floating[Any]]]
_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Number = _Field | float

SHAPE = (28, 28, 1)
"""Default height, width and number of channels of the images."""

# The width of an edge. By default an image is 2.15 wide and a pixel 0.077.
_EDGE = 0.09


@dataclass(frozen=True, eq=False)
class SyntheticImages:
    """The result of `generate`.

    Parameters
    ----------
    train_images, test_images : ndarray of uint8
        Images of shape (n, height, width) for one channel, otherwise (n, height, width, channels). The background is 0.
    train_labels, test_labels : ndarray of uint8, shape (n,)
        Indices into the classes of the dataset ``synthetic``.
    """

    train_images: _Bytes
    train_labels: _Bytes
    test_images: _Bytes
    test_labels: _Bytes


def generate(train_images: int, test_images: int, seed: int, shape: tuple[int, int, int] = SHAPE) -> SyntheticImages:
    """Generate training and test images of ten kinds of garments.

    Parameters
    ----------
    train_images, test_images : int
        Number of images, at least one per class. Class counts differ by at most 1, and the order is random.
    seed : int
        Seed of the random numbers, 0 or above. The images are identical on every machine for the same arguments.
    shape : tuple of int
        Height, width and channels of an image. With several channels each image has one random colour. Default 28 by 28
        pixels with one channel.

    Returns
    -------
    SyntheticImages

    Raises
    ------
    LineupError
        If a count is below the number of classes, or the seed below 0.
    """
    if seed < 0:
        raise LineupError(f"data.seed: expected 0 or above, found {seed}")
    for name, count in (("train_images", train_images), ("test_images", test_images)):
        if count < len(_RECIPES):
            raise LineupError(f"data.{name}: expected at least {len(_RECIPES)}, one per class, found {count}")
    rng = np.random.default_rng(seed)
    return SyntheticImages(*_generate_part(train_images, rng, shape), *_generate_part(test_images, rng, shape))


def _generate_part(count: int, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[_Bytes, _Bytes]:
    """Generate ``count`` labelled images with balanced classes, in random order."""
    height, width, channels = shape
    labels = rng.permutation(np.arange(count) % len(_RECIPES)).astype(np.uint8)
    images = np.empty((count, height, width), np.uint8)
    for label, name in enumerate(DATASETS["synthetic"].classes):
        where = np.flatnonzero(labels == label)
        canvas = _Canvas(len(where), rng, height, width)
        _RECIPES[name](canvas)
        images[where] = canvas.develop()
    if channels > 1:
        colours = rng.uniform(0.3, 1, (count, 1, 1, channels)).astype(np.float32)
        images = np.rint(images[..., None] * colours).astype(np.uint8)
    return images, labels


class _Canvas:
    """Draw shapes on all images of one class.

    ``x`` increases to the right and ``y`` downwards, both from about -1 to 1 over a garment. Each image shows a garment
    with a random position, size and tilt. If each of the n images has another value, the values are in an array of
    shape (n, 1, 1).
    """

    def __init__(self, count: int, rng: np.random.Generator, height: int, width: int) -> None:
        self.count, self.rng = count, rng
        x = (_axis(width)[None, None, :] - self.vary(-0.12, 0.12)) / self.vary(0.9, 1.15)
        y = (_axis(height)[None, :, None] - self.vary(-0.08, 0.08)) / self.vary(0.92, 1.1)
        tilt = self.vary(-0.06, 0.06)
        self.x: _Field = x + tilt * y
        self.y: _Field = y - tilt * x
        self.grey: _Field = np.zeros((count, height, width), np.float32)

    def vary(self, low: float, high: float) -> _Field:
        """Return a uniform random number between ``low`` and ``high`` for each image."""
        return self.rng.uniform(low, high, (self.count, 1, 1)).astype(np.float32)

    def some(self, share: float) -> _Field:
        """Return 1 for randomly chosen images and 0 for all other images."""
        return (self.rng.random((self.count, 1, 1)) < share).astype(np.float32)

    def paint(self, mask: _Field, shade: _Number) -> None:
        """Fill the area of a mask with a shade of grey."""
        self.grey = self.grey * (1 - mask) + mask * shade

    def outline(self, knots: Sequence[tuple[_Number, _Number]]) -> _Field:
        """Return the mask of a symmetric shape.

        The pairs in ``knots`` are sorted from top to bottom. Each pair contains a height, and half of the width that
        the shape has at this height.
        """
        width = _broken_line(self.y, knots)
        return _soft(np.maximum(np.maximum(abs(self.x) - width, knots[0][0] - self.y), self.y - knots[-1][0]))

    def skyline(self, knots: Sequence[tuple[_Number, _Number]], bottom: _Number) -> _Field:
        """Return a mask of the area below a line.

        The pairs in ``knots`` are the points of the line, from left to right. The area ends at ``bottom``.
        """
        top = _broken_line(self.x, knots)
        sides = np.maximum(knots[0][0] - self.x, self.x - knots[-1][0])
        return _soft(np.maximum(np.maximum(top - self.y, self.y - bottom), sides))

    def stroke(
        self, start: tuple[_Number, _Number], end: tuple[_Number, _Number], radius: _Number, *, mirrored: bool = False
    ) -> _Field:
        """Return a mask of a thick line. Optionally, the mask also contains the mirror image of the line."""
        x = abs(self.x) if mirrored else self.x
        along_x, along_y = end[0] - start[0], end[1] - start[1]
        from_x, from_y = x - start[0], self.y - start[1]
        length_squared = along_x * along_x + along_y * along_y + 1e-6
        share = np.clip((from_x * along_x + from_y * along_y) / length_squared, 0, 1)
        off_x, off_y = from_x - share * along_x, from_y - share * along_y
        return _soft(np.sqrt(off_x * off_x + off_y * off_y) - radius)

    def ellipse(self, centre: tuple[_Number, _Number], radius: tuple[_Number, _Number]) -> _Field:
        """Return the mask of an ellipse."""
        x, y = (self.x - centre[0]) / radius[0], (self.y - centre[1]) / radius[1]
        return _soft((np.sqrt(x * x + y * y) - 1) * np.minimum(radius[0], radius[1]))

    def ring(self, centre: tuple[_Number, _Number], radius: tuple[_Number, _Number], thickness: _Number) -> _Field:
        """Return a mask of the area between two ellipses with the same centre."""
        return self.ellipse(centre, radius) * (1 - self.ellipse(centre, (radius[0] - thickness, radius[1] - thickness)))

    def print_cloth(self, plain: float) -> None:
        """Draw stripes, checks or speckles on some of the images. The argument ``plain`` is the fraction of images that
        have no pattern.
        """
        kind = self.rng.random((self.count, 1, 1))
        pattern = np.zeros_like(self.grey)
        period = self.vary(0.25, 0.6)
        across, down = _wave(self.y / period), _wave(self.x / period)
        speckle = self.rng.random(self.grey.shape, np.float32)
        for share, texture in ((0.35, across), (0.5, down), (0.75, (across + down) / 2), (1.0, speckle)):
            within = (kind >= plain) & (kind < plain + (1 - plain) * share) & (pattern == 0)
            pattern = np.where(within, texture, pattern)
        self.grey = self.grey * (1 - self.vary(0.15, 0.7) * pattern)

    def develop(self) -> _Bytes:
        """Add random light, noise and occlusion, and convert the images to uint8."""
        light = 1 + self.vary(-0.15, 0.15) * self.x + self.vary(-0.1, 0.1) * self.y
        grey = self.grey * light * self.vary(0.2, 1.15)
        noise = self.rng.uniform(-1, 1, grey.shape).astype(np.float32) * self.vary(0.02, 0.14)
        grey = grey + noise * (self.grey > 0.05)
        left, top = self.vary(-1, 0.6), self.vary(-1, 0.6)
        inside = (self.x > left) & (self.x < left + self.vary(0.2, 0.6))
        inside &= (self.y > top) & (self.y < top + self.vary(0.2, 0.6))
        hidden = inside & (self.some(0.1) > 0)
        grey = np.where(hidden, self.vary(0, 0.6), grey)
        developed: _Bytes = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
        return developed


def _axis(size: int) -> _Field:
    """Return the coordinates of the pixels along one axis, from about -1 to about 1."""
    axis: _Field = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / ((size - 2) / 2)
    return axis


def _soft(distance: _Field) -> _Field:
    """Convert distances from the edge of a shape to a mask with values from 0 to 1. Distances are negative inside the
    shape.
    """
    mask: _Field = np.clip(0.5 - distance / _EDGE, 0, 1)
    return mask


def _wave(position: _Field) -> _Field:
    """Compute a triangle wave with period 1 and values from 0 to 1."""
    return abs(position - np.floor(position) - 0.5) * 2


def _broken_line(position: _Field, knots: Sequence[tuple[_Number, _Number]]) -> _Field:
    """Interpolate linearly between the given points. The points can differ between images."""
    value = np.zeros_like(position) + knots[0][1]
    for (start, low), (end, high) in pairwise(knots):
        share = np.clip((position - start) / (end - start), 0, 1)
        value = value + share * (high - low)
    return value


def _upper_body(
    canvas: _Canvas, *, sleeve: _Number, spread: _Number, hem: _Number, waist: _Number, flare: _Number, neck: _Number
) -> None:
    """Paint torso, two sleeves and a neckline.

    ``sleeve`` is the length from the shoulder and ``spread`` its slope away from the body (0: straight down). ``hem``
    is the lower end, ``waist`` and ``flare`` are half widths in the middle and at the hem, ``neck`` is the depth of the
    neckline.
    """
    shoulder = canvas.vary(0.4, 0.54)
    shade = canvas.vary(0.75, 1.0)
    thickness = canvas.vary(0.11, 0.17)
    length = sleeve / np.sqrt(1 + spread * spread)
    arm = (shoulder - thickness * 0.6, -0.72 + thickness * 0.5)
    hand = (arm[0] + length * spread, arm[1] + length)
    arms = canvas.stroke(arm, hand, thickness, mirrored=True)
    canvas.paint(arms, shade * canvas.vary(0.75, 1.0))
    seam = 0.06
    shadow = canvas.outline([(-0.6, shoulder), (0.0, waist + seam), (hem, flare + seam)])
    canvas.paint(shadow * arms, shade * canvas.vary(0.2, 0.9))
    canvas.paint(canvas.outline([(-0.92, 0.22), (-0.78, shoulder), (0.0, waist), (hem, flare)]), shade)
    canvas.paint(canvas.ellipse((0.0, -0.95), (canvas.vary(0.16, 0.28), neck)), 0.0)


def _chest_print(canvas: _Canvas, share: float) -> None:
    """Draw a pattern on the chest of some garments.

    The garments are chosen at random.
    """
    size = (canvas.vary(0.12, 0.3), canvas.vary(0.08, 0.25))
    where = (canvas.vary(-0.08, 0.08), canvas.vary(-0.4, 0.0))
    canvas.paint(canvas.ellipse(where, size) * canvas.some(share), canvas.vary(0.1, 1.0))


def _collar(canvas: _Canvas, share: float) -> None:
    """Draw a collar on some garments.

    The garments are chosen at random.
    """
    has = canvas.some(share)
    tip = (canvas.vary(0.1, 0.2), canvas.vary(-0.75, -0.6))
    canvas.paint(canvas.stroke((0.12, -0.92), tip, 0.06, mirrored=True) * has, canvas.vary(0.8, 1.1))
    canvas.paint(canvas.stroke((0.0, -0.92), (0.0, -0.72), 0.03) * has, 0.15)


def _front_line(canvas: _Canvas, share: float, radius: _Number, shade: _Number, bottom: _Number) -> None:
    """Draw a vertical line in the middle of some garments.

    The garments are chosen at random.
    """
    middle = canvas.vary(-0.08, 0.08)
    canvas.paint(canvas.stroke((middle, -0.7), (middle, bottom), radius) * canvas.some(share), shade)


def _t_shirt(canvas: _Canvas) -> None:
    _upper_body(
        canvas,
        sleeve=canvas.vary(0.0, 0.55),
        spread=canvas.vary(0.5, 1.6),
        hem=canvas.vary(0.7, 0.98),
        waist=canvas.vary(0.36, 0.5),
        flare=canvas.vary(0.36, 0.54),
        neck=canvas.vary(0.08, 0.3),
    )
    _collar(canvas, 0.15)
    _chest_print(canvas, 0.4)
    canvas.print_cloth(plain=0.65)


def _trouser(canvas: _Canvas) -> None:
    waist, hem = canvas.vary(0.22, 0.34), canvas.vary(0.88, 1.0)
    outer = canvas.vary(0.22, 0.42)
    canvas.paint(canvas.outline([(-0.95, waist), (-0.5, waist + canvas.vary(0.02, 0.1)), (hem, outer)]), 0.9)
    gap = canvas.outline([(canvas.vary(-0.55, -0.25), 0.0), (hem, outer * canvas.vary(0.25, 0.6)), (1.3, 0.3)])
    canvas.paint(gap, 0.0)
    canvas.paint(canvas.outline([(-0.95, waist), (-0.82, waist)]) * canvas.some(0.5), 0.6)
    canvas.print_cloth(plain=0.8)


def _pullover(canvas: _Canvas) -> None:
    hem = canvas.vary(0.6, 0.95)
    flare = canvas.vary(0.36, 0.52)
    _upper_body(
        canvas,
        sleeve=canvas.vary(1.05, 1.6),
        spread=canvas.vary(0.04, 0.28),
        hem=hem,
        waist=canvas.vary(0.36, 0.52),
        flare=flare,
        neck=canvas.vary(0.04, 0.18),
    )
    rib = canvas.outline([(hem - 0.12, flare), (hem, flare)])
    canvas.paint(rib * canvas.some(0.5), canvas.vary(0.5, 0.9))
    _collar(canvas, 0.15)
    _chest_print(canvas, 0.25)
    canvas.print_cloth(plain=0.65)


def _dress(canvas: _Canvas) -> None:
    _upper_body(
        canvas,
        sleeve=canvas.vary(0.0, 0.5) + canvas.some(0.25) * canvas.vary(0.4, 0.9),
        spread=canvas.vary(0.1, 0.6),
        hem=canvas.vary(0.9, 1.02),
        waist=canvas.vary(0.2, 0.36),
        flare=canvas.vary(0.28, 0.62),
        neck=canvas.vary(0.06, 0.35),
    )
    canvas.print_cloth(plain=0.7)


def _coat(canvas: _Canvas) -> None:
    hem = canvas.vary(0.75, 1.02)
    _upper_body(
        canvas,
        sleeve=canvas.vary(1.1, 1.65),
        spread=canvas.vary(0.04, 0.28),
        hem=hem,
        waist=canvas.vary(0.34, 0.52),
        flare=canvas.vary(0.38, 0.58),
        neck=canvas.vary(0.04, 0.2),
    )
    _collar(canvas, 0.5)
    _front_line(canvas, 0.8, canvas.vary(0.01, 0.05), canvas.vary(0.0, 0.5), hem)
    canvas.print_cloth(plain=0.75)


def _sandal(canvas: _Canvas) -> None:
    ground, heel = canvas.vary(0.45, 0.8), canvas.vary(0.0, 0.9) * canvas.some(0.6)
    toe, ball = canvas.vary(-0.95, -0.8), (canvas.vary(-0.5, -0.2), ground)
    ankle = (canvas.vary(0.65, 0.85), ground - heel)
    sole, strap, shade = canvas.vary(0.04, 0.09), canvas.vary(0.06, 0.16), canvas.vary(0.6, 1.0)
    arch = (canvas.vary(0.2, 0.4), canvas.vary(0.2, 0.45))
    canvas.paint(canvas.ring(((toe + ball[0]) / 2, ground), arch, strap), shade)
    loop = (canvas.vary(0.18, 0.35), canvas.vary(0.25, 0.7))
    canvas.paint(canvas.ring((ankle[0] - loop[0], ankle[1]), loop, strap) * canvas.some(0.8), shade)
    link = canvas.stroke((ball[0], ground - arch[1] / 2), (ankle[0], ankle[1] - loop[1] / 2), strap / 2)
    canvas.paint(link * canvas.some(0.5), shade)
    below = [(toe, ground), (ball[0], ground), (ankle[0] + 0.05, ankle[1])]
    canvas.paint(canvas.skyline(below, 1.5), 0.0)
    canvas.paint(canvas.skyline(below, ground) * canvas.some(0.3), shade * canvas.vary(0.6, 1.0))
    for start, end in (((toe, ground), ball), (ball, ankle), (ankle, (ankle[0], ground))):
        canvas.paint(canvas.stroke(start, end, sole), canvas.vary(0.7, 1.0))
    canvas.print_cloth(plain=0.85)


def _shirt(canvas: _Canvas) -> None:
    short = canvas.some(0.4)
    _upper_body(
        canvas,
        sleeve=short * canvas.vary(0.1, 0.7) + (1 - short) * canvas.vary(0.95, 1.55),
        spread=short * canvas.vary(0.3, 1.0) + canvas.vary(0.08, 0.4),
        hem=canvas.vary(0.7, 1.0),
        waist=canvas.vary(0.32, 0.5),
        flare=canvas.vary(0.34, 0.54),
        neck=canvas.vary(0.05, 0.25),
    )
    _collar(canvas, 0.6)
    _front_line(canvas, 0.55, canvas.vary(0.0, 0.03), canvas.vary(0.2, 0.9), 0.9)
    canvas.print_cloth(plain=0.5)


def _sneaker(canvas: _Canvas) -> None:
    ground, toe, heel = canvas.vary(0.4, 0.75), canvas.vary(-0.98, -0.85), canvas.vary(0.75, 0.96)
    height = canvas.vary(0.45, 0.75) + canvas.some(0.3) * canvas.vary(0.1, 0.45)
    tongue = canvas.vary(0.05, 0.35)
    upper: list[tuple[_Number, _Number]] = [
        (toe, ground - 0.15),
        (-0.5, ground - height * canvas.vary(0.35, 0.6)),
        (tongue, ground - height),
        (tongue + canvas.vary(0.25, 0.4), ground - height * canvas.vary(0.7, 0.95)),
        (heel, ground - height * canvas.vary(0.8, 1.1)),
    ]
    canvas.paint(canvas.skyline(upper, ground), canvas.vary(0.6, 1.0))
    _sole(canvas, toe, heel, ground)
    for offset in (0.12, 0.3, 0.48):
        lace = (tongue - offset, ground - height * canvas.vary(0.5, 0.9))
        stripe = canvas.stroke(lace, (lace[0] - 0.15, ground - 0.1), 0.03)
        canvas.paint(stripe * canvas.some(0.5), canvas.vary(0.1, 1.0))
    canvas.print_cloth(plain=0.8)


def _sole(canvas: _Canvas, toe: _Field, heel: _Field, ground: _Field) -> None:
    thickness = canvas.vary(0.04, 0.14)
    canvas.paint(canvas.skyline([(toe, ground - thickness), (heel, ground - thickness)], ground), canvas.vary(0.3, 1.0))


def _bag(canvas: _Canvas) -> None:
    top, bottom = canvas.vary(-0.45, 0.05), canvas.vary(0.6, 0.92)
    width = canvas.vary(0.55, 0.95)
    handle = (canvas.vary(0.25, 0.5), canvas.vary(0.2, 0.55))
    strap = canvas.vary(0.05, 0.1)
    canvas.paint(canvas.ring((0.0, top), handle, strap) * canvas.some(0.8), canvas.vary(0.5, 1.0))
    canvas.paint(canvas.outline([(top, width * canvas.vary(0.75, 1.0)), (bottom, width)]), canvas.vary(0.7, 1.0))
    flap = canvas.outline([(top, width), (top + canvas.vary(0.15, 0.5), width * canvas.vary(0.6, 1.0))])
    canvas.paint(flap * canvas.some(0.5), canvas.vary(0.5, 0.9))
    button = canvas.vary(0.06, 0.1)
    canvas.paint(canvas.ellipse((0.0, (top + bottom) / 2), (button, button)) * canvas.some(0.5), canvas.vary(0.0, 0.4))
    canvas.print_cloth(plain=0.7)


def _ankle_boot(canvas: _Canvas) -> None:
    ground, toe, back = canvas.vary(0.5, 0.9), canvas.vary(-0.95, -0.75), canvas.vary(0.6, 0.9)
    shaft = back - canvas.vary(0.55, 0.85)
    height = canvas.vary(0.7, 1.7)
    upper = [
        (toe, ground - canvas.vary(0.15, 0.3)),
        (shaft - canvas.vary(0.2, 0.4), ground - canvas.vary(0.4, 0.6)),
        (shaft, ground - height),
        (back, ground - height * canvas.vary(0.92, 1.05)),
    ]
    canvas.paint(canvas.skyline(upper, ground), canvas.vary(0.7, 1.0))
    arch = canvas.skyline(
        [(toe + 0.6, ground), (back - canvas.vary(0.2, 0.35), ground - canvas.vary(0.1, 0.3))],
        ground + 0.1,
    )
    raised = canvas.some(0.5)
    canvas.paint(arch * raised, 0.0)
    _sole(canvas, back - 0.25, back, ground)
    canvas.print_cloth(plain=0.85)


_RECIPES: dict[str, Callable[[_Canvas], None]] = {
    "T-shirt/top": _t_shirt,
    "Trouser": _trouser,
    "Pullover": _pullover,
    "Dress": _dress,
    "Coat": _coat,
    "Sandal": _sandal,
    "Shirt": _shirt,
    "Sneaker": _sneaker,
    "Bag": _bag,
    "Ankle boot": _ankle_boot,
}
