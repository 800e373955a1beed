"""Commands that publish records in MLflow and start the MLflow UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import existing_records, open_project

if TYPE_CHECKING:
    from lineup.committee.champion import Champion
    from lineup.paths import Project


def publish() -> None:
    """Log all records in MLflow. Create missing runs and complete partial runs."""
    from lineup.records.record import HEADER, read_record
    from lineup.tracking.publish import publish as publish_records

    project, params = open_project()
    records, missing = existing_records(project, params)
    for name in missing:
        print(f"{name}: no record yet")
    singles = sorted(path.parent for path in project.experiments.glob(f"*/{HEADER}"))
    publish_records(project.root, [*records, *map(read_record, singles)], champion=_champion(project), log=print)


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000) -> None:
    """Start the MLflow UI for this project on 127.0.0.1."""
    from lineup.tracking.ui import serve_ui

    project, params = open_project()
    serve_ui(project.root, params.data.name, port)


def _champion(project: Project) -> Champion | None:
    from lineup.committee.champion import read_champion

    return read_champion(project.champion) if project.champion.is_file() else None
