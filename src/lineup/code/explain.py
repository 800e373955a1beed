"""List the source files of a stage and mark the files that changed after the last run.

Examples
--------
>>> from pathlib import Path
>>> explain("train.cnn", Path("/no/project"))[0].endswith("no stage in dvc.lock has run it")
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lineup.code.stages import CODE, code_of, from_text
from lineup.schema import LOCK_BYTES, read_yaml

LOCK = "dvc.lock"


def explain(key: str, project: Path) -> list[str]:
    """List the source files of a stage and mark the files that changed after the last run.

    The hashes of the last run are read from ``dvc.lock``.

    Parameters
    ----------
    key : str
        A key of ``code.yaml``, such as ``evaluate`` or ``train.cnn``.
    project : Path
        Folder of the project.

    Raises
    ------
    LineupError
        If the key does not exist, or ``dvc.lock`` cannot be read.
    """
    code = code_of(key, project)
    locked = locked_code(key, project)
    marks: dict[str, set[str]] = {}
    outdated = [stage for stage, files in locked.items() if files != code]
    for stage in outdated:
        for name, mark in _changes(locked[stage], code):
            marks.setdefault(name, set()).add(mark)
    lines = [f"{key}: {len(code)} files, {_summary(len(marks), bool(locked))}"]
    for name in sorted(code.keys() | marks.keys()):
        digest = code.get(name, " " * 12)
        lines.append(f"  {digest}  {name}{''.join(f'  {mark}' for mark in sorted(marks.get(name, ())))}")
    if outdated:
        lines.append(f"out of date: {', '.join(outdated)}")
    return lines


def locked_code(key: str, project: Path) -> dict[str, dict[str, str]]:
    """Find the stages that depend on a key of ``code.yaml``, and return their code hashes from ``dvc.lock``."""
    path = project / LOCK
    stages = _section(read_yaml(path, max_bytes=LOCK_BYTES), "stages") if path.is_file() else {}
    found: dict[str, dict[str, str]] = {}
    for stage, entry in stages.items():
        parameters = _section(_section(entry, "params"), CODE)
        if key in parameters:
            found[stage] = from_text(parameters[key])
    return found


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name of each changed file, and whether the file was added, changed or removed."""
    for name in before.keys() | now.keys():
        if name not in before:
            yield name, "added"
        elif name not in now:
            yield name, "removed"
        elif before[name] != now[name]:
            yield name, "changed"


def _section(value: Any, name: str) -> Mapping[str, Any]:
    """Return a section of a YAML file, or an empty mapping if the section is missing."""
    section = value.get(name) if isinstance(value, Mapping) else None
    return section if isinstance(section, Mapping) else {}


def _summary(changed: int, has_run: bool) -> str:
    if not has_run:
        return f"no stage in {LOCK} has run it"
    return f"{changed or 'none'} changed since {LOCK}"
