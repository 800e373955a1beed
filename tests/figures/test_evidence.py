"""The figures of the probabilities of one record."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lineup.errors import LineupError
from lineup.figures.evidence import evidence_figures
from lineup.records.record import PREDICTIONS
from tests.make_records import make_record, random_predictions

from .test_figures import texts


@pytest.fixture
def figures(tmp_path: Path) -> dict[str, Figure]:
    record = make_record(tmp_path / "small", random_predictions(1))
    record = dataclasses.replace(record, metrics=record.metrics | {"test_ece": 0.125})
    return evidence_figures(record, "GENERATED DATA, 9 test images")


def test_a_record_has_four_figures_with_its_name_and_data(figures: dict[str, Figure]) -> None:
    assert list(figures) == ["reliability", "selective_accuracy", "roc", "cutoff"]
    for figure in figures.values():
        written = texts(figure)
        assert "GENERATED DATA, 9 test images" in written
        assert any(text.startswith("small_seed1: ") for text in written)


def test_the_calibration_error_comes_from_the_record(figures: dict[str, Figure]) -> None:
    assert any(text.startswith("distance: 0.1250 on average (ECE, ") for text in texts(figures["reliability"]))


def test_a_record_without_predictions_is_named(tmp_path: Path) -> None:
    record = make_record(tmp_path / "small", random_predictions(1))
    (record.folder / PREDICTIONS).unlink()
    with pytest.raises(LineupError, match=r"small.predictions\.npz"):
        evidence_figures(record, "")
