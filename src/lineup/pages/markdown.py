"""Format tables, numbers and descriptions of the data for Markdown pages.

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
from lineup.records.header import DataIdentity
from lineup.records.record import Record

DASH = "\N{EN DASH}"
"""En dash, for missing values and for ranges."""

GENERATED = "The data are generated, so the results do not apply to real images."


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ()) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    headings : sequence of str
        Headings of the columns.
    rows : iterable of sequence of str
        Cells of each row, one for each column.
    left : sequence of str, optional
        Headings of the columns that are aligned left; all other columns are aligned right. Default: none.
    """
    alignment = ["---" if name in left else "---:" for name in headings]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in (headings, alignment, *rows))


def number(value: float | None, form: str = ".4f") -> str:
    """Format a number, or return a dash if the number is missing."""
    return DASH if value is None or math.isnan(value) else format(value, form)


def with_spread(mean: float, deviation: float, form: str = ".4f") -> str:
    """Format a mean and a standard deviation as ``mean ± deviation``. If the deviation is NaN, format only the mean."""
    return number(mean, form) if math.isnan(deviation) else f"{number(mean, form)} ± {deviation:{form}}"


def p_value(value: float) -> str:
    """Format a p-value with two significant digits. If the p-value is below 0.001, use only one digit."""
    return f"{value:.2g}" if value >= 0.001 else f"{value:.0e}" if value else "0"


def span(low: float, high: float, form: str = ".4f") -> str:
    """Format a range as ``low\N{EN DASH}high``."""
    return f"{low:{form}}{DASH}{high:{form}}"


def data_line(title: str, test_images: int, *, generated: bool) -> str:
    """Return a sentence with the dataset and the number of test images. If the data are generated, the sentence states
    this.
    """
    line = f"Data: {title}, {count(test_images, 'test image')}."
    return f"{line} {GENERATED}" if generated else line


def figure_line(data: DataIdentity) -> str:
    """Return a figure subtitle that names the dataset."""
    kind = "GENERATED DATA" if data.generated else data.title
    return f"{kind}, {count(data.test_images, 'test image')}"


def device_of(record: Record) -> str:
    """Return the name of the training device and the number of threads."""
    header = record.header
    if header.threads is None:
        return header.device.name
    return f"{header.device.name}, {count(header.threads, 'thread')}"


def origin(records: Sequence[Record]) -> str:
    """Return a Markdown list with the data, the devices and the library versions of all runs."""
    data = records[0].header.data
    fingerprint = data.fingerprint[:12]
    lines = [f"- Data: `{data.name}`. The fingerprint `{fingerprint}` identifies the images, the labels and the split."]
    lines.append(f"- Training devices: {_frequencies(device_of(record) for record in records)}")
    versions = (
        ", ".join(f"{name} {version}" for name, version in sorted(record.header.libraries.items()))
        for record in records
    )
    lines.append(f"- Library versions: {_frequencies(versions)}")
    return "\n".join(lines)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _frequencies(texts: Iterable[str]) -> str:
    """Join the distinct texts. The most frequent text comes first."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    return "; ".join(f"{text} ({count(counts[text], 'run')})" for text in ranked)


def _cell(text: str) -> str:
    """Escape special characters in a cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())
