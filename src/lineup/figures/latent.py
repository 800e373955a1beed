"""Plot a latent space in two dimensions.

Examples
--------
>>> points = np.random.default_rng(0).normal(size=(20, 2))
>>> figure = latent_space({"PCA": points}, np.arange(20) % 2, ["cat", "dog"], title="autoencoder: latent space")
>>> [text.get_text() for text in figure.axes[0].texts]
['cat', 'dog']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.figures import style

_COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.SKY, style.PURPLE)
_MARKERS = ("o", "^", "s", "D")
_SIDE = 5.2
"""Width and height of a plot, in inches."""
_LINE = 0.045
"""Smallest vertical distance of two labels, as a share of the height of a plot."""
_NEAR = 0.2
"""Labels are kept apart if their horizontal distance is smaller than this share of the width of a plot."""


def latent_space(
    projections: Mapping[str, NDArray[np.floating]],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
) -> Figure:
    """Plot the latent vectors of images as points. Each projection has its own plot.

    Parameters
    ----------
    projections : mapping of str to ndarray of shape (n, 2)
        Points by the name of the projection.
    labels : ndarray of int, shape (n,)
        Class of each image.
    classes : sequence of str
        Class names. A label is an index into them.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        The name of each class is at the median of its points. If names would overlap, they are moved up or down, and a
        line leads to the median. Six colours are repeated with another marker.

    Raises
    ------
    LineupError
        If there are no projections, or if the points do not match the labels.
    """
    if not projections or any(points.shape != (len(labels), 2) for points in projections.values()):
        shapes = ", ".join(str(points.shape) for points in projections.values()) or "none"
        raise LineupError(f"latent space: expected {len(labels)} points in two dimensions, found the shapes {shapes}")
    figure = style.new_figure(_SIDE * len(projections), _SIDE, title=title, subtitle=subtitle)
    all_axes = figure.subplots(1, len(projections), squeeze=False)[0]
    for axes, (name, points) in zip(all_axes, projections.items(), strict=True):
        _draw_points(axes, points, labels)
        _name_classes(axes, points, labels, classes)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, loc="left")
        style.apply_style(axes)
        axes.set_title(name, loc="left", size=style.LABEL_SIZE, color=style.INK, family=style.FONT)
        axes.spines[:].set(visible=True, color=style.GRID)
    return figure


def _look(label: int) -> tuple[str, str]:
    """Choose the colour and the marker of a class."""
    return _COLOURS[label % len(_COLOURS)], _MARKERS[label // len(_COLOURS) % len(_MARKERS)]


def _draw_points(axes: Axes, points: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    for label in np.unique(labels):
        colour, marker = _look(int(label))
        chosen = points[labels == label]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=9, c=colour, marker=marker, alpha=0.55, linewidths=0)
    axes.margins(0.06)


def _name_classes(
    axes: Axes, points: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]
) -> None:
    """Write each class name near the median of the points of the class. The names do not overlap."""
    present = np.unique(labels)
    centres = np.array([np.median(points[labels == label], axis=0) for label in present])
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    scale = np.array([right - left, top - bottom])
    places = _spread((centres - [left, bottom]) / scale) * scale + [left, bottom]
    halo = withStroke(linewidth=3, foreground="white")
    for label, centre, place in zip(present, centres, places, strict=True):
        if not np.allclose(centre, place):
            axes.plot(*zip(centre, place, strict=True), color=style.INK, linewidth=0.8)
            axes.plot(*centre, marker="o", markersize=3, color=style.INK)
        text = shortened(classes[label], 16)
        font: dict[str, Any] = {"size": style.LABEL_SIZE, "weight": "bold", "color": style.INK, "family": style.FONT}
        axes.text(place[0], place[1], text, ha="center", va="center", path_effects=[halo], **font)


def _spread(places: NDArray[np.floating]) -> NDArray[np.floating]:
    """Move labels up and down until they do not overlap. All positions are fractions of the width and the height of the
    plot.
    """
    moved = places.copy()
    for _ in range(200):
        shifts = np.zeros(len(moved))
        for one in range(len(moved)):
            for other in range(one):
                apart = moved[one] - moved[other]
                missing = _LINE - abs(apart[1])
                if abs(apart[0]) < _NEAR and missing > 1e-9:
                    direction = 1 if apart[1] >= 0 else -1
                    shifts[one] += direction * missing / 2
                    shifts[other] -= direction * missing / 2
        if not shifts.any():
            break
        moved[:, 1] += shifts
    moved[:, 1] = moved[:, 1].clip(_LINE, 1 - _LINE)
    return moved
