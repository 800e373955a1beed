"""What the README says is what the checkout holds."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from lineup.config import load_params
from lineup.records.record import METRICS
from lineup.report.leaderboard import leaderboard_markdown, read_leaderboard, replace_block

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table() -> pd.DataFrame:
    return read_leaderboard(ROOT / "reports" / "leaderboard.csv")


def test_the_table_is_that_of_the_last_evaluation() -> None:
    page = (ROOT / "reports" / "leaderboard.md").read_text(encoding="utf-8")
    assert replace_block(README, "leaderboard", page) == README
    assert leaderboard_markdown(table()).strip() == page.strip()


def test_the_table_holds_the_committed_metrics() -> None:
    rows = table().set_index("name")
    params = load_params(ROOT / "params.yaml")
    assert set(rows.index) == {*params.models, *params.committees}
    for name, row in rows.iterrows():
        (path,) = (ROOT / "runs").glob(f"*/{name}/{METRICS}")
        assert pd.read_json(path, typ="series")["test_accuracy"] == pytest.approx(row["test_accuracy"], abs=1e-12)
        assert not row["generated"]


def test_the_published_figures_hold() -> None:
    """Report A, two seeds each, within 0.01; the frozen encoder beats its published figure."""
    rows = table().set_index("name")
    for name, row in rows[rows["report"] == "A"].iterrows():
        if str(name).startswith("frozen_encoder"):
            assert row["difference"] > 0.05
        else:
            assert abs(row["difference"]) <= 0.01


def test_every_command_of_the_reference_exists() -> None:
    from typer.main import get_command

    from lineup.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`lineup ([a-z]+)", README))
    assert named == known
