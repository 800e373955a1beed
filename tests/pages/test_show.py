"""The leaderboard in the README."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.pages.evaluate import PAGE
from lineup.pages.show import write_readme
from lineup.paths import Project

MARKERS = "before\n<!-- leaderboard:begin -->\nold\n<!-- leaderboard:end -->\nafter\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout with a README and a page of the leaderboard."""
    (tmp_path / "README.md").write_text(MARKERS)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / PAGE).write_text("new\n")
    return Project(tmp_path)


def test_the_page_is_put_between_the_markers(project: Project) -> None:
    write_readme(project)
    assert (project.root / "README.md").read_text() == MARKERS.replace("old", "\nnew\n")


def test_a_missing_page_is_named(project: Project) -> None:
    (project.reports / PAGE).unlink()
    with pytest.raises(LineupError, match=r"leaderboard\.md: no such page yet; run dvc repro"):
        write_readme(project)
    assert (project.root / "README.md").read_text() == MARKERS


def test_a_readme_without_markers_is_named(project: Project) -> None:
    (project.root / "README.md").write_text("no markers")
    with pytest.raises(LineupError, match=r"README\.md: expected the line '<!-- leaderboard:begin -->' once"):
        write_readme(project)
    assert (project.root / "README.md").read_text() == "no markers"
