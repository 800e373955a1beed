from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lineup.committee.analysis import Analysis, analyse, predictions_without_each
from lineup.committee.fitting import fit_rule
from lineup.errors import LineupError
from lineup.figures.committee import committee_members
from lineup.figures.save import save_png
from tests.committee.strategies import skilled_members
from tests.figures.test_figures import texts


def analysis(members: int = 3, *, without: bool = True) -> Analysis:
    probabilities, labels = skilled_members(0, tuple(np.linspace(0.5, 2.5, members)), images=200)
    names = [f"member_{number}" for number in range(members)]
    others = predictions_without_each("average", probabilities, labels, probabilities) if without else None
    return analyse(fit_rule("average", probabilities, labels), names, probabilities, labels, others)


@pytest.mark.parametrize("members", [1, 2, 3, 8, 13, 40])
def test_all_text_is_inside_the_figure(members: int) -> None:
    figure = committee_members(analysis(members, without=members < 10), title="trio", subtitle="synthetic data")
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    below = min(text.get_window_extent().y0 for text in figure.texts)
    for box in boxes:
        assert box is not None
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= below <= height


def test_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    for file in ("a.png", "b.png"):
        save_png(committee_members(analysis(), title="trio"), tmp_path / file)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_rows_are_the_members_with_their_numbers() -> None:
    found = analysis()
    figure = committee_members(found, title="trio")
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["member_0", "member_1", "member_2"]
    cells = [f"{100 * found.disagreement[a][b]:.1f}" for a, b in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]]
    assert [text.get_text() for text in left.texts] == cells
    assert right.yaxis_inverted()
    written = texts(figure)
    for member in found.members:
        assert {f"{member.fixed}", f"{member.broken}", "0.333"} <= set(written)
        assert member.change_without is not None
        assert f"{member.change_without:+.4f}".replace("-", "\N{MINUS SIGN}") in written


def test_bars_are_the_broken_and_the_fixed_images() -> None:
    found = analysis()
    _, right = committee_members(found, title="trio").axes
    broken, fixed = ([patch.get_width() for patch in bars] for bars in right.containers)
    assert broken == [-member.broken for member in found.members]
    assert fixed == [member.fixed for member in found.members]


def test_a_missing_value_has_no_column() -> None:
    assert "accuracy\nwithout" in texts(committee_members(analysis(), title="trio"))
    assert "accuracy\nwithout" not in texts(committee_members(analysis(without=False), title="trio"))


def test_many_members_have_a_colour_bar_instead_of_numbers() -> None:
    figure = committee_members(analysis(13, without=False), title="many")
    assert len(figure.axes) == 3
    assert not figure.axes[0].texts


def test_a_committee_needs_members() -> None:
    with pytest.raises(LineupError, match="committee: there are no members"):
        committee_members(dataclasses.replace(analysis(), members=()), title="none")
