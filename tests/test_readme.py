"""The figures in the README and in the findings are those of the committed results."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lineup.pages.leaderboard import leaderboard_markdown, read_leaderboard, replace_block
from lineup.pages.show import TOP
from lineup.params import load_params

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table() -> pd.DataFrame:
    return read_leaderboard(ROOT / "reports" / "leaderboard.csv")


def test_the_table_is_from_the_last_evaluation() -> None:
    page = (ROOT / "reports" / "leaderboard.md").read_text(encoding="utf-8")
    assert replace_block(README, "leaderboard", leaderboard_markdown(table().head(TOP))) == README
    assert leaderboard_markdown(table()).strip() == page.strip()


def test_the_findings_have_the_figures_of_the_last_evaluation() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/findings.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_counts_models_training_runs_and_hours() -> None:
    rows = table()
    trained = rows[rows["kind"] != "committee"]
    minutes = round((trained["training_seconds"] * trained["seeds"]).sum() / 60)
    assert f"{len(trained)} models, {trained['seeds'].sum()} training runs" in README
    assert f"{minutes // 60} h {minutes % 60} min" in README
    assert f"most accurate of {len(rows)}" in README


def test_the_table_has_the_committed_metrics() -> None:
    rows = table().set_index("name")
    params = load_params(ROOT / "params.yaml")
    names = [*params.models, *params.committees]
    assert set(rows.index) == set(names)
    assert not rows["generated"].any()
    for name in names:
        metrics = json.loads((ROOT / "runs" / "metrics" / f"{name}.json").read_text())
        assert metrics["test_accuracy"] == pytest.approx(rows["test_accuracy"][name], abs=1e-12)


def test_the_figures_of_report_a_are_reproduced() -> None:
    """Its networks and their committee are reproduced; the frozen encoder is better than published."""
    verdicts = pd.read_csv(ROOT / "reports" / "reproduction.csv").set_index("name")
    of_a = verdicts[verdicts["report"] == "A"]["verdict"].to_dict()
    assert of_a.pop("frozen_encoder") == "better"
    assert set(of_a.values()) == {"reproduced"}


def test_the_reference_lists_every_command() -> None:
    from typer.main import get_command

    from lineup.cli.app import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`lineup ([a-z]+)", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")))
    assert named == known
