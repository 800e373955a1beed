"""Plot how the members of a committee disagree, and which errors the committee corrects.

Examples
--------
>>> from lineup.committee.analysis import analyse
>>> from lineup.committee.fitting import FittedRule
>>> members = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.8, 0.2], [0.7, 0.3]]])
>>> analysis = analyse(FittedRule("average", members=2, classes=2), ["cnn", "forest"], members, np.array([0, 0]))
>>> [axes.get_title() for axes in committee_members(analysis, title="pair").axes]
['images on which two members differ, %', '']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lineup.errors import LineupError
from lineup.figures import style
from lineup.figures.cells import write_cells

if TYPE_CHECKING:
    from lineup.committee.analysis import Analysis, MemberRole

_LEGIBLE = 12
"""Largest number of members for which the cells of the heat map contain numbers."""

_DARK = 0.6
"""Share of the colour scale above which numbers are white."""


def committee_members(analysis: Analysis, *, title: str, subtitle: str = "") -> Figure:
    """Plot how often the members of a committee disagree, and how many errors the committee corrects.

    Parameters
    ----------
    analysis : Analysis
        See :func:`lineup.committee.analysis.analyse`.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with two panels and a row per member. The left panel is a heat map of the percentage of images on which
        two members predict different classes. The right panel shows how many errors of the member the committee
        corrects, how many of its correct predictions the committee changes to wrong ones, the weight of the member, and
        the change in accuracy without it.

    Raises
    ------
    LineupError
        If there are no members.
    """
    members = analysis.members
    if not members:
        raise LineupError("committee: there are no members")
    cell = 0.55 if len(members) <= _LEGIBLE else 0.28
    wide, high = max(cell * len(members), 2.6), 1.7 + cell * len(members)
    figure = style.new_figure(6.6 + wide, high, title=title, subtitle=subtitle)
    left, right = figure.subplots(1, 2, width_ratios=[wide, 3.4])
    _draw_disagreement(left, analysis)
    _draw_outcomes(right, members)
    figure.legend(loc="outside lower right", ncols=2, frameon=False, prop={"family": style.FONT, "size": 8.5})
    return figure


def _draw_disagreement(axes: Axes, analysis: Analysis) -> None:
    """Plot the heat map of disagreement. The diagonal is empty."""
    shares, same = 100 * np.array(analysis.disagreement), np.eye(len(analysis.members), dtype=bool)
    # The scale starts at the lowest value instead of 0, because all pairs of members disagree on some images. The ends
    # of the colour map are not used, so that no cell looks like the empty diagonal.
    pairs = shares[~same] if len(shares) > 1 else np.zeros(1)
    margin = max(0.3 * float(np.ptp(pairs)), 0.5)
    low, high = max(float(pairs.min()) - margin, 0.0), float(pairs.max()) + margin
    image = axes.imshow(np.ma.masked_array(shares, same), cmap=colormaps["Blues"], vmin=low, vmax=high, aspect="auto")
    many = len(shares) > _LEGIBLE
    if many:
        bar = axes.figure.colorbar(image, ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.01)
        bar.outline.set_visible(False)
        style.apply_style(bar.ax)
    white = shares > low + _DARK * (high - low)
    cells = () if many else np.argwhere(~same)
    write_cells(
        axes, ((i, j, f"{shares[i, j]:.1f}", "white" if white[i, j] else style.INK, "normal") for i, j in cells)
    )
    names = [member.name for member in analysis.members]
    axes.set_xticks(range(len(names)), names, rotation=90 if many else 40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("images on which two members differ, %")
    style.apply_style(axes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _draw_outcomes(axes: Axes, members: tuple[MemberRole, ...]) -> None:
    """For each member, plot how many errors the committee corrects, and how many new errors it makes."""
    rows = range(len(members))
    for values, sign, colour, label in (
        ([member.broken for member in members], -1, style.VERMILLION, "broken: member correct, committee wrong"),
        ([member.fixed for member in members], 1, style.BLUE, "fixed: member wrong, committee correct"),
    ):
        bars = axes.barh(rows, [sign * value for value in values], height=0.62, color=colour, label=label)
        labels = [f"{value:,}" for value in values]
        for text in axes.bar_label(bars, labels, padding=3, size=8, color=style.INK, family=style.FONT):
            text.set_in_layout(False)  # there is room for it within the axes, and measuring it takes time
    axes.axvline(0, color=style.MUTED, linewidth=1)
    left, right = axes.get_xlim()
    axes.set_xlim(min(1.3 * left, -1.0), max(1.15 * right, 1.0))
    axes.set_ylim(len(members) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    axes.set_xlabel("images")
    style.apply_style(axes, grid="x")
    axes.spines["left"].set_visible(False)
    _write_beside(axes, "weight", 1.04, [f"{member.weight:.3f}".replace("-", "\N{MINUS SIGN}") for member in members])
    changes = [member.change_without for member in members]
    if None not in changes:
        _write_beside(
            axes, "accuracy\nwithout", 1.2, [f"{change:+.4f}".replace("-", "\N{MINUS SIGN}") for change in changes]
        )


def _write_beside(axes: Axes, header: str, left: float, values: list[str]) -> None:
    """Write a column of numbers to the right of the bars in a plot."""
    column: dict[str, Any] = {"size": style.TICK_SIZE, "color": style.INK, "family": style.FONT, "clip_on": False}
    axes.text(left, 1.02, header, transform=axes.transAxes, va="bottom", **column)
    for row, value in enumerate(values):
        axes.text(left, row, value, transform=axes.get_yaxis_transform(), va="center", **column)
