"""What the command line prints of records and registry."""

from __future__ import annotations

from lineup.errors import LineupError
from lineup.files import replacing_file
from lineup.paths import Project

WIDE = 180
"""Columns of a terminal that has room for a sentence beside a table."""


def show_leaderboard(project: Project) -> None:
    """Print the leaderboard that ``lineup evaluate`` wrote last.

    Raises
    ------
    LineupError
        If there is none yet.
    """
    from rich.console import Console

    from lineup.pages.evaluate import CSV
    from lineup.pages.leaderboard import print_leaderboard, read_leaderboard

    path = project.reports / CSV
    if not path.is_file():
        raise LineupError(f"{path}: no leaderboard yet; run dvc repro, or make demo for generated data")
    print_leaderboard(read_leaderboard(path), Console())


def write_readme(project: Project) -> None:
    """Put the leaderboard between its two markers in ``README.md``.

    Raises
    ------
    LineupError
        If there is no page of the leaderboard yet, or the README has not each marker once.
    """
    from lineup.pages.evaluate import PAGE
    from lineup.pages.leaderboard import replace_block

    page, readme = project.reports / PAGE, project.root / "README.md"
    if not page.is_file():
        raise LineupError(f"{page}: no such page yet; run dvc repro")
    block, text = page.read_text(encoding="utf-8"), readme.read_text(encoding="utf-8")
    try:
        text = replace_block(text, "leaderboard", block)
    except LineupError as error:
        raise LineupError(f"{readme}: {error}") from error
    with replacing_file(readme) as partial:
        partial.write_text(text, encoding="utf-8")


def show_architectures(family: str | None) -> None:
    """Print the registry as a table; what each architecture is, in a terminal wide enough for it."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from lineup.models.registry import list_architectures

    console = Console()
    wide = console.width >= WIDE
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("name", "family", "report", "parameters", *(["what"] if wide else [])):
        table.add_column(name, justify="right" if name == "parameters" else "left", no_wrap=True)
    for entry in list_architectures(family):
        parameters = f"{entry.parameters:,}" if entry.parameters else "-"
        cells = [entry.name, entry.family, entry.report, parameters]
        table.add_row(*cells, *([entry.summary] if wide else []))
    console.print(table)
