"""Read and write the ``model/`` folder of a committee.

================== ================================================================================
``committee.json`` names of the members, in the order of the rule's parameters, and the fitted rule
``analysis.json``  `lineup.committee.analysis.Analysis` of the test images
================== ================================================================================

The files may come from another machine, so all values are checked when a file is read.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     write_committee(Path(folder), ["cnn_seed1", "svm_seed1"], FittedRule("average", members=2, classes=10))
...     members, fitted = read_committee(Path(folder))
>>> members, fitted.weights
(['cnn_seed1', 'svm_seed1'], [0.5, 0.5])
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lineup.committee.analysis import Analysis
from lineup.committee.fitting import FittedRule
from lineup.errors import LineupError
from lineup.records.header import Name
from lineup.schema import read_checked, read_json, write_json

COMMITTEE, ANALYSIS = "committee.json", "analysis.json"


def write_committee(folder: Path, members: Sequence[str], fitted: FittedRule) -> None:
    """Write the member names and the fitted rule of a committee to ``committee.json``."""
    write_json(folder / COMMITTEE, {"members": list(members), "fitted": fitted.to_json()})


def read_committee(folder: Path) -> tuple[list[str], FittedRule]:
    """Read the member names and the fitted rule of a committee.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not in the format of `write_committee`. The message names the file.
    """
    path = folder / COMMITTEE
    values = read_json(path)
    if not isinstance(values, dict) or set(values) != {"members", "fitted"}:
        raise LineupError(f"{path}: expected only the keys members and fitted")
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
    """Write the analysis of a committee to ``analysis.json``."""
    write_json(folder / ANALYSIS, dataclasses.asdict(analysis))


def read_analysis(folder: Path) -> Analysis:
    """Read the analysis of a committee from ``analysis.json``.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not in the format of `write_analysis`. The message names the file.
    """
    path = folder / ANALYSIS
    analysis: Analysis = read_checked(path, Analysis)
    members = len(analysis.members)
    for name in ("disagreement", "error_correlation"):
        rows = getattr(analysis, name)
        if members == 0 or len(rows) != members or any(len(row) != members for row in rows):
            raise LineupError(f"{path}: {name}: expected one row and one column for each of the {members} members")
    cost = analysis.cost
    if cost is not None and len(cost.seconds) != members:
        raise LineupError(f"{path}: cost: expected a time for each of the {members} members")
    if cost is not None and cost.only_committee + cost.only_full > analysis.images:
        raise LineupError(f"{path}: cost: expected differences on at most {analysis.images} images")
    return analysis
