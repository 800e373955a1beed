"""Compact records: what git tracks of a record, and what commands read in a clone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lineup.committee.model import ANALYSIS as ANALYSIS_FILE
from lineup.errors import LineupError
from lineup.npz import read_npz, write_npz
from lineup.paths import Project
from lineup.records.compact import (
    ANALYSIS,
    COPIED,
    FILE,
    find_folder,
    is_compact,
    open_record,
    predicted_classes,
    predictions_sha256,
    score_summary,
    write_compact_records,
)
from lineup.records.record import MODEL, Record
from tests.runs import make_seeds


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "dvc.yaml").touch()
    return Project(tmp_path)


@pytest.fixture
def pairs(project: Project) -> list[tuple[Record, Record]]:
    """Two full records, each with its compact record."""
    records = make_seeds(project.models, "cnn", [700, 800])
    write_compact_records(records, project.compact)
    return [(record, open_record(project.compact / "cnn" / record.folder.name)) for record in records]


def test_a_compact_record_has_the_small_files_and_the_same_results(pairs: list[tuple[Record, Record]]) -> None:
    for full, compact in pairs:
        assert (is_compact(full), is_compact(compact)) == (False, True)
        for name in COPIED:
            assert (compact.folder / name).read_bytes() == (full.folder / name).read_bytes()
        assert sorted(path.name for path in compact.folder.iterdir()) == sorted([*COPIED, FILE])
        assert compact.digest() == full.digest()
        assert predictions_sha256(compact) == predictions_sha256(full)
        one, other = predicted_classes(full), predicted_classes(compact)
        for name in ("indices", "labels", "predicted"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_allclose(1 - other.confidence, 1 - one.confidence, rtol=1e-3)
        np.testing.assert_array_equal(score_summary(full).auc, score_summary(compact).auc)
        assert score_summary(full).accuracy_at_80_coverage == score_summary(compact).accuracy_at_80_coverage


def test_the_bytes_are_reproducible_and_few(pairs: list[tuple[Record, Record]], project: Project) -> None:
    files = [compact.folder / FILE for _, compact in pairs]
    before = [file.read_bytes() for file in files]
    write_compact_records([full for full, _ in pairs], project.compact)
    assert [file.read_bytes() for file in files] == before
    assert len(before[0]) < 4 * 900 + 2_500  # four bytes per test image


def test_the_full_record_comes_first(pairs: list[tuple[Record, Record]], project: Project) -> None:
    full, compact = pairs[0]
    assert find_folder(project, project.models / "cnn", 1) == full.folder
    shutil.rmtree(full.folder)
    assert find_folder(project, project.models / "cnn", 1) == compact.folder
    assert find_folder(project, project.models / "cnn", 3) is None


def test_what_needs_all_probabilities_says_so(pairs: list[tuple[Record, Record]]) -> None:
    with pytest.raises(LineupError, match=r"^cnn_seed1: this needs the full record, .*\(lineup repro\)$") as caught:
        pairs[0][1].predictions()
    assert "dvc pull" not in str(caught.value)  # no remote is configured


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("predicted", np.full(900, 3, np.uint8), "the predicted classes differ from confusion_matrix.csv"),
        ("labels", np.zeros(899, np.uint8), r"labels: expected uint8 \(900,\), found uint8 \(899,\)"),
        ("uncertainty", np.full(900, np.nan, np.float16), "uncertainty: expected numbers from 0 to 1"),
        ("auc", np.array([0.5, 2.0, 0.5]), "auc: expected numbers from 0 to 1"),
        ("other", np.zeros(1), "expected the arrays labels, predicted"),
    ],
)
def test_a_damaged_file_is_an_error(
    pairs: list[tuple[Record, Record]], name: str, value: np.ndarray, problem: str
) -> None:
    _, compact = pairs[0]
    arrays = read_npz(compact.folder / FILE, max_bytes=10_000)
    write_npz(compact.folder / FILE, arrays | {name: value})
    with pytest.raises(LineupError, match=problem):
        predicted_classes(compact)


def test_the_analysis_of_a_committee_is_in_its_place() -> None:
    assert f"{MODEL}/{ANALYSIS_FILE}" == ANALYSIS
