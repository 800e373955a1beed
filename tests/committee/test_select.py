"""The selection of a committee's members, with a hash of each member's predictions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.committee.candidates import Candidate, candidates
from lineup.committee.select import (
    Selection,
    read_selection,
    select,
    select_all,
    write_selection,
)
from lineup.committee.settings import Committee, MemberFilter
from lineup.errors import LineupError
from lineup.files import TEXT_LIMIT, file_sha256
from lineup.models.registry import FAMILIES
from lineup.paths import seed_folder
from lineup.records.header import Member
from lineup.records.predictions import Predictions
from lineup.records.record import PREDICTIONS, Record
from tests.make_records import CLASSES, make_record, random_predictions

MODELS = {
    name: Candidate(FAMILIES[family].kind, family, report)
    for name, family, report in (
        ("dense_a", "dense", "A"),
        ("cnn_a", "cnn", "A"),
        ("cnn_c", "cnn", "C"),
        ("forest", "classical", "E"),
        ("row_c", "conv1d", "C"),
    )
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["cnn_a", "dense_a"], ["cnn_a", "dense_a"]),
        ("all", ["dense_a", "cnn_a", "cnn_c", "forest", "row_c"]),
        (MemberFilter(kind="network"), ["dense_a", "cnn_a", "cnn_c", "row_c"]),
        (MemberFilter(kind="classical"), ["forest"]),
        (MemberFilter(family="cnn"), ["cnn_a", "cnn_c"]),
        (MemberFilter(report="C"), ["cnn_c", "row_c"]),
        (MemberFilter(report="C", family="cnn"), ["cnn_c"]),
        (MemberFilter(report="A", family="conv1d"), []),
        (MemberFilter(best=2), ["dense_a", "cnn_a", "cnn_c", "forest", "row_c"]),
    ],
    ids=str,
)
def test_candidates(members: list[str] | str | MemberFilter, expected: list[str]) -> None:
    assert candidates(members, MODELS) == expected


NAMED = dict.fromkeys(("one", "two", "three", "four"), Candidate("network", "cnn", "A"))


def make(folder: Path, name: str, predictions: Predictions, seed: int = 1) -> Record:
    return make_record(seed_folder(folder / name, seed), predictions, name=name, seed=seed)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of three records."""
    for seed, name in enumerate(("one", "two", "three")):
        make(tmp_path / "models", name, random_predictions(seed))
    return tmp_path / "models"


def committee(*members: str) -> Committee:
    return Committee(members=list(members), rule="average")


def test_the_selection_has_key_and_hash_of_each_member_in_order(models: Path, tmp_path: Path) -> None:
    members = select("pair", committee("two", "one"), NAMED, models)
    assert [member.name for member in members] == ["two", "one"]
    assert len({member.key for member in members}) == 2
    for member in members:
        assert member.predictions_sha256 == file_sha256(seed_folder(models / member.name, 1) / PREDICTIONS)
    write_selection(tmp_path / "pair.json", Selection(committee("one", "two"), [members]))
    assert read_selection(tmp_path / "pair.json").runs == [members]


def test_the_selection_changes_only_with_its_settings_and_the_predictions_of_a_member(
    models: Path, tmp_path: Path
) -> None:
    def contents(rule: str = "average") -> dict[str, bytes]:
        last = dataclasses.replace(committee("three"), rule=rule)
        select_all({"pair": committee("one", "two"), "last": last}, NAMED, models, tmp_path / "selection")
        return {path.name: path.read_bytes() for path in (tmp_path / "selection").iterdir()}

    before = contents()
    assert set(before) == {"pair.json", "last.json"}
    assert contents() == before
    make(models, "three", random_predictions(9))
    after = contents()
    assert after["pair.json"] == before["pair.json"]
    assert after["last.json"] != before["last.json"]
    assert contents("greedy")["pair.json"] == before["pair.json"]
    assert contents("greedy")["last.json"] != after["last.json"]


