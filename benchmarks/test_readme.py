"""The tables in the pages match the result files."""

from __future__ import annotations

from pathlib import Path

import pytest
from readme import PAGES, with_tables


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_result_files(page: Path) -> None:
    """If this test fails, run ``benchmarks/readme.py``."""
    text = page.read_text(encoding="utf-8")
    assert with_tables(text) == text
