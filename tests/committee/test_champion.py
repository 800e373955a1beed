"""Check that the champion is chosen only on validation images that all candidates held out."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from lineup.committee.champion import choose, rank, read_champion, write_champion
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.files import TEXT_LIMIT
from lineup.records.predictions import Predictions
from lineup.records.record import Record
from tests.make_records import make_record, random_predictions


def predict(correct: list[bool], confidence: float = 0.8) -> list[list[float]]:
    """Return the predictions of a candidate for images of class 0, one of two classes."""
    return [[confidence, 1 - confidence] if right else [1 - confidence, confidence] for right in correct]


def holdout(*candidates: list[list[float]]) -> Scores:
    """Return the predictions of all candidates."""
    images = len(candidates[0])
    return Scores(np.arange(images), np.zeros(images, dtype=int), np.array(candidates))


def test_the_best_candidate_has_the_highest_accuracy_or_the_lowest_loss() -> None:
    bold, wise = (
        predict([True, True, True, False], confidence=0.999),
        predict([True, True, False, False], confidence=0.6),
    )
    assert rank(["bold", "wise"], holdout(bold, wise), "accuracy") == {"bold": 0.75, "wise": 0.5}
    values = rank(["bold", "wise"], holdout(bold, wise), "loss")
    assert list(values) == ["wise", "bold"]
    assert values["wise"] == pytest.approx(-(np.log(0.6) + np.log(0.4)) / 2)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
def test_a_small_class_counts_as_much_as_a_large_one(metric: str) -> None:
    labels = np.array([0] * 8 + [1] * 2)
    always, fair = np.tile([0.9, 0.1], (10, 1)), np.eye(2)[[0] * 6 + [1] * 2 + [1] * 2]
    scores = Scores(np.arange(10), labels, np.stack([always, fair]))
    values = rank(["always", "fair"], scores, metric)
    score = {"balanced_accuracy": balanced_accuracy_score, "macro_f1": partial(f1_score, average="macro")}[metric]
    assert list(values) == ["fair", "always"]
    for name, member in (("always", always), ("fair", fair)):
        assert values[name] == pytest.approx(score(labels, member.argmax(axis=1)))
    assert list(rank(["always", "fair"], scores, "accuracy")) == ["always", "fair"]


def test_ties_go_to_the_first_candidate() -> None:
    same = holdout(*[predict([True, False])] * 3)
    assert list(rank(["b", "a", "c"], same, "accuracy")) == ["b", "a", "c"]
    assert list(rank(["b", "a", "c"], same, "loss")) == ["b", "a", "c"]


def test_only_images_that_all_candidates_held_out_are_used(tmp_path: Path) -> None:
    wide, narrow = random_predictions(1, range(12)), random_predictions(2, [7, 3, 5])
    found = [make_record(tmp_path / "wide", wide), make_record(tmp_path / "narrow", narrow)]
    champion = choose(found, rule("accuracy"))
    assert champion.images == 3
    shares = {
        "wide_seed1": np.mean(wide.val.probabilities[[7, 3, 5]].argmax(axis=1) == narrow.val.labels),
        "narrow_seed1": np.mean(narrow.val.probabilities.argmax(axis=1) == narrow.val.labels),
    }
    assert champion.validation == shares
    assert champion.val_accuracy == max(shares.values())


def test_candidates_with_different_data_or_splits_are_an_error(tmp_path: Path) -> None:
    found = records(tmp_path)
    data = dataclasses.replace(found[1].header.data, fingerprint="f" * 64)
    elsewhere = make_record(tmp_path / "elsewhere", random_predictions(1), data=data)
    with pytest.raises(LineupError, match=r"^champion: elsewhere_seed1 and a_seed1 were made from different data"):
        choose([*found, elsewhere], rule("loss"))
    other = make_record(tmp_path / "other", random_predictions(1, [1, 40]))
    with pytest.raises(
        LineupError, match=r"^champion: a_seed1 was trained on 1 of the 2 validation images of other_seed1"
    ):
        choose([*found, other], rule("loss"))


def records(folder: Path, change: Any = lambda predictions: predictions) -> list[Record]:
    """Return the records of three models and a committee with random predictions."""
    return [
        make_record(folder / name, change(random_predictions(seed)), name=name, kind=kind)
        for seed, (name, kind) in enumerate(
            [("a", "network"), ("b", "classical"), ("c", "network"), ("d", "committee")]
        )
    ]


def rule(metric: str, among: str = "all") -> Any:
    return SimpleNamespace(metric=metric, among=among)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_test_images_do_not_change_the_choice(tmp_path: Path, metric: str) -> None:
    """The champion is the same for all labels and predictions of the test images."""
    chosen = choose(records(tmp_path / "one"), rule(metric))
    for seed in range(20):

        def permuted(predictions: Predictions, seed: int = seed) -> Predictions:
            test = predictions.test
            labels = np.random.default_rng(seed).permutation(test.labels)
            other = random_predictions(seed + 50).test.probabilities
            return dataclasses.replace(predictions, test=Scores(test.indices, labels, other))

        again = choose(records(tmp_path / f"permuted{seed}", permuted), rule(metric))
        assert (again.name, again.validation) == (chosen.name, chosen.validation)


def test_the_candidates_and_the_optimism(tmp_path: Path) -> None:
    found = records(tmp_path)
    champion = choose(found, rule("accuracy"))
    record = next(record for record in found if record.header.label == champion.name)
    assert champion.key == record.header.key
    assert champion.test_accuracy == record.metrics["test_accuracy"]
    assert champion.val_accuracy == pytest.approx(record.metrics["val_accuracy"])
    assert champion.optimism == pytest.approx(champion.val_accuracy - champion.test_accuracy)
    assert champion.candidates == 4
    assert choose(found, rule("accuracy", "committees")).name == "d_seed1"
    assert choose(found, rule("accuracy", "models")).name in {"a_seed1", "b_seed1", "c_seed1"}
    with pytest.raises(LineupError, match=r"champion\.among = 'committees': params.yaml has no such candidate"):
        choose(found[:3], rule("accuracy", "committees"))


def test_the_file_is_read_as_written_and_another_format_is_an_error(tmp_path: Path) -> None:
    champion = choose(records(tmp_path / "runs"), rule("loss"))
    path = tmp_path / "champion.json"
    write_champion(path, champion)
    assert read_champion(path) == champion
    for text in ("", "[]", '{"name": "a"}', path.read_text(encoding="utf-8").replace('"key"', '"keys"')):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(LineupError, match=r"champion\.json: "):
            read_champion(path)
    path.write_bytes(b" " * (TEXT_LIMIT + 1))
    with pytest.raises(LineupError, match=rf"champion\.json: expected at most {TEXT_LIMIT:,} bytes"):
        read_champion(path)
    with pytest.raises(LineupError, match="no such file"):
        read_champion(tmp_path / "none.json")
