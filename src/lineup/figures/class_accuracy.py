"""Plot the accuracy of several models on each class.

Examples
--------
>>> figure = class_accuracies({"cnn": np.array([[9, 1], [2, 8]])}, ["cat", "dog"], title="Accuracy on each class")
>>> [text.get_text() for text in figure.axes[0].texts][:2]
['0.900', '0.800']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.figures import style
from lineup.figures.cells import draw_cells, style_cells, text_colour, write_right


def class_accuracies(
    counts: Mapping[str, NDArray[np.integer]], classes: Sequence[str], *, title: str, subtitle: str = ""
) -> Figure:
    """Plot a heat map of the accuracy of each model on each class.

    Parameters
    ----------
    counts : mapping of str to ndarray of int, shape (k, k)
        Confusion matrix of each model, by name. Rows are actual classes, and columns are predicted classes.
    classes : sequence of str, length k
        Class names.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with a row per model, the most accurate first, and a column per class. The accuracy on a class is its
        recall. The colours start at the lowest accuracy. The accuracy on all images is shown on the right.

    Raises
    ------
    LineupError
        If there are no models, or if the counts do not match the class names.
    """
    k = len(classes)
    if not counts or not k:
        raise LineupError("accuracy on each class: there are no models or no classes")
    for name, matrix in counts.items():
        if matrix.shape != (k, k):
            raise LineupError(
                f"accuracy on each class: {name}: expected counts of shape ({k}, {k}), found {matrix.shape}"
            )
    overall = {name: float(np.trace(matrix) / max(matrix.sum(), 1)) for name, matrix in counts.items()}
    names = sorted(counts, key=lambda name: (-overall[name], name))
    shares = np.ma.masked_invalid(np.stack([_recalls(counts[name]) for name in names]))
    figure = style.new_figure(3.4 + 0.62 * k, 1.3 + max(0.26 * len(names), 0.9), title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    low = float(shares.min()) if shares.count() else 0.0
    colours = draw_cells(axes, shares, cmap=colormaps["Blues"], vmin=min(low, 0.99), vmax=1)
    for row, column in np.argwhere(~np.ma.getmaskarray(shares)):
        share = shares[row, column]
        colour = text_colour(colours.to_rgba(share))
        axes.text(column, row, f"{share:.3f}", ha="center", va="center", size=7.5, color=colour)
    style_cells(axes, names, classes, xlabel="actual class")
    write_right(axes, [f"{overall[name]:.4f}" for name in names], "all images")
    return figure


def _recalls(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Compute the fraction of correct predictions for each class. The fraction is NaN for a class without images."""
    totals = counts.sum(axis=1)
    recalls = np.full(len(counts), np.nan)
    np.divide(np.diag(counts), totals, out=recalls, where=totals > 0)
    return recalls
