from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.report.entries import entries_of, seed_spreads

from .runs import REAL, make_run, make_seeds


def test_runs_of_one_model_are_one_entry(tmp_path: Path) -> None:
    second, *rest = reversed(make_seeds(tmp_path, "cnn", [810, 828, 837]))
    forest = make_run(tmp_path, "forest", 765, kind="classical")
    cnn, other = entries_of([second, forest, *rest])
    assert [run.header.name for run in cnn.runs] == ["cnn", "cnn_seed2", "cnn_seed3"]
    assert cnn.base.header.name == "cnn"
    assert cnn.values("test_accuracy") == pytest.approx([0.90, 0.92, 0.93])
    assert cnn.mean("test_accuracy") == pytest.approx(0.9166667)
    assert cnn.deviation("test_accuracy") == pytest.approx(0.0152753, abs=1e-6)
    assert other.name == "forest"
    assert math.isnan(other.deviation("test_accuracy"))
    assert other.training_seconds == 3.5
    assert cnn.correct().shape == (3, 900)
    assert cnn.correct().sum(axis=1).tolist() == [810, 828, 837]


def test_a_committee_has_no_training_time(tmp_path: Path) -> None:
    (entry,) = entries_of([make_run(tmp_path, "vote", 800, kind="committee", weights=None)])
    assert entry.training_seconds is None


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match="there are no results to compare"):
        entries_of([])
    here = make_run(tmp_path, "cnn", 800)
    there = make_run(tmp_path, "forest", 800, data=dataclasses.replace(REAL, fingerprint="0" * 64))
    with pytest.raises(LineupError, match="forest was made from other data or another split than cnn"):
        entries_of([here, there])
    (entry,) = entries_of([dataclasses.replace(here, metrics={})])
    with pytest.raises(LineupError, match=r"cnn.metrics\.json: no test_ece"):
        entry.mean("test_ece")


def test_the_spread_is_that_of_all_models_of_a_kind_with_several_seeds(tmp_path: Path) -> None:
    networks = [*make_seeds(tmp_path, "a", [810, 828], data=REAL), *make_seeds(tmp_path, "b", [810, 810], data=REAL)]
    alone = make_run(tmp_path, "c", 700, data=REAL)
    classical = make_run(tmp_path, "d", 810, kind="classical", data=REAL)
    spreads = seed_spreads(entries_of([*networks, alone, classical]))
    # 0.90 and 0.92 deviate by 0.01 √2, twice 0.90 not at all; the mean of the squares is 0.01².
    assert spreads == {"network": pytest.approx(0.01), "classical": 0}
