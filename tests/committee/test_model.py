"""Read and write the model files of a committee, and reject other formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lineup.committee.analysis import analyse, predictions_without_each
from lineup.committee.fitting import fit_rule
from lineup.committee.model import (
    ANALYSIS,
    COMMITTEE,
    read_analysis,
    read_committee,
    write_analysis,
    write_committee,
)
from lineup.committee.rules import RULES
from lineup.errors import LineupError
from tests.committee.strategies import skilled_members

NAMES = ["low", "middle", "high"]
PROBABILITIES, LABELS = skilled_members()


@pytest.mark.parametrize("rule", RULES)
def test_committee_is_read_as_written(tmp_path: Path, rule: str) -> None:
    fitted = fit_rule(rule, PROBABILITIES, LABELS, temperature="both")
    write_committee(tmp_path, NAMES, fitted)
    assert read_committee(tmp_path) == (NAMES, fitted)


@pytest.mark.parametrize("members", [1, 3])
def test_analysis_is_read_as_written(tmp_path: Path, members: int) -> None:
    each = PROBABILITIES[:members]
    fitted = fit_rule("average", each, LABELS)
    others = predictions_without_each("average", each, LABELS, each)
    analysis = analyse(fitted, NAMES[:members], each, LABELS, others)
    write_analysis(tmp_path, analysis)
    assert read_analysis(tmp_path) == analysis


FITTED = fit_rule("greedy", PROBABILITIES, LABELS).to_json()
WRONG = [
    ("", "not JSON"),
    ("[1", "not JSON"),
    ("[" * 100_000, "nested too deeply"),
    ("[]", "expected only the keys members and fitted"),
    ({"members": NAMES}, "expected only the keys members and fitted"),
    ({"members": NAMES, "fitted": FITTED, "rule": "average"}, "expected only the keys members and fitted"),
    ({"members": "low", "fitted": FITTED}, "members: expected a list of names"),
    ({"members": ["low", "middle", 3], "fitted": FITTED}, "members: expected a list of names"),
    ({"members": ["low", "middle", "../high"], "fitted": FITTED}, "members: expected a list of names"),
    ({"members": NAMES[:2], "fitted": FITTED}, "2 members; the rule was fitted for 3"),
    ({"members": NAMES, "fitted": FITTED | {"rule": "vote"}}, "unknown rule 'vote'"),
    ({"members": NAMES, "fitted": FITTED | {"parameters": {"weights": [1, 1, 1]}}}, "the weights sum to 3"),
]


@pytest.mark.parametrize(("content", "said"), WRONG, ids=[f"{str(content)[:40]}" for content, _ in WRONG])
def test_committee_of_another_format_is_one_error(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / COMMITTEE
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(LineupError, match=said) as caught:
        read_committee(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


COST: dict[str, Any] = {
    "device": "a processor",
    "seconds": [0.1, 0.2, 0.3],
    "evaluated": [1.0, 0.2, 0.1],
    "full_evaluated": [1.0, 1.0, 1.0],
    "full_accuracy": 0.5,
    "only_committee": 0,
    "only_full": 0,
}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("images", "many", "images: "),
        ("accuracy", float("nan"), "not JSON: NaN is not a JSON number"),
        ("nope", 1, "nope: "),
        ("members", [], "disagreement: expected one row and one column for each of the 0 members"),
        ("members", [{"name": "low"}], r"members.0.weight: "),
        ("disagreement", [[0.0]], "disagreement: expected one row and one column for each of the 3 members"),
        ("error_correlation", [[None] * 2] * 3, "error_correlation: expected one row and one column"),
        ("log_loss", None, "log_loss: "),
        ("cost", COST | {"seconds": [0.1, 0.0, 0.1]}, r"cost.seconds.1: "),
        ("cost", COST | {"evaluated": [0.5, 0.1, 0.1]}, "a share for each member, and a member with the share 1"),
        ("cost", COST | {"full_evaluated": [1.0]}, "a share for each member, and a member with the share 1"),
        ("cost", {name: value[:2] if isinstance(value, list) else value for name, value in COST.items()}, "of the 3 m"),
        ("cost", COST | {"only_full": 2**30}, "cost: expected differences on at most"),
    ],
)
def test_analysis_of_another_format_is_one_error(tmp_path: Path, key: str, value: Any, said: str) -> None:
    write_analysis(tmp_path, analyse(fit_rule("average", PROBABILITIES, LABELS), NAMES, PROBABILITIES, LABELS))
    path = tmp_path / ANALYSIS
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(LineupError, match=said) as caught:
        read_analysis(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_or_large_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    for read, name in ((read_committee, COMMITTEE), (read_analysis, ANALYSIS)):
        with pytest.raises(LineupError, match=rf"{name}: no such file"):
            read(tmp_path)
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**30)
        with pytest.raises(LineupError, match=rf"{name}: expected at most 8,388,608 bytes, found more"):
            read(tmp_path)
