"""Damaged files of each format give the project's own error of one line, quickly and with little memory."""

from __future__ import annotations

import pytest

from .formats import FORMATS
from .run import fuzz

COUNTS = {
    "IDX": 1_000,
    "NPZ": 300,
    "params.yaml": 150,
    "picture": 300,
    "record": 150,
    "compact record": 100,
    "archive": 40,
}


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused_with_one_line(name: str) -> None:
    outcome = fuzz(name, range(COUNTS[name]))
    assert outcome.findings == []
    # Both happen, so that the damages are neither harmless nor all found by the first check.
    assert outcome.read > 0
    assert outcome.refused > 0
    assert outcome.slowest < 5
