"""The champion is chosen by validation images alone, on those that every candidate held out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lineup.champion import Answers, choose, rank, read_champion, write_champion
from lineup.errors import LineupError
from lineup.records.record import Predictions, Record
from tests.make_records import make_record, random_predictions


def answers(correct: list[bool], *, first: int = 0, sure: float = 0.8) -> Answers:
    """Return answers of two classes, right or wrong, on consecutive images of class 0."""
    probabilities = np.array([[sure, 1 - sure] if right else [1 - sure, sure] for right in correct])
    return Answers(np.arange(first, first + len(correct)), np.zeros(len(correct), dtype=int), probabilities)


def test_the_highest_accuracy_or_the_lowest_loss() -> None:
    candidates = {
        "bold": answers([True, True, True, False], sure=0.999),
        "wise": answers([True, True, False, False], sure=0.6),
    }
    assert list(rank(candidates, "accuracy")[0]) == ["bold", "wise"]
    values, shared = rank(candidates, "loss")
    assert list(values) == ["wise", "bold"]
    assert values["wise"] == pytest.approx(-(np.log(0.6) + np.log(0.4)) / 2)
    assert list(shared) == [0, 1, 2, 3]


def test_of_equals_the_first() -> None:
    same = {name: answers([True, False]) for name in ("b", "a", "c")}
    assert list(rank(same, "accuracy")[0]) == ["b", "a", "c"]
    assert list(rank(same, "loss")[0]) == ["b", "a", "c"]


def test_only_images_that_all_held_out_count() -> None:
    candidates = {
        "wide": answers([False, False, True, True]),  # 0 to 3, of which the last two count
        "narrow": answers([True, False], first=2),
    }
    values, shared = rank(candidates, "accuracy")
    assert values == {"wide": 1.0, "narrow": 0.5}
    assert list(shared) == [2, 3]
    with pytest.raises(LineupError, match="no validation image was held out by all"):
        rank({"wide": answers([True]), "other": answers([True], first=5)}, "accuracy")


def records(folder: Path, change: Any = lambda predictions: predictions) -> list[Record]:
    """Return three models and a committee with invented answers."""
    return [
        make_record(folder / name, change(random_predictions(seed)), name=name, kind=kind)
        for seed, (name, kind) in enumerate(
            [("a", "network"), ("b", "classical"), ("c", "network"), ("d", "committee")]
        )
    ]


def rule(metric: str, among: str = "all") -> Any:
    return SimpleNamespace(metric=metric, among=among)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_test_labels_choose_nothing(tmp_path: Path, metric: str) -> None:
    """Whatever the test labels and the answers to test images are, the same one is chosen."""
    chosen = choose(records(tmp_path / "one"), rule(metric))
    for seed in range(20):

        def permuted(predictions: Predictions, seed: int = seed) -> Predictions:
            order = np.random.default_rng(seed).permutation(len(predictions.test_labels))
            other = random_predictions(seed + 50).test_probabilities
            return dataclasses.replace(
                predictions, test_labels=predictions.test_labels[order], test_probabilities=other
            )

        again = choose(records(tmp_path / f"permuted{seed}", permuted), rule(metric))
        assert (again.name, again.validation) == (chosen.name, chosen.validation)


def test_among_and_cost(tmp_path: Path) -> None:
    found = records(tmp_path)
    champion = choose(found, rule("accuracy"))
    record = next(record for record in found if record.header.name == champion.name)
    assert champion.key == record.header.key
    assert champion.test_accuracy == record.metrics["test_accuracy"]
    assert champion.val_accuracy == pytest.approx(record.metrics["val_accuracy"])
    assert champion.cost == pytest.approx(champion.val_accuracy - champion.test_accuracy)
    assert champion.candidates == 4
    assert choose(found, rule("accuracy", "committees")).name == "d"
    assert choose(found, rule("accuracy", "models")).name in {"a", "b", "c"}
    with pytest.raises(LineupError, match=r"champion\.among = 'committees': params.yaml has none"):
        choose(found[:3], rule("accuracy", "committees"))


def test_the_file_is_read_as_written_and_refused_otherwise(tmp_path: Path) -> None:
    champion = choose(records(tmp_path / "runs"), rule("loss"))
    path = tmp_path / "champion.json"
    write_champion(path, champion)
    assert read_champion(path) == champion
    for text in ("", "[]", '{"name": "a"}', path.read_text(encoding="utf-8").replace('"key"', '"keys"')):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(LineupError, match=r"champion\.json: "):
            read_champion(path)
    with pytest.raises(LineupError, match="cannot be read"):
        read_champion(tmp_path / "none.json")
