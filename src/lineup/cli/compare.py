"""Define the command that compares two records or several groups of training runs.

Examples
--------
>>> from contextlib import chdir
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     compare(["basic_cnn", "shallow_nn"])
Traceback (most recent call last):
    ...
lineup.errors.LineupError: no record yet for basic_cnn; run dvc repro
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import experiment_folders, open_project, record_folders
from lineup.cli.named_records import check_same_data, label_of, named_record
from lineup.errors import LineupError, count

if TYPE_CHECKING:
    from rich.console import Console

    from lineup.pages.group_tables import TextTable

_NAMES = (
    "Two models or committees in params.yaml, runs (NAME_seed2), folders in experiments/ or imported records"
    " (NAME@HOST). With --by: the models to compare. Default: all."
)
_BY = (
    "Compare groups of training runs by device, host, commit, libraries, the version of one library (keras) or a"
    " setting (batch_size)."
)


def compare(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help=_NAMES)] = None,
    by: Annotated[str | None, typer.Option(metavar="KEY", help=_BY)] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the page of --by. Default: experiments/compare-KEY."),
    ] = None,
) -> None:
    """Compare the settings, metrics and predictions of two models. Alternatively, compare the training runs on several
    machines.

    Without --by, the command compares two records. If a model or committee has several runs, its first run is compared.
    reports/pairs.csv compares the means over all seeds.

    With --by, the command compares the accuracy, time and memory of groups of training runs, such as runs on a CPU and
    on a GPU. The command reads all records of the project, including imported records and experiments outside the
    pipeline.
    """
    if by is not None:
        _compare_groups(by, names or [], output)
        return
    if output is not None:
        raise LineupError("compare: --output needs --by")
    if len(names or []) != 2:
        raise LineupError("compare: expected two names, or --by")
    _compare_two(*(names or []))


def _compare_two(first: str, second: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lineup.pages.markdown import data_line
    from lineup.pages.two_models import paired_test, two_models

    project, params = open_project()
    one, other = named_record(project, params, first), named_record(project, params, second)
    labels = (label_of(one), label_of(other))
    if labels[0] == labels[1]:
        raise LineupError(f"{labels[0]}: named twice; expected two different models")
    check_same_data([one, other])
    data, console = one.header.data, Console()
    console.print(Text(data_line(data.title, data.test_images, generated=data.generated)), soft_wrap=True)
    for title, rows in two_models(one, other).items():
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for heading in (title, *labels):
            table.add_column(Text(heading), justify="left" if heading == title else "right", overflow="fold")
        for row in rows or [("none", "", "")]:
            table.add_row(*map(Text, row))
        console.print(table)
    console.print(Text(paired_test(one, other, labels)), soft_wrap=True)
    print(f"Figures: lineup plot curves {first} {second}; lineup plot confusion {first} {second}")


def _compare_groups(key: str, names: Sequence[str], output: Path | None) -> None:
    """Compare groups of training runs, print the tables and write the page."""
    from rich.console import Console
    from rich.text import Text

    from lineup.pages import group_tables
    from lineup.pages.group_comparison import compare_by
    from lineup.pages.group_page import PAGE, write_comparison
    from lineup.pages.markdown import data_line
    from lineup.records.compact import open_record
    from lineup.records.imported import imported_records

    project, params = open_project()
    own = [*record_folders(project, params)[0], *experiment_folders(project)]
    comparison = compare_by([*map(open_record, own), *imported_records(project)], key, names)
    folder = output or project.experiments / f"compare-{key}"
    write_comparison(comparison, folder)
    data, console = comparison.first.header.data, Console()
    console.print(Text(data_line(data.title, data.test_images, generated=data.generated)), soft_wrap=True)
    short = dict(zip(comparison.matched.groups, ascii_uppercase, strict=False))
    for group, letter in short.items():
        console.print(Text(f"{letter}: {group}, {count(comparison.records[group], 'training run')}"))
    for table in (group_tables.accuracy_table, group_tables.difference_table, group_tables.cost_table):
        _print_table(console, table(comparison, short))
    console.print(Text(f"{group_tables.noise_line(comparison)} {group_tables.other_differences(comparison)}"))
    print(f"{folder / PAGE}: the tables with explanations; the folder also contains CSV files and a figure")


def _print_table(console: Console, table: TextTable) -> None:
    """Print a table. In a narrow terminal, only model names are wrapped."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    printed = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in table.headings:
        folds = heading in ("model", "same seeds")
        printed.add_column(
            Text(heading),
            justify="left" if heading in table.left else "right",
            overflow="fold",
            no_wrap=not folds,
        )
    for row in table.rows:
        printed.add_row(*map(Text, row))
    console.print(printed)
