"""Define the command that compares two models, committees or single experiments in the terminal.

Examples
--------
>>> from contextlib import chdir
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     compare("basic_cnn", "shallow_nn")
Traceback (most recent call last):
    ...
lineup.errors.LineupError: no record yet for basic_cnn; run dvc repro
"""

from __future__ import annotations

from typing import Annotated

import typer

from lineup.cli.common import open_project
from lineup.cli.named_records import check_same_data, label_of, named_record
from lineup.errors import LineupError

_NAME = "a model or committee in params.yaml, one of its runs (NAME_seed2), or a folder in experiments/"
First = Annotated[str, typer.Argument(metavar="FIRST", help=f"Name of {_NAME}.")]
Second = Annotated[str, typer.Argument(metavar="SECOND", help="The name to compare it with.")]


def compare(first: First, second: Second) -> None:
    """Compare the settings, the metrics and the predictions of two models, committees or experiments.

    If a model or committee has several runs, its first run is compared. reports/pairs.csv compares the means over all
    seeds.
    """
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
