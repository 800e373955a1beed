"""Plot which models differ significantly.

Examples
--------
>>> pair = RecipePair("cnn", "forest", 0.04, 0.003, 0.002, 46.0, p=1e-9, p_holm=1e-9)
>>> figure = significant_pairs({"cnn": 0.91, "forest": 0.87}, [pair], title="Which models differ significantly")
>>> figure.axes[0].images[0].get_array().tolist()
[[0, 2], [-2, 0]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.seeds import RecipePair
from lineup.evaluation.significance import LEVEL
from lineup.figures import style

# The order is from "the row is significantly worse" to "the row is significantly better".
_COLOURS = (style.VERMILLION, "#F3CDB3", "#F4F4F4", "#B3D5E9", style.BLUE)
_MEANINGS = (
    "row is worse",
    f"worse with p ≤ {LEVEL}, not significant after correction",
    "no significant difference",
    f"better with p ≤ {LEVEL}, not significant after correction",
    "row is better",
)


def significant_pairs(
    accuracies: Mapping[str, float], pairs: Sequence[RecipePair], *, title: str, subtitle: str = ""
) -> Figure:
    """Plot which pairs of models differ significantly.

    Parameters
    ----------
    accuracies : mapping of str to float
        Accuracy of each model by name, from 0 to 1.
    pairs : sequence of RecipePair
        All pairs of these models; see :func:`lineup.evaluation.seeds.compare_recipes`.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure of a matrix with a row and a column for each model, the most accurate model first. The width of the pale
        band along the diagonal shows how large a difference has to be to become significant.

    Raises
    ------
    LineupError
        If there are no models, or if the accuracy of a model in a pair is missing.
    """
    if not accuracies:
        raise LineupError("pairs: there are no models")
    names = sorted(accuracies, key=lambda name: (-accuracies[name], name))
    cell = 0.2 if len(names) > 12 else 0.32
    side = max(cell * len(names), 3.0)
    figure = style.new_figure(side + 2.2, side + 2.4, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    axes.imshow(_codes(names, pairs), cmap=ListedColormap(_COLOURS), vmin=-2, vmax=2)
    axes.set_yticks(range(len(names)), [f"{name}  {accuracies[name]:.4f}" for name in names])
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    style.apply_style(axes)
    axes.grid(visible=True, which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    patches = [Patch(color=colour, label=label) for colour, label in zip(_COLOURS, _MEANINGS, strict=True)]
    font = {"family": style.FONT, "size": style.TICK_SIZE}
    figure.legend(handles=patches[::-1], loc="outside lower left", frameon=False, prop=font)
    return figure


def _codes(names: Sequence[str], pairs: Sequence[RecipePair]) -> NDArray[np.int8]:
    """Return a matrix that contains a code from -2 to 2 for each pair of models.

    A positive code means that the model in the row is better than the model in the column. The code 2 or -2 means that
    the difference is significant after the correction for multiple comparisons. The code 1 or -1 means that the
    difference is significant only without this correction.
    """
    place = {name: index for index, name in enumerate(names)}
    codes = np.zeros((len(names), len(names)), dtype=np.int8)
    for pair in pairs:
        unknown = [name for name in (pair.a, pair.b) if name not in place]
        if unknown:
            raise LineupError(f"pairs: no accuracy for {unknown[0]}; expected one of {', '.join(names)}")
        code = int(np.sign(pair.difference)) * (2 if pair.significant else int(pair.p <= LEVEL))
        codes[place[pair.a], place[pair.b]], codes[place[pair.b], place[pair.a]] = code, -code
    return codes
