"""Who sits in a committee: written down with a hash of each member's answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lineup.committee.select import read_selection, select, select_all, write_selection
from lineup.config import Committee
from lineup.errors import LineupError
from lineup.files import file_sha256
from lineup.records.record import PREDICTIONS, Member
from tests.make_records import make_record, random_predictions


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of three records."""
    for seed, name in enumerate(("one", "two", "three")):
        make_record(tmp_path / "models" / name, random_predictions(seed))
    return tmp_path / "models"


def committee(*members: str) -> Committee:
    return Committee(members=list(members), rule="average")


def test_selection_names_key_and_answers_of_each_member_in_order(models: Path, tmp_path: Path) -> None:
    members = select(committee("two", "one"), models)
    assert [member.name for member in members] == ["two", "one"]
    assert len({member.key for member in members}) == 2
    for member in members:
        assert member.predictions_sha256 == file_sha256(models / member.name / PREDICTIONS)
    write_selection(tmp_path / "pair.json", members)
    assert read_selection(tmp_path / "pair.json") == members


def test_selection_changes_with_a_members_answers_alone(models: Path, tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        select_all({"pair": committee("one", "two"), "last": committee("three")}, models, tmp_path / "selection")
        return {path.name: path.read_bytes() for path in (tmp_path / "selection").iterdir()}

    before = contents()
    assert set(before) == {"pair.json", "last.json"}
    assert contents() == before
    make_record(models / "three", random_predictions(9))
    after = contents()
    assert after["pair.json"] == before["pair.json"]
    assert after["last.json"] != before["last.json"]


def test_a_committee_that_is_gone_leaves_no_file(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "selection"
    select_all({"pair": committee("one", "two"), "last": committee("three")}, models, target)
    select_all({"last": committee("three")}, models, target)
    assert [path.name for path in target.iterdir()] == ["last.json"]
    select_all({}, models, target)
    assert list(target.iterdir()) == []


def test_a_member_without_a_record_is_named_and_nothing_is_replaced(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "selection"
    select_all({"pair": committee("one", "two")}, models, target)
    with pytest.raises(LineupError, match=r"models.four: no record here; train the model"):
        select_all({"pair": committee("one", "four")}, models, target)
    assert [path.name for path in target.parent.iterdir() if "selection" in path.name] == ["selection"]
    assert [member.name for member in read_selection(target / "pair.json")] == ["one", "two"]


MEMBER = {"name": "one", "key": "0" * 16, "predictions_sha256": "0" * 64}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        json.dumps({"members": 3}),
        json.dumps({"members": ["one"]}),
        json.dumps({"members": [MEMBER | {"extra": 1}]}),
        json.dumps({"members": [{"name": "one"}]}),
        json.dumps({"members": [MEMBER | {"name": ["one"]}]}),
        "\udcff",
    ],
    ids=lambda content: ascii(content[:40]),
)
def test_selection_of_another_format_is_one_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pair.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(LineupError, match=r"pair\.json: not a list of members") as caught:
        read_selection(path)
    assert "\n" not in str(caught.value)


def test_missing_selection_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"pair\.json: cannot be read .*; run lineup select first"):
        read_selection(tmp_path / "pair.json")


def test_selection_keeps_other_members_apart(tmp_path: Path) -> None:
    write_selection(tmp_path / "none.json", [])
    assert read_selection(tmp_path / "none.json") == []
    write_selection(tmp_path / "one.json", [Member(**MEMBER)])
    assert read_selection(tmp_path / "one.json") == [Member(**MEMBER)]
