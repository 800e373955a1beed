"""The frame has the ticks and labels that matplotlib would draw."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from lineup.figures import style
from lineup.figures.frame import draw_frame

MARGINS = style.Margins(left=0.8, right=0.1, bottom=0.5, top=0.3)


def plot(x: list[float], y: list[float]) -> Axes:
    axes = style.new_figure(5, 4, title="cnn", margins=MARGINS).add_subplot()
    axes.plot(x, y)
    return axes


def ticks_of_matplotlib(axes: Axes) -> dict[str, tuple[float, float]]:
    """Return the positions of all ticks of matplotlib inside the axes, from 0 to 1, by their labels."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    convert = axes.transData - axes.transAxes
    (left, _), (low, _) = axes.get_xlim(), axes.get_ylim()
    found = {label.get_text(): convert.transform((label.get_position()[0], low)) for label in axes.get_xticklabels()}
    for label in axes.get_yticklabels():
        found[label.get_text()] = convert.transform((left, label.get_position()[1]))
    return {name: (x, y) for name, (x, y) in found.items() if min(x, y) >= 0 and max(x, y) <= 1}


@pytest.mark.parametrize(
    ("x", "y", "scale"),
    [
        ([1, 12], [0.23, 0.97], "linear"),
        ([1, 300], [1e-4, 0.5], "log"),
        ([0.5, 0.75], [-3, 7], "linear"),
    ],
)
def test_the_ticks_are_those_of_matplotlib(x: list[float], y: list[float], scale: str) -> None:
    axes, expected = plot(x, y), plot(x, y)
    for one in (axes, expected):
        one.set_yscale(scale)
        one.minorticks_off()
        one.tick_params(labelsize=10)  # the number of ticks depends on it
    draw_frame(axes)
    found = {}
    for text in filter(lambda text: text.get_text(), axes.texts):
        across, up = text.get_position()
        below = text.get_horizontalalignment() == "center"
        found[text.get_text()] = (across, 0.0) if below else (0.0, up)
    wanted = ticks_of_matplotlib(expected)
    assert found.keys() == wanted.keys()
    for name, position in found.items():
        assert position == pytest.approx(wanted[name], abs=1e-9)


def test_the_inner_frame_has_no_labels_below() -> None:
    axes = plot([1, 2], [0.5, 0.7])
    draw_frame(axes, ylabel="loss", inner=True)
    assert {text.get_horizontalalignment() for text in axes.texts if text.get_text()} == {"right"}


def test_grid_lines_have_the_directions_asked_for() -> None:
    for grid, directions in (("", set()), ("x", {"x"}), ("y", {"y"}), ("both", {"x", "y"})):
        axes = plot([1, 2], [0.5, 0.7])
        draw_frame(axes, grid=grid)
        lines = next(one for one in axes.findobj(LineCollection) if one.get_zorder() == 0.5)
        assert isinstance(lines, LineCollection)
        ends = [np.asarray(segment) for segment in lines.get_segments()]
        assert {"x" if start[0] == end[0] else "y" for start, end in ends} == directions


def test_a_common_factor_of_the_labels_is_written() -> None:
    axes = plot([1, 2], [1e-6, 2e-6])
    draw_frame(axes, ylabel="loss")
    assert axes.texts[-1].get_text() == "loss (1e\N{MINUS SIGN}6)"
