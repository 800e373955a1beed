"""Plot the number of images per class.

Examples
--------
>>> counts = {"training": np.array([40, 42]), "test": np.array([10, 9])}
>>> [axes.get_title() for axes in class_balance(counts, ["cat", "dog"], title="Pets").axes]
['training: 82 images', 'test: 19 images']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lineup.errors import LineupError, count
from lineup.figures import style


def class_balance(
    counts: Mapping[str, NDArray[np.integer]], classes: Sequence[str], *, title: str, subtitle: str = ""
) -> Figure:
    """Plot the number of images per class, for each part of a dataset.

    Parameters
    ----------
    counts : mapping of str to ndarray of int, shape (k,)
        Number of images of each class, by the name of the part, such as training, validation and test.
    classes : sequence of str, length k
        Class names.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with a panel per part, which has its own scale, and a bar per class.

    Raises
    ------
    LineupError
        If there are no parts, or if a part does not have one number per class.
    """
    if not counts or not len(classes):
        raise LineupError("class balance: there are no images to count")
    for part, numbers in counts.items():
        if numbers.shape != (len(classes),):
            raise LineupError(f"class balance: {part}: expected {len(classes)} numbers, found {numbers.shape}")
    figure = style.new_figure(1.3 + 2.9 * len(counts), 0.9 + 0.3 * len(classes), title=title, subtitle=subtitle)
    panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    for axes, (part, numbers), (colour, _) in zip(panels, counts.items(), style.line_styles(len(counts)), strict=True):
        bars = axes.barh(range(len(classes)), numbers, height=0.7, color=colour)
        labels = [f"{number:,}" for number in numbers]
        axes.bar_label(bars, labels, padding=3, size=style.TICK_SIZE, color=style.INK, family=style.FONT)
        axes.set_xlim(0, 1.2 * max(int(numbers.max()), 1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set(xlabel="images", title=f"{part}: {count(int(numbers.sum()), 'image')}")
        axes.set_yticks(range(len(classes)), classes)
        style.apply_style(axes, grid="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_ylim(len(classes) - 0.4, -0.6)
    return figure
