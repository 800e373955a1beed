"""Helpers of all pages: Markdown tables, numbers as text, the line about the data.

Examples
--------
>>> print(table(["model", "accuracy"], [["cnn", number(0.91)]], left=["model"]))
| model | accuracy |
| --- | ---: |
| cnn | 0.9100 |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from lineup.errors import count
from lineup.files import replacing_file
from lineup.records.record import DataIdentity, Record

DASH = "\N{EN DASH}"
"""Shows a missing value; also separates the ends of a range."""

GENERATED = "These data are generated: the results say nothing about real images."


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ()) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    headings : sequence of str
        Names of the columns.
    rows : iterable of sequence of str
        Cells of each row, as many as there are columns.
    left : sequence of str, optional
        Headings of the columns that are aligned left; the others are aligned right. Default: none.
    """
    alignment = ["---" if name in left else "---:" for name in headings]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in (headings, alignment, *rows))


def number(value: float | None, form: str = ".4f") -> str:
    """Return a number as text, a dash if it is missing."""
    return DASH if value is None or math.isnan(value) else format(value, form)


def with_spread(mean: float, deviation: float, form: str = ".4f") -> str:
    """Return ``mean ± deviation``, the mean alone if there is no deviation."""
    return number(mean, form) if math.isnan(deviation) else f"{number(mean, form)} ± {deviation:{form}}"


def p_value(value: float) -> str:
    """Return a p-value with two significant digits; one digit below 0.001."""
    return f"{value:.2g}" if value >= 0.001 else f"{value:.0e}" if value else "0"


def span(low: float, high: float, form: str = ".4f") -> str:
    """Return a range: ``low\N{EN DASH}high``."""
    return f"{low:{form}}{DASH}{high:{form}}"


def data_line(title: str, test_images: int, *, generated: bool) -> str:
    """Return the sentence that names the data; it says if they are generated."""
    line = f"Data: {title}, {count(test_images, 'test image')}."
    return f"{line} {GENERATED}" if generated else line


def figure_line(data: DataIdentity) -> str:
    """Return the name of the data for the second line of a figure."""
    kind = "GENERATED DATA" if data.generated else data.title
    return f"{kind}, {count(data.test_images, 'test image')}"


def device_of(record: Record) -> str:
    """Return the device of a record and its number of threads."""
    header = record.header
    if header.threads is None:
        return header.device.name
    return f"{header.device.name}, {count(header.threads, 'thread')}"


def origin(records: Sequence[Record]) -> str:
    """Return a list of the data, devices and library versions behind a page, each with its number of runs."""
    data = records[0].header.data
    lines = [f"- Data: `{data.name}`, fingerprint of images, labels and split `{data.fingerprint[:12]}`."]
    lines.append(f"- Devices: {_frequencies(device_of(record) for record in records)}.")
    versions = (
        ", ".join(f"{name} {version}" for name, version in sorted(record.header.libraries.items()))
        for record in records
    )
    lines.append(f"- Libraries: {_frequencies(versions)}.")
    return "\n".join(lines)


def write_text(path: Path, text: str) -> None:
    """Write a text file; a reader sees the old or the new one, never a part."""
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _frequencies(texts: Iterable[str]) -> str:
    """Return the distinct texts, the most frequent first, each with its number of runs."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    return "; ".join(f"{text} ({count(counts[text], 'run')})" for text in ranked)


def _cell(text: str) -> str:
    """Return text that fits into one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
