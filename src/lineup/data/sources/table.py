r"""Read a CSV table. Each row contains the file and the class of a picture, and optionally its part and its group.

Examples
--------
>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as folder:
...     Image.new("L", (3, 2)).save(Path(folder, "a.png"))
...     table = Path(folder, "labels.csv")
...     _ = table.write_text("file;label\na.png;2.0\na.png;1.0\n")
...     read_csv(table, None).classes
('1', '2')
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from lineup.data.sources.folder import file_source
from lineup.data.sources.source import PARTS, Entry, Source, part_of
from lineup.errors import LineupError, shortened
from lineup.files import read_text

_COLUMNS: Mapping[str, Sequence[str]] = {
    "file": ("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_path", "picture"),
    "label": ("label", "class", "class_name", "category", "target", "y"),
    "part": ("split", "part", "subset", "fold"),
    "group": ("group", "groups"),
}
"""Accepted names of each column. Upper and lower case are equivalent."""

_MAX_BYTES = 256 * 2**20
_DELIMITERS = ",;\t"


def read_csv(path: Path, group: str | None) -> Source:
    """List the pictures of a table.

    Parameters
    ----------
    path : Path
        CSV file with a header line, separated by commas, semicolons or tabs. The paths of the pictures are relative to
        the folder of the table, and the pictures must be inside of this folder.
    group : str or None
        Name of the column with the groups. Default: the column ``group``, if there is one.

    Raises
    ------
    LineupError
        If a column is missing, or a row has no file or no class. The message gives the line.
    """
    text = read_text(path, max_bytes=_MAX_BYTES).removeprefix("\N{BYTE ORDER MARK}")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        columns = _columns(path, header, group)
        for row in reader:
            if row:
                rows.append(_entry(f"{path}: line {reader.line_num}", row, columns))
    except csv.Error as error:
        raise LineupError(f"{path}: line {reader.line_num}: not a table: {shortened(error)}") from error
    entries, problems = _inside(path.parent, _whole_numbers(rows))
    if not entries and problems:
        raise LineupError(f"{path}: found no usable file: {problems[0]}")
    return file_source(path.parent, "table of files and classes (CSV)", entries, problems, path)


def _columns(path: Path, header: Sequence[str], group: str | None) -> dict[str, int]:
    """Return the position of each column in the table."""
    columns = {}
    for kind, names in _COLUMNS.items():
        wanted = (group.strip().lower(),) if kind == "group" and group else names
        found = [header.index(name) for name in wanted if name in header]
        if found:
            columns[kind] = found[0]
        elif kind in ("file", "label") or (kind == "group" and group):
            shown = shortened(", ".join(header) or "an empty file", 120)
            raise LineupError(f"{path}: expected a column {' or '.join(wanted)}, found {shown}")
    return columns


def _entry(where: str, row: Sequence[str], columns: Mapping[str, int]) -> Entry:
    """Convert a row of the table."""
    if len(row) <= max(columns.values()):
        raise LineupError(f"{where}: expected {max(columns.values()) + 1} cells, found {len(row)}")
    values = {kind: row[place].strip() for kind, place in columns.items()}
    for kind in ("file", "label"):
        if not values[kind]:
            raise LineupError(f"{where}: the {kind} is empty")
    part = part_of(values["part"]) if values.get("part") else ""
    if part is None:
        raise LineupError(f"{where}: part {values['part'][:40]!r}: expected {', '.join(PARTS[1:])} or nothing")
    return Entry(values["file"], values["label"], part, values.get("group") if "group" in columns else None)


def _whole_numbers(entries: Sequence[Entry]) -> list[Entry]:
    """If all labels are integers, convert labels such as 1.0 to 1. Some programs write integers as floats."""
    try:
        numbers = [float(entry.label) for entry in entries]
        whole = all(number.is_integer() and abs(number) < 1e15 for number in numbers)
    except ValueError:
        whole = False
    if not whole:
        return list(entries)
    return [
        Entry(entry.name, str(int(number)), entry.part, entry.group)
        for entry, number in zip(entries, numbers, strict=True)
    ]


def _inside(root: Path, entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Keep the table entries whose files are inside of a folder. Return an error message for each other entry."""
    real = root.resolve()
    kept, problems = [], []
    for entry in entries:
        try:
            path = (root / entry.name).resolve()
            inside = path.is_relative_to(real) and "\0" not in entry.name
        except (OSError, ValueError):  # circular links, or an invalid file name
            inside = False
        if inside and path.is_file():
            kept.append(entry)
        else:
            reason = "no such file" if inside else "outside of the folder of the table"
            problems.append(f"{shortened(repr(entry.name), 120)}: {reason}")
    return kept, problems
