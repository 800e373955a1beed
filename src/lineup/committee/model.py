"""The ``model/`` folder of a committee's record: who answers by which rule, and why that works.

================== ============================================================================
``committee.json`` the members' names, in the order of the rule's parameters, and the fitted rule
``analysis.json``  `lineup.committee.analysis.Analysis`, on the test images
================== ============================================================================

Both are plain JSON, and may come from another machine: reading them trusts nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lineup.committee.analysis import Analysis
from lineup.committee.fitting import FittedRule
from lineup.errors import LineupError
from lineup.records.record import Name
from lineup.schema import read_checked, read_json

COMMITTEE, ANALYSIS = "committee.json", "analysis.json"


def write_committee(folder: Path, members: Sequence[str], fitted: FittedRule) -> None:
    """Write ``committee.json`` into an existing folder."""
    _write(folder / COMMITTEE, {"members": list(members), "fitted": fitted.to_json()})


def read_committee(folder: Path) -> tuple[list[str], FittedRule]:
    """Return the members' names and the rule by which they answer.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not what `write_committee` writes; the line names it.
    """
    path = folder / COMMITTEE
    values = read_json(path)
    if not isinstance(values, dict) or set(values) != {"members", "fitted"}:
        raise LineupError(f"{path}: expected the members and the fitted rule, and no more")
    try:
        members = TypeAdapter(list[Name]).validate_python(values["members"], strict=True)
        fitted = FittedRule.from_json(values["fitted"])
    except ValidationError as error:
        raise LineupError(f"{path}: members: expected a list of names") from error
    except LineupError as error:
        raise LineupError(f"{path}: {error}") from error
    if len(members) != fitted.members:
        raise LineupError(f"{path}: {len(members)} members; the rule was fitted for {fitted.members}")
    return members, fitted


def write_analysis(folder: Path, analysis: Analysis) -> None:
    """Write ``analysis.json`` into an existing folder."""
    _write(folder / ANALYSIS, dataclasses.asdict(analysis))


def read_analysis(folder: Path) -> Analysis:
    """Return what `write_analysis` wrote.

    Raises
    ------
    LineupError
        If the file is missing, too large, or of another format; the line names it.
    """
    path = folder / ANALYSIS
    analysis: Analysis = read_checked(path, Analysis)
    members = len(analysis.members)
    for name in ("disagreement", "error_correlation"):
        rows = getattr(analysis, name)
        if members == 0 or len(rows) != members or any(len(row) != members for row in rows):
            raise LineupError(f"{path}: {name}: expected a row and a column of each of the {members} members")
    return analysis


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
