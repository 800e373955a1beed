"""Plot pictures, the images that the model received, and the predictions.

Examples
--------
>>> shown = ShownPicture("cat.png", np.zeros((30, 20, 4), np.uint8), np.zeros((8, 8), np.uint8), [("cat", 0.9)], "")
>>> figure = predictions([shown], title="cnn")
>>> [axes.get_title(loc="left") for axes in figure.axes]
['cat.png', 'what the model saw', 'cat']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.figures import style
from lineup.serving.answers import probability_text

MOST = 20
"""Largest number of pictures in a figure."""
_HEIGHT = 1.75
"""Height of a row, in inches."""
_LONGEST = 22
"""Largest number of characters of a file name or class name."""


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """One picture of the figure.

    Parameters
    ----------
    name : str
        Name of the file.
    picture : ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity.
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
        What the model saw.
    top : list of tuple of str and float
        The most probable classes with their probabilities, in decreasing order.
    remark : str
        A line below the classes, such as the agreement of the members; may be empty.
    warning : str, optional
        Why the answer should not be trusted, such as "not sure". Default: empty.
    """

    name: str
    picture: NDArray[np.uint8]
    image: NDArray[np.uint8]
    top: Sequence[tuple[str, float]]
    remark: str
    warning: str = ""


def predictions(pictures: Sequence[ShownPicture], *, title: str, subtitle: str = "") -> Figure:
    """Plot one row per picture, with the image that the model received and the most probable classes.

    Parameters
    ----------
    pictures : sequence of ShownPicture
        At least one. Only the first `MOST` are plotted.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Raises
    ------
    LineupError
        If there are no pictures.
    """
    if not pictures:
        raise LineupError("predictions: expected at least one picture")
    shown = list(pictures[:MOST])
    figure = style.new_figure(7.2, _HEIGHT * len(shown), title=title, subtitle=subtitle)
    rows = figure.subplots(len(shown), 3, squeeze=False, width_ratios=[1, 1, 1.6])
    for (left, middle, right), one in zip(rows, shown, strict=True):
        _draw(left, one.picture, shortened(one.name, _LONGEST))
        _draw(middle, one.image, "what the model saw")
        _draw_classes(right, one)
    return figure


def _draw(axes: Axes, image: NDArray[np.uint8], heading: str) -> None:
    """Draw a colour picture or a greyscale image. In greyscale images, 0 is black."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(style.GRID)
    _head(axes, heading, style.INK)


def _draw_classes(axes: Axes, one: ShownPicture) -> None:
    """Draw a bar for each class. If the prediction is not reliable, the bars are orange-red."""
    colour = style.VERMILLION if one.warning else style.BLUE
    places = range(len(one.top))
    axes.barh(places, [probability for _, probability in one.top], color=colour, height=0.55)
    for place, (name, probability) in zip(places, one.top, strict=True):
        text = f"{shortened(name, _LONGEST)} {probability_text(probability)}"
        font = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT}
        axes.text(0.0, place - 0.36, text, va="bottom", fontdict=font)
    axes.set(xlim=(0, 1), ylim=(len(one.top) - 0.4, -0.9), yticks=[], xticks=[])
    axes.spines[:].set_visible(False)
    axes.spines["left"].set_visible(True)
    axes.spines["left"].set_color(style.FAINT)
    _head(axes, one.warning or shortened(one.top[0][0], _LONGEST), colour if one.warning else style.INK)
    if one.remark:
        axes.set_xlabel(one.remark, loc="left", size=style.TICK_SIZE, color=style.MUTED, family=style.FONT)


def _head(axes: Axes, text: str, colour: str) -> None:
    axes.set_title(text, loc="left", size=style.TICK_SIZE, color=colour, family=style.FONT)
