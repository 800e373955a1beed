"""Define the commands that write pages, tables and figures of the results.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     evaluate()
Traceback (most recent call last):
    ...
lineup.errors.LineupError: no record yet for random_forest, shallow_nn, basic_cnn and 3 more; run dvc repro
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import all_records, champion_of, describe_compact, open_project
from lineup.cli.libraries import import_keras
from lineup.errors import count
from lineup.paths import Project, find_project

if TYPE_CHECKING:
    from lineup.records.record import Record


def evaluate(
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the pages. Default: experiments/evaluate.")
    ] = None,
) -> None:
    """Compare all models and committees, and write pages, tables and figures."""
    from lineup.pages.evaluate import evaluate as write_pages

    project, params = open_project()
    folder = output or project.experiments / "evaluate"
    records = all_records(project, params)
    write_pages(records, folder)
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        from lineup.tracking.publish import publish_folder

        publish_folder(project.root, params.data.name, run_id, folder)
    print(f"{folder}: leaderboard.md and evidence.md, with their tables and figures")
    _print_left_out(project, records)


def reproduce(
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the page. Default: experiments/reproduce.")
    ] = None,
) -> None:
    """Compare our results with the published results, and write a page and a table."""
    from lineup.pages.reproduce import MEASUREMENTS
    from lineup.pages.reproduce import reproduce as write_page

    project, params = open_project()
    folder = output or project.experiments / "reproduce"
    write_page(all_records(project, params), project.root / MEASUREMENTS, folder)
    print(f"{folder}: reproduction.md and reproduction.csv")


def report(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The HTML file. Default: experiments/report/index.html.")
    ] = None,
) -> None:
    """Write all results to a single HTML file that works without an internet connection."""
    from lineup.data.dataset import load_dataset
    from lineup.data.duplicates import DUPLICATES, read_duplicates
    from lineup.pages.report import write_report

    project, params = open_project()
    path = output or project.experiments / "report" / "index.html"
    records = all_records(project, params)
    dataset = load_dataset(project.dataset) if project.dataset.is_file() else None
    copies = project.dataset.parent / DUPLICATES
    duplicates = read_duplicates(copies) if dataset and copies.is_file() else None
    write_report(records, path, dataset, champion_of(project, params, records), duplicates=duplicates)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, open it in a browser")
    _print_left_out(project, records)


def compact() -> None:
    """Write compact records to runs/compact. With these records, a clone shows the results without training."""
    from lineup.records.compact import write_compact_records

    project, params = open_project()
    records = all_records(project, params, full=True)
    write_compact_records(records, project.compact)
    size = sum(path.stat().st_size for path in project.compact.rglob("*") if path.is_file())
    print(f"{project.compact}: {count(len(records), 'compact record')}, {size / 1e6:.1f} MB")


def explain(
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the figures. Default: experiments/explain.")
    ] = None,
) -> None:
    """Plot misclassified images, Grad-CAM heat maps, filters and feature maps of all models and committees."""
    from lineup.data.dataset import load_dataset
    from lineup.explain.stage import write_explanations
    from lineup.records.compact import find_folder, open_record, require_full

    project, params = open_project()
    folder = output or project.experiments / "explain"
    firsts = [(project.models / name, recipe.seeds[0]) for name, recipe in params.models.items()]
    firsts += [(project.committees / name, 1) for name in params.committees]
    records = [open_record(place) for first in firsts if (place := find_folder(project, *first))]
    for record in records:
        require_full(record)
    dataset = load_dataset(project.dataset)
    if any(record.header.kind == "network" for record in records):
        import_keras()
    written = write_explanations(records, dataset, project.models, folder)
    print(f"{folder}: figures of {count(written, 'run')}")


def leaderboard(
    readme: Annotated[bool, typer.Option("--readme", help="Also write the table into README.md.")] = False,
) -> None:
    """Print the leaderboard of the last evaluation."""
    from lineup.pages.show import show_leaderboard, write_readme

    project = find_project()
    show_leaderboard(project)
    if readme:
        write_readme(project)


def _print_left_out(project: Project, records: Sequence[Record]) -> None:
    """Tell the user which results a page cannot show because of compact records."""
    if text := describe_compact(project, [record.folder for record in records]):
        print(text)
