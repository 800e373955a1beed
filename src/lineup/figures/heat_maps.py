"""Plot images with heat maps of the regions that affect a prediction.

Examples
--------
>>> images, labels = np.zeros((2, 8, 8), np.uint8), np.array([0, 1])
>>> scores = Scores(np.arange(2), labels, np.array([[0.9, 0.1], [0.8, 0.2]]))
>>> figure = heat_maps(images, np.ones((2, 8, 8)), scores, ["cat", "dog"], title="cnn")
>>> [text.get_text() for axes in figure.axes for text in axes.texts]
['predicted: cat 0.800, actual: dog', 'test image 1', 'predicted: cat 0.900, actual: cat', 'test image 0']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.figures import style
from lineup.figures.pictures import (
    check_images,
    class_text,
    draw_pictures,
    grid_size,
    prediction_text,
    write_caption,
    write_heading,
)

_WIDTH = 3.3
"""Width of an image with its heat map and overlay, in inches."""
_COLUMNS = 3
_CAPTION = 0.12
"""Space below an image for two lines. The width of the three pictures is 1."""
_OPACITY = 0.8
"""Opacity of the heat map in the overlay where it is highest."""
_PALE = 0.35
"""Share of white that is added to the image in the overlay, so that the heat is visible on dark images."""


def heat_maps(
    images: NDArray[np.uint8],
    maps: NDArray[np.floating],
    scores: Scores,
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
) -> Figure:
    """Plot each image, its heat map, and an overlay of both.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
        In images with one channel, 0 is shown as white.
    maps : ndarray of float, shape (n, height, width)
        Heat map of the predicted class of each image, at least 0. Each map is divided by its largest value.
    scores : Scores
        Class probabilities of the images. The predicted class is the most probable one; ties go to the lowest index.
    classes : sequence of str
        Class names, in the order of the columns.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with a panel for misclassified images and one for correctly classified images, in the given order. A
        panel without images is left out.

    Raises
    ------
    LineupError
        If the images do not match the maps and the scores.
    """
    check_images("heat maps", images, scores.labels, classes)
    if maps.shape != images.shape[:3]:
        raise LineupError(f"heat maps: expected maps of the shape {images.shape[:3]}, found {maps.shape}")
    right = scores.probabilities.argmax(axis=1) == scores.labels
    panels = {"misclassified images": ~right, "correctly classified images": right}
    panels = {heading: mask for heading, mask in panels.items() if mask.any()}
    triples = np.stack([_triple(image, heat) for image, heat in zip(images, maps, strict=True)])
    sizes = [
        grid_size(int(mask.sum()), triples.shape[1:3], columns=_COLUMNS, below=_CAPTION) for mask in panels.values()
    ]
    high = sum(_WIDTH * height + 0.4 for _, height in sizes)
    figure = style.new_figure(0.2 + _WIDTH * sizes[0][0], 0.2 + high, title=title, subtitle=subtitle)
    all_axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[height for _, height in sizes])
    for (axes,), (heading, mask) in zip(all_axes, panels.items(), strict=True):
        corners = draw_pictures(axes, triples[mask], columns=_COLUMNS, below=_CAPTION)
        for index, corner in zip(np.flatnonzero(mask), corners, strict=True):
            write_caption(axes, corner, _caption(scores, int(index), classes, empty=not maps[index].any()))
        write_heading(axes, f"{heading}: the image, the heat map of the predicted class, and both")
    return figure


def _caption(scores: Scores, index: int, classes: Sequence[str], *, empty: bool) -> list[tuple[str, str]]:
    """Return the two lines of the caption of an image. If the image is misclassified, the caption is orange-red."""
    actual, probabilities = scores.labels[index], scores.probabilities[index]
    label = int(probabilities.argmax())
    text = f"predicted: {prediction_text(classes, label, probabilities[label])}, actual: {class_text(classes, actual)}"
    colour = style.BLUE if label == actual else style.VERMILLION
    place = f"test image {scores.indices[index]:,}"
    return [(text, colour), (f"{place}; no region increases the score" if empty else place, style.MUTED)]


def _triple(image: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Place an image, its heat map and the overlay side by side, with narrow gaps."""
    share = heat / max(float(heat.max()), np.finfo(float).tiny)
    picture = _colours(image)
    opacity = _OPACITY * share[:, :, None]
    overlay = (1 - opacity) * (_PALE + (1 - _PALE) * picture) + opacity * np.array(to_rgb(style.VERMILLION))
    gap = np.ones((len(image), max(1, image.shape[1] // 14), 3))
    row = np.concatenate([picture, gap, colormaps["Oranges"](share)[:, :, :3], gap, overlay], axis=1)
    return np.round(255 * row).astype(np.uint8)


def _colours(image: NDArray[np.uint8]) -> NDArray[Any]:
    """Convert an image to red, green and blue values from 0 to 1. In images with one channel, the grey values are
    inverted, so that 0 is white.
    """
    scaled: NDArray[Any] = image.astype(np.float64) / 255
    if scaled.ndim == 3 and scaled.shape[2] == 3:
        return scaled
    grey = scaled if scaled.ndim == 2 else scaled.mean(axis=2)
    return np.repeat(1 - grey[:, :, None], 3, axis=2)
