"""What the command line prints of records and registry."""

from __future__ import annotations

from lineup.errors import LineupError
from lineup.files import replacing_file
from lineup.paths import Project


def show_leaderboard(project: Project) -> None:
    """Print the leaderboard that ``lineup evaluate`` wrote last.

    Raises
    ------
    LineupError
        If there is none yet.
    """
    from rich.console import Console

    from lineup.report.evaluate import CSV
    from lineup.report.leaderboard import print_leaderboard, read_leaderboard

    path = project.reports / CSV
    if not path.is_file():
        raise LineupError(f"{path}: no leaderboard yet; run dvc repro, or make demo for generated data")
    print_leaderboard(read_leaderboard(path), Console())


def write_readme(project: Project) -> None:
    """Put the leaderboard between its two markers in ``README.md``."""
    from lineup.report.evaluate import PAGE
    from lineup.report.leaderboard import replace_block

    readme = project.root / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = (project.reports / PAGE).read_text(encoding="utf-8")
    with replacing_file(readme) as partial:
        partial.write_text(replace_block(text, "leaderboard", block), encoding="utf-8")


def show_architectures(family: str | None) -> None:
    """Print the registry as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from lineup.models.registry import list_architectures

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "family", "report"):
        table.add_column(column, no_wrap=True)
    table.add_column("parameters", justify="right")
    table.add_column("published", justify="right")
    table.add_column("what", no_wrap=True, overflow="ellipsis")
    for entry in list_architectures(family):
        published = f"{entry.published_accuracy:.4f}" if entry.published_accuracy else "-"
        table.add_row(entry.name, entry.family, entry.report, f"{entry.parameters:,}", published, entry.summary)
    Console().print(table)
