"""Check that invalid scores cannot be created."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.evaluation.scores import Scores

INDICES, LABELS = np.array([4, 7, 9]), np.array([0, 1, 0])
ROWS = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5]])


def test_ties_go_to_the_lowest_class() -> None:
    assert Scores(INDICES, LABELS, ROWS).correct().tolist() == [True, False, True]


def test_each_member_has_a_row_of_correct_images() -> None:
    both = Scores(INDICES, LABELS, np.stack([ROWS, ROWS[:, ::-1]]))
    assert both.correct().tolist() == [[True, False, True], [False, True, True]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": INDICES[:2]}, r"^indices: expected integers of shape \(3,\), found int64 \(2,\)"),
        ({"indices": INDICES / 2}, r"^indices: expected integers of shape \(3,\), found float64"),
        ({"labels": LABELS + 1}, "^labels: row 1 is 2"),
        ({"labels": LABELS[:2]}, "^labels: expected integers"),
        ({"probabilities": ROWS * 2}, "^probabilities: row 0 has a value outside 0 to 1"),
        ({"probabilities": np.stack([ROWS, ROWS / 2])}, "^member 1: probabilities: row 0 sums to 0.5"),
        ({"probabilities": ROWS[None, :0]}, "^member 0: probabilities: expected floats"),
        ({"probabilities": np.empty((0, 3, 2))}, "at least one member, found"),
        ({"probabilities": ROWS[0]}, "^probabilities: expected floats"),
    ],
)
def test_arrays_that_do_not_match_are_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LineupError, match=message):
        Scores(**({"indices": INDICES, "labels": LABELS, "probabilities": ROWS} | changes))
