"""Update the numbers in ``reports/findings.md`` after an evaluation. The text is written by hand.

An accuracy in parentheses after the name of a model, such as ```stacking` (0.9326)``, is read from
``reports/leaderboard.csv``. A table between ``<!-- models: A B, C D -->`` and ``<!-- end -->`` compares model A with B
and model C with D. Its numbers come from ``reports/pairs.csv``. A table after ``<!-- runs: ... -->`` compares runs, and
its numbers come from ``reports/run_pairs.csv``.

    python scripts/findings.py            update the numbers
    python scripts/findings.py --check    only compare the numbers; the exit status is 1 if a number differs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lineup.pages.markdown import number, p_value, table, with_spread

REPORTS = Path(__file__).resolve().parents[1] / "reports"
PAGE = REPORTS / "findings.md"
ACCURACY = re.compile(r"`(\w+)`(\s)\(0\.\d{4}(?: ± 0\.\d{4})?")
TABLE = re.compile(r"<!-- (models|runs): (.+?) -->.*?<!-- end -->", re.DOTALL)


def with_figures(text: str, reports: Path) -> str:
    """Return the page with the numbers from the tables in a folder.

    Raises
    ------
    SystemExit
        If a table has no such model or pair.
    """
    leaderboard = pd.read_csv(reports / "leaderboard.csv").set_index("name")
    pairs = {"models": pd.read_csv(reports / "pairs.csv"), "runs": pd.read_csv(reports / "run_pairs.csv")}
    rows: dict[str, Callable[[pd.Series, int], list[str]]] = {"models": _row_of_models, "runs": _row_of_runs}
    headings = {
        "models": ["first", "second", "difference", "standard error", "p", "p, corrected"],
        "runs": ["first", "second", "difference", "95 % interval", "p", "p, corrected"],
    }

    def accuracy(match: re.Match[str]) -> str:
        name = match[1]
        if name not in leaderboard.index:
            raise SystemExit(f"{PAGE}: reports/leaderboard.csv has no model {name}")
        mean, deviation = (float(leaderboard[column][name]) for column in ("test_accuracy", "test_accuracy_sd"))
        return f"`{name}`{match[2]}({with_spread(mean, deviation)}"

    def block(match: re.Match[str]) -> str:
        kind, names = match[1], [pair.split() for pair in match[2].split(",")]
        cells = [[a, b, *rows[kind](*_pair(pairs[kind], a, b))] for a, b in names]
        return f"<!-- {kind}: {match[2]} -->\n\n{table(headings[kind], cells, ['first', 'second'])}\n\n<!-- end -->"

    return TABLE.sub(block, ACCURACY.sub(accuracy, text))


def _pair(pairs: pd.DataFrame, first: str, second: str) -> tuple[pd.Series, int]:
    """Return the row of a pair and the sign of its difference.

    The sign is -1 if the table lists the second name first.
    """
    for a, b, sign in ((first, second, 1), (second, first, -1)):
        found = pairs[(pairs["a"] == a) & (pairs["b"] == b)]
        if len(found):
            return found.iloc[0], sign
    raise SystemExit(f"{PAGE}: no pair {first}, {second} in the tables of reports/")


def _row_of_models(row: pd.Series, sign: int) -> list[str]:
    error = (row["images_error"] ** 2 + row["seeds_error"] ** 2) ** 0.5
    return [f"{sign * row['difference']:+.4f}", number(error), p_value(row["p"]), p_value(row["p_holm"])]


def _row_of_runs(row: pd.Series, sign: int) -> list[str]:
    low, high = sorted((sign * row["low"], sign * row["high"]))
    interval = f"{low:+.4f} to {high:+.4f}"
    return [f"{sign * row['difference']:+.4f}", interval, p_value(row["p"]), p_value(row["p_holm"])]


def main() -> None:
    """Update or compare the numbers."""
    text = PAGE.read_text(encoding="utf-8")
    current = with_figures(text, REPORTS)
    if sys.argv[1:] == ["--check"]:
        raise SystemExit(0 if current == text else f"{PAGE}: out of date; run python scripts/findings.py, then read it")
    PAGE.write_text(current, encoding="utf-8")


if __name__ == "__main__":
    main()
