"""Write CSV files, read CSV files and detect incomplete files.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     write_table(Path(folder) / "a.csv", ["epoch", "loss"], [[1, 0.5]])
...     read_table(Path(folder) / "a.csv", ["epoch", "loss"])
[['1', '0.5']]
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lineup.errors import LineupError, shortened
from lineup.files import read_text


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header line and one line per row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_table(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Read a CSV file that `write_table` wrote, and return its rows without the header.

    Parameters
    ----------
    path : Path
        The file, which may be damaged.
    columns : sequence of str
        Expected column names, in this order.

    Raises
    ------
    LineupError
        If the file cannot be read, has other columns, has a row with too few or too many cells, or does not end with a
        newline.
    """
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        found = next(reader, [])
        if found != list(columns):
            raise LineupError(f"{path}: expected the columns {', '.join(columns)}; found {shortened(', '.join(found))}")
        rows = []
        for row in reader:
            if len(row) != len(columns):
                raise LineupError(f"{path}: line {reader.line_num}: expected {len(columns)} cells, found {len(row)}")
            rows.append(row)
    except csv.Error as error:
        raise LineupError(f"{path}: line {reader.line_num}: not a table: {shortened(error)}") from error
    if not text.endswith("\n"):
        raise LineupError(f"{path}: the last line is incomplete")
    return rows
