"""The leaderboard in the README."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lineup.errors import LineupError
from lineup.pages.evaluate import CSV
from lineup.pages.show import TOP, write_readme
from lineup.paths import Project

ROOT = Path(__file__).parents[2]
MARKERS = "before\n<!-- leaderboard:begin -->\nold\n<!-- leaderboard:end -->\nafter\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a README and the leaderboard of this repository."""
    (tmp_path / "README.md").write_text(MARKERS)
    (tmp_path / "reports").mkdir()
    shutil.copy(ROOT / "reports" / CSV, tmp_path / "reports")
    return Project(tmp_path)


def test_the_first_rows_are_between_the_markers(project: Project) -> None:
    write_readme(project)
    before, block, after = re.split(r"<!-- leaderboard:\w+ -->", (project.root / "README.md").read_text())
    rows = [line for line in block.splitlines() if line.startswith("| ")][2:]
    names = pd.read_csv(project.reports / CSV)["name"]
    assert (before, after) == ("before\n", "\nafter\n")
    assert [row.split(" | ")[1] for row in rows] == list(names[:TOP])


def test_an_error_names_the_missing_leaderboard(project: Project) -> None:
    (project.reports / CSV).unlink()
    with pytest.raises(LineupError, match=r"leaderboard\.csv: no leaderboard yet; run dvc repro"):
        write_readme(project)
    assert (project.root / "README.md").read_text() == MARKERS


def test_an_error_names_the_readme_without_markers(project: Project) -> None:
    (project.root / "README.md").write_text("no markers")
    with pytest.raises(LineupError, match=r"README\.md: expected the line '<!-- leaderboard:begin -->' once"):
        write_readme(project)
    assert (project.root / "README.md").read_text() == "no markers"
