"""What the pages share: tables, figures with their spread, the line about the data, files written whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from lineup.data.datasets import find_dataset
from lineup.files import replacing_file
from lineup.records.record import DataIdentity, Record

DASH = "\N{EN DASH}"
"""Stands for what is missing, and between the ends of a range."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ()) -> str:
    """Return a GitHub table.

    Parameters
    ----------
    headings : sequence of str
        Of the columns.
    rows : iterable of sequence of str
        The cells, as long as the headings each.
    left : sequence of str, optional
        Headings of the columns that hold words; the others are set to the right. Default: none.
    """
    alignment = ["---" if name in left else "---:" for name in headings]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in (headings, alignment, *rows))


def number(value: float | None, form: str = ".4f") -> str:
    """Return a number as a text, a dash if it is missing."""
    return DASH if value is None or math.isnan(value) else format(value, form)


def with_spread(mean: float, deviation: float, form: str = ".4f") -> str:
    """Return ``mean ± deviation``, the mean alone if there is no deviation."""
    return number(mean, form) if math.isnan(deviation) else f"{number(mean, form)} ± {deviation:{form}}"


def p_value(value: float) -> str:
    """Return a p-value in two digits."""
    return f"{value:.2g}" if value >= 0.001 else f"{value:.0e}" if value else "0"


def span(low: float, high: float, form: str = ".4f") -> str:
    """Return a range."""
    return f"{low:{form}}{DASH}{high:{form}}"


def data_line(name: str, test_images: int) -> str:
    """Return the sentence that says on which data the figures are; generated data are called so."""
    dataset = find_dataset(name)
    line = f"Data: {dataset.title}, {test_images:,} test images."
    return (
        f"{line} This is generated data: these figures say nothing about Fashion-MNIST." if dataset.generated else line
    )


def figure_line(data: DataIdentity) -> str:
    """Return the same for the second line of a figure."""
    kind = "GENERATED DATA" if data.generated else data.title
    return f"{kind}, {data.test_images:,} test images"


def device_of(record: Record) -> str:
    """Return what a record was computed on."""
    header = record.header
    if header.threads is None:
        return header.device.name
    return f"{header.device.name}, {header.threads} thread{'s' if header.threads > 1 else ''}"


def origin(records: Sequence[Record]) -> str:
    """Return where the figures of a page come from: data, machines and versions, with the number of runs of each."""
    data = records[0].header.data
    lines = [f"- Data: `{data.name}`, fingerprint of images, labels and split `{data.fingerprint[:12]}`."]
    lines.append(f"- Computed on: {_counted(device_of(record) for record in records)}.")
    versions = (
        ", ".join(f"{name} {version}" for name, version in sorted(record.header.libraries.items()))
        for record in records
    )
    lines.append(f"- With: {_counted(versions)}.")
    return "\n".join(lines)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _counted(texts: Iterable[str]) -> str:
    """Return distinct texts, the most frequent first, each with how often it comes."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    return "; ".join(f"{text} ({counts[text]} run{'s' if counts[text] > 1 else ''})" for text in ranked)


def _cell(text: str) -> str:
    """Return a text that does not break a row of a table."""
    return " ".join(text.replace("|", "\\|").split())
