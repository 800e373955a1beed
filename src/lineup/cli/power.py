"""Define the command that estimates how many seeds are needed.

Examples
--------
>>> power("basic_cnn", "shallow_nn", difference=0.0)
Traceback (most recent call last):
    ...
lineup.errors.LineupError: --difference 0.0: expected more than 0 and at most 1
"""

from __future__ import annotations

from typing import Annotated

import typer

from lineup.cli.common import open_project, record_folders
from lineup.cli.named_records import check_same_data, records_named
from lineup.errors import LineupError, count

_NAME = "A model or committee in params.yaml."


def power(
    first: Annotated[str, typer.Argument(metavar="A", help=_NAME)],
    second: Annotated[str, typer.Argument(metavar="B", help=_NAME)],
    difference: Annotated[float, typer.Option(help="Difference in test accuracy to detect.")] = 0.002,
) -> None:
    """Estimate how many seeds are needed to detect a difference in accuracy between two models.

    The estimate uses the existing records. For each number of seeds, the table contains the expected 95 % interval of
    the difference and the power. It also contains the time that the missing training runs will take. The power is the
    probability that the test finds the difference significant. Comparisons of more than two models need more seeds.
    """
    if not 0 < difference <= 1:
        raise LineupError(f"--difference {difference}: expected more than 0 and at most 1")
    if first == second:
        raise LineupError(f"{first}: named twice; expected two different models")
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lineup.pages.markdown import data_line
    from lineup.pages.power import HEADINGS, analyse
    from lineup.records.compact import open_record
    from lineup.records.model_runs import ModelRuns, group_runs

    project, params = open_project()
    named = [records_named(project, params, name) for name in (first, second)]
    check_same_data([*named[0], *named[1]])
    models = [ModelRuns(records[0].header.name, tuple(records)) for records in named]
    others = group_runs([open_record(folder) for folder in record_folders(project, params)[0]])
    analysis = analyse(models[0], models[1], [one for one in others if one.name not in (first, second)], difference)

    data, console = models[0].first.header.data, Console()
    console.print(Text(data_line(data.title, data.test_images, generated=data.generated)), soft_wrap=True)
    for model, deviation in zip(models, analysis.variation.deviations, strict=True):
        spread = f"standard deviation between seeds {deviation.value:.4f}" if deviation.dof else "seed noise unknown"
        seeds = count(len(model.runs), "seed")
        console.print(
            Text(f"{model.name}: mean accuracy {model.mean('test_accuracy'):.4f}, {seeds}, {spread}"), soft_wrap=True
        )
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(Text(f"{heading} for {difference:g}" if heading == "power" else heading), justify="right")
    for row in analysis.rows():
        table.add_row(*map(Text, row))
    console.print(table)
    console.print(Text(analysis.conclusion()), soft_wrap=True)
