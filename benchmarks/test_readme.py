"""The tables in README.md match the result files."""

from readme import README, with_tables


def test_the_tables_are_those_of_the_result_files() -> None:
    """If this test fails, run ``benchmarks/readme.py``."""
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text
