"""What the README says is what the checkout holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean

import pandas as pd
import pytest

from lineup.pages.leaderboard import leaderboard_markdown, read_leaderboard, replace_block
from lineup.params import load_params
from lineup.records.record import METRICS
from lineup.seeds import by_base_name

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
    groups = by_base_name([*params.models, *params.committees])
    assert set(rows.index) == set(groups)
    assert not rows["generated"].any()
    for name, runs in groups.items():
        metrics = [json.loads(next((ROOT / "runs").glob(f"*/{run}/{METRICS}")).read_text()) for run in runs]
        mean = fmean(values["test_accuracy"] for values in metrics)
        assert mean == pytest.approx(rows["test_accuracy"][name], abs=1e-12)


def test_the_published_figures_of_report_a_hold() -> None:
    """Its networks and their committee are reproduced; the frozen encoder beats its published figure."""
    verdicts = pd.read_csv(ROOT / "reports" / "reproduction.csv").set_index("name")
    of_a = verdicts[verdicts["report"] == "A"]["verdict"].to_dict()
    assert of_a.pop("frozen_encoder") == "better"
    assert set(of_a.values()) == {"reproduced"}


def test_every_command_of_the_reference_exists() -> None:
    from typer.main import get_command

    from lineup.cli.app import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`lineup ([a-z]+)", README))
    assert named == known
