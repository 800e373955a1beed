"""README.md shows what the result files hold."""

from readme import README, with_tables


def test_the_tables_are_those_of_the_result_files() -> None:
    """Run ``benchmarks/readme.py`` after a benchmark."""
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text
