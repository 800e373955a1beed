"""Print the leaderboard or the registered architectures, or update the leaderboard in the README.

Examples
--------
>>> from pathlib import Path
>>> write_readme(Project(Path("new")))
Traceback (most recent call last):
lineup.errors.LineupError: new/reports/leaderboard.csv: no leaderboard yet; run dvc repro
"""

from __future__ import annotations

from lineup.errors import LineupError
from lineup.files import read_text, replacing_file
from lineup.paths import Project

WIDE = 180
"""Smallest terminal width, in columns, at which the table includes the description."""
TOP = 10
"""Number of models of the leaderboard in the README."""


def show_leaderboard(project: Project) -> None:
    """Print the leaderboard of the last evaluation.

    Raises
    ------
    LineupError
        If there is no leaderboard yet, or its file cannot be read.
    """
    from rich.console import Console

    from lineup.pages.evaluate import CSV
    from lineup.pages.leaderboard import print_leaderboard, read_leaderboard

    path = project.reports / CSV
    if not path.exists():
        raise LineupError(f"{path}: no leaderboard yet; run dvc repro, or make demo for generated data")
    print_leaderboard(read_leaderboard(path), Console())


def write_readme(project: Project) -> None:
    """Write the first rows of the leaderboard between the two markers in ``README.md``.

    Raises
    ------
    LineupError
        If there is no leaderboard yet, if its file cannot be read, or if the README does not have each marker once.
    """
    from lineup.pages.evaluate import CSV
    from lineup.pages.leaderboard import leaderboard_markdown, read_leaderboard, replace_block

    path, readme = project.reports / CSV, project.root / "README.md"
    if not path.exists():
        raise LineupError(f"{path}: no leaderboard yet; run dvc repro")
    block, text = leaderboard_markdown(read_leaderboard(path).head(TOP)), read_text(readme)
    try:
        text = replace_block(text, "leaderboard", block)
    except LineupError as error:
        raise LineupError(f"{readme}: {error}") from error
    with replacing_file(readme) as partial:
        partial.write_text(text, encoding="utf-8")


def show_architectures(family: str | None) -> None:
    """Print a table of the registered architectures. In a wide terminal, the table contains descriptions."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from lineup.models.registry import list_architectures

    console = Console()
    wide = console.width >= WIDE
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("name", "family", "report", "parameters", *(["what"] if wide else [])):
        table.add_column(name, justify="right" if name == "parameters" else "left", no_wrap=True)
    for architecture in list_architectures(family):
        parameters = f"{architecture.parameters:,}" if architecture.parameters else "-"
        cells = [architecture.name, architecture.family, architecture.report, parameters]
        table.add_row(*cells, *([architecture.summary] if wide else []))
    console.print(table)
