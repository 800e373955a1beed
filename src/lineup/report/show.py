"""What the command line prints of records and registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineup.errors import LineupError
from lineup.files import replacing_file
from lineup.paths import Project

if TYPE_CHECKING:
    from rich.console import JustifyMethod


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

    rows = [
        (
            entry.name,
            entry.family,
            entry.report,
            f"{entry.parameters:,}",
            f"{entry.published_accuracy:.4f}" if entry.published_accuracy else "-",
            entry.summary,
        )
        for entry in list_architectures(family)
    ]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, *cells in zip(("name", "family", "report", "parameters", "published", "what"), *rows, strict=True):
        # The last column alone gives way in a narrow terminal.
        width = None if name == "what" else max(map(len, [name, *cells]))
        justify: JustifyMethod = "right" if name in ("parameters", "published") else "left"
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=width, justify=justify)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
