from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.evaluation.seeds import SeedDeviation
from lineup.records.model_runs import group_runs, seed_deviations
from tests.runs import REAL, make_run, make_seeds


def test_runs_of_one_model_are_grouped(tmp_path: Path) -> None:
    second, *rest = reversed(make_seeds(tmp_path, "cnn", [810, 828, 837]))
    forest = make_run(tmp_path, "forest", 765, kind="classical")
    cnn, other = group_runs([second, forest, *rest])
    assert [run.header.label for run in cnn.runs] == ["cnn_seed1", "cnn_seed2", "cnn_seed3"]
    assert cnn.first.header.seed == 1
    assert cnn.values("test_accuracy") == pytest.approx([0.90, 0.92, 0.93])
    assert cnn.mean("test_accuracy") == pytest.approx(0.9166667)
    assert cnn.deviation("test_accuracy") == pytest.approx(0.0152753, abs=1e-6)
    assert other.name == "forest"
    assert math.isnan(other.deviation("test_accuracy"))
    assert other.training_seconds == 3.5
    assert cnn.correct().shape == (3, 900)
    assert cnn.correct().sum(axis=1).tolist() == [810, 828, 837]


def test_a_committee_has_no_training_time(tmp_path: Path) -> None:
    (model,) = group_runs([make_run(tmp_path, "vote", 800, kind="committee", weights=None)])
    assert model.training_seconds is None


def test_records_of_different_data_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match="there are no results to compare"):
        group_runs([])
    here = make_run(tmp_path, "cnn", 800)
    there = make_run(tmp_path, "forest", 800, data=dataclasses.replace(REAL, fingerprint="0" * 64))
    with pytest.raises(LineupError, match="forest_seed1 and cnn_seed1 were made from different data or splits"):
        group_runs([here, there])
    (model,) = group_runs([dataclasses.replace(here, metrics={})])
    with pytest.raises(LineupError, match=r"cnn.seed_1.metrics\.json: no test_ece"):
        model.mean("test_ece")


def test_the_deviation_between_seeds_is_pooled_by_kind(tmp_path: Path) -> None:
    two, three = make_seeds(tmp_path, "a", [810, 828], data=REAL), make_seeds(tmp_path, "b", [810] * 3, data=REAL)
    alone = make_run(tmp_path, "c", 700, data=REAL)
    classical = make_run(tmp_path, "d", 810, kind="classical", data=REAL)
    vote = make_run(tmp_path, "vote", 850, kind="committee", data=REAL)
    deviations = seed_deviations(group_runs([*two, *three, alone, classical, vote]))
    # 0.90 and 0.92 differ from their mean by 0.01, three values of 0.90 do not. There are 1 + 2 degrees of freedom.
    assert deviations["network"].value == pytest.approx(math.sqrt(2 * 0.01**2 / 3))
    assert deviations["network"].dof == 3
    assert deviations["committee"] == deviations["network"]  # pooled together
    assert deviations["classical"] == SeedDeviation(0.0, 0)
