"""Define the commands that list, export and import records.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     import_(Path("new.zip"))
Traceback (most recent call last):
    ...
lineup.errors.LineupError: new.zip: no such file
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import all_records, experiment_folders, open_project, record_folders
from lineup.cli.named_records import check_same_data, label_of, member_records, records_named
from lineup.errors import LineupError, count

if TYPE_CHECKING:
    from lineup.params import Params
    from lineup.paths import Project
    from lineup.records.header import DataIdentity
    from lineup.records.record import Record

_NAMES = (
    "Models or committees in params.yaml with all their runs, single runs (NAME_seed2), folders in experiments/,"
    " or imported records (NAME@HOST)."
)


def export(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help=_NAMES)] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Export the records to this file.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML report of these records.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Export all records of the pipeline.")] = False,
    models: Annotated[bool, typer.Option(help="Whether to include the trained models.")] = True,
    members: Annotated[bool, typer.Option("--members", help="Also export the members of the committees.")] = False,
) -> None:
    """Export records to a file for `lineup import`, or to an HTML report."""
    if to is None and html is None:
        raise LineupError("export: expected --to FILE, --html FILE or both")
    if bool(names) == everything:
        raise LineupError("export: expected the names of records, or --all")
    project, params = open_project()
    records = _chosen(project, params, names or [], members=members)
    if to is not None:
        from lineup.records.archive import write_archive
        from lineup.records.compact import require_full

        for record in records:
            require_full(record)
        write_archive(records, to, models=models)
        print(f"{to}: {count(records, 'record')}, {to.stat().st_size / 1e6:.1f} MB")
    if html is not None:
        _write_html(project, records, html)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that was written by `lineup export`.")],
) -> None:
    """Import the records of a file that was exported on another machine.

    All records are checked first, and then written to runs/imported. The leaderboard does not contain them. `lineup
    list --imported` prints them, and `lineup publish` logs them in MLflow.
    """
    from lineup.records.importing import import_archive

    project, _ = open_project()
    done = import_archive(file, project)
    for one in done:
        print(f"{label_of(one.record)}: {one.state}, in {one.record.folder.relative_to(project.root)}")
    states = [one.state for one in done]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("new", "completed", "unchanged"))
    print(f"{file}: {count(done, 'record')}, {counts}")


def list_(imported: Annotated[bool, typer.Option("--imported", help="List only imported records.")] = False) -> None:
    """List all records with their test accuracy, device and host."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lineup.pages.markdown import data_line
    from lineup.records.compact import open_record
    from lineup.records.imported import imported_records

    project, params = open_project()
    folders = [] if imported else [*record_folders(project, params)[0], *experiment_folders(project)]
    records = [*map(open_record, folders), *imported_records(project)]
    if not records:
        raise LineupError(f"no {'imported ' if imported else ''}records yet")
    console, table = Console(), Table(box=SIMPLE_HEAD, pad_edge=False)
    lines = {data_line(data.title, data.test_images, generated=data.generated): None for data in map(_data, records)}
    console.print(Text("\n".join(lines)), soft_wrap=True)
    for name in ("name", "accuracy", "training, s", "device", "host"):
        numbers = name in ("accuracy", "training, s")
        table.add_column(name, justify="right" if numbers else "left", no_wrap=name != "host")
    for record in records:
        accuracy, seconds = f"{record.metrics['test_accuracy']:.4f}", f"{record.runtime.training_seconds:,.1f}"
        cells = (label_of(record), accuracy, seconds, record.header.device.name, record.runtime.machine.host)
        table.add_row(*map(Text, cells))
    console.print(table)


def _data(record: Record) -> DataIdentity:
    return record.header.data


def _chosen(project: Project, params: Params, names: Sequence[str], *, members: bool) -> list[Record]:
    """Return the records with the given names, without duplicates. If members are included, they come before their
    committee.
    """
    found = [record for name in names for record in records_named(project, params, name)]
    chosen: dict[Path, Record] = {}
    for record in found if names else all_records(project, params):
        for one in (*(member_records(project, record) if members else ()), record):
            chosen.setdefault(one.folder, one)
    return list(chosen.values())


def _write_html(project: Project, records: Sequence[Record], path: Path) -> None:
    """Write a report. The report contains images if the project contains the dataset of the records."""
    from lineup.data.dataset import load_dataset
    from lineup.pages.report import write_report

    check_same_data(records)
    dataset = load_dataset(project.dataset) if project.dataset.is_file() else None
    if dataset and dataset.fingerprint != records[0].header.data.fingerprint:
        dataset = None
    write_report(with_unique_labels(records), path, dataset, originals=records)
    print(f"{path}: {count(records, 'record')}, {path.stat().st_size / 1e6:.1f} MB, open it in a browser")


def with_unique_labels(records: Sequence[Record]) -> list[Record]:
    """Give new names to experiments and imported records, so that reports can distinguish them from pipeline runs.

    The new name of an experiment is the name of its folder. The host name is appended to the name of an imported
    record.

    Raises
    ------
    LineupError
        If two records still have the same name and seed.
    """
    renamed = [
        dataclasses.replace(record, header=dataclasses.replace(record.header, name=_own_name(record)))
        for record in records
    ]
    labels = [record.header.label for record in renamed]
    for label in labels:
        if labels.count(label) > 1:
            raise LineupError(f"{label}: two of these records have this name; export one of them at a time")
    return renamed


def _own_name(record: Record) -> str:
    from lineup.records.imported import is_imported

    header = record.header
    if is_imported(record):
        host = re.sub(r"[^A-Za-z0-9_-]", "-", record.runtime.machine.host)
        return f"{header.name[:40]}-{host[:23]}"
    return header.name if header.experiment is None else f"{header.name[:40]}-{header.experiment[:23]}"