def test_the_file_of_a_removed_committee_is_removed(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "selection"
    select_all({"pair": committee("one", "two"), "last": committee("three")}, NAMED, models, target)
    select_all({"last": committee("three")}, NAMED, models, target)
    assert [path.name for path in target.iterdir()] == ["last.json"]
    select_all({}, NAMED, models, target)
    assert list(target.iterdir()) == []


def graded(folder: Path, name: str, right: list[int], images: list[int]) -> None:
    """Write a record that classifies only these validation images right."""
    predictions = random_predictions(0, images)
    predicted = np.array([label if i in right else (label + 1) % len(CLASSES) for i, label in labelled(images)])
    probabilities = (np.eye(len(CLASSES))[predicted] * 0.5 + 0.5 / len(CLASSES)).astype(np.float32)
    val = dataclasses.replace(predictions.val, probabilities=probabilities)
    make(folder, name, dataclasses.replace(predictions, val=val))


def labelled(images: list[int]) -> list[tuple[int, int]]:
    return [(image, image % len(CLASSES)) for image in images]


def test_the_best_members_are_chosen_on_the_images_that_all_held_out(tmp_path: Path) -> None:
    """All held out images 0 to 3. Images 4 to 9 of the wide records are not used. Ties go to the first record."""
    wide, narrow = list(range(10)), list(range(4))
    for name, right, images in (
        ("dense_a", [0, 1], narrow),
        ("cnn_a", [4, 5, 6, 7, 8, 9], wide),
        ("cnn_c", [0, 1, 2], wide),
        ("forest", [1, 2], narrow),
        ("row_c", [2, 3], wide),
    ):
        graded(tmp_path, name, right, images)

    def best(count: int, **filters: str) -> list[str]:
        members = MemberFilter(best=count, **filters)  # type: ignore[arg-type]
        return [m.name for m in select("few", Committee(members=members, rule="average"), MODELS, tmp_path)]

    assert best(1) == ["cnn_c"]
    assert best(2) == ["dense_a", "cnn_c"]
    assert best(4) == ["dense_a", "cnn_c", "forest", "row_c"]
    assert best(1, family="cnn") == ["cnn_a"]  # both held out all ten images
    assert best(1, report="A") == ["dense_a"]


def test_the_best_of_models_with_different_splits_are_an_error(tmp_path: Path) -> None:
    graded(tmp_path, "dense_a", [], [0, 1, 2])
    graded(tmp_path, "cnn_a", [], [2, 3, 4, 5])
    few = Committee(members=MemberFilter(best=1, report="A"), rule="average")
    with pytest.raises(LineupError, match="committee few: cnn_a_seed1 was trained on 2 of the 3 validation images"):
        select("few", few, MODELS, tmp_path)


def test_the_error_of_a_member_without_a_record_names_it_and_replaces_nothing(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "selection"
    select_all({"pair": committee("one", "two")}, NAMED, models, target)
    with pytest.raises(LineupError, match=r"models.four.seed_1: no record here; make it again"):
        select_all({"pair": committee("one", "four")}, NAMED, models, target)
    assert [path.name for path in target.parent.iterdir() if "selection" in path.name] == ["selection"]
    assert [member.name for member in read_selection(target / "pair.json").runs[0]] == ["one", "two"]


@pytest.mark.parametrize("members", [["one", "two"], "all", MemberFilter(best=1)], ids=str)
def test_the_error_of_a_member_without_predictions_says_how_to_make_them(
    models: Path, members: list[str] | str | MemberFilter
) -> None:
    """A fresh clone has only the text files of the records."""
    (models / "two" / "seed_1" / PREDICTIONS).unlink()
    named = {name: NAMED[name] for name in ("one", "two", "three")}
    said = r"two.seed_1.predictions\.npz: no such file; make it again"
    with pytest.raises(LineupError, match=said):
        select("few", Committee(members=members, rule="average"), named, models)


PAIR = {"members": ["one", "two"], "rule": "average"}
MEMBER: dict[str, Any] = {"name": "one", "seed": 1, "key": "0" * 16, "predictions_sha256": "0" * 64}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        json.dumps({"committee": PAIR, "runs": 3}),
        json.dumps({"committee": PAIR, "runs": [["one"]]}),
        json.dumps({"committee": PAIR, "runs": [[MEMBER | {"extra": 1}]]}),
        json.dumps({"committee": PAIR, "runs": [[{"name": "one"}]]}),
        json.dumps({"committee": PAIR, "runs": [[MEMBER | {"name": ["one"]}]]}),
        "\udcff",
    ],
    ids=lambda content: ascii(content[:40]),
)
def test_a_selection_of_another_format_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pair.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(LineupError, match=r"pair\.json: ") as caught:
        read_selection(path)
    assert "\n" not in str(caught.value)


def test_the_error_of_a_missing_selection_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"pair\.json: no such file; run lineup select first"):
        read_selection(tmp_path / "pair.json")


def test_a_selection_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pair.json"
    with path.open("wb") as file:
        file.truncate(TEXT_LIMIT + 1)
    with pytest.raises(LineupError, match=rf"pair\.json: expected at most {TEXT_LIMIT:,} bytes"):
        read_selection(path)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(committee("one"), []),
        Selection(committee("one"), [[Member(**MEMBER)]]),
        Selection(Committee("all", "greedy", "A", "both", seed=3, seeds=2), [[Member(**MEMBER)], []]),
        Selection(Committee(MemberFilter(family="cnn", best=2), "stacking"), [[Member(**MEMBER)]]),
    ],
    ids=lambda selection: selection.committee.rule,
)
def test_a_selection_is_read_as_written(tmp_path: Path, selection: Selection) -> None:
    write_selection(tmp_path / "pair.json", selection)
    assert read_selection(tmp_path / "pair.json") == selection


def test_run_n_combines_the_nth_seed_of_each_member(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("one", 2), ("two", 5), ("two", 3)):
        make(tmp_path, name, random_predictions(seed), seed)
    models = {"one": Candidate("network", "cnn", "A", (1, 2)), "two": Candidate("network", "cnn", "A", (5, 3))}

    def members(committee: Committee, run: int = 1) -> list[str]:
        return [member.label for member in select("pair", committee, models, tmp_path, run=run)]

    assert members(committee("one", "two")) == ["one_seed1", "two_seed5"]
    assert members(committee("one", "two"), run=2) == ["one_seed2", "two_seed3"]
    assert members(committee("one_seed2", "one"), run=1) == ["one_seed2", "one_seed1"]
    select_all(
        {"pair": dataclasses.replace(committee("one", "two"), seeds=2)}, models, tmp_path, tmp_path / "selection"
    )
    runs = read_selection(tmp_path / "selection" / "pair.json").runs
    assert [[member.seed for member in run] for run in runs] == [[1, 5], [2, 3]]
