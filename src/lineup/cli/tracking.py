"""Commands that publish records in MLflow and start the MLflow UI.

Examples
--------
>>> from lineup.cli.app import COMMANDS
>>> publish in COMMANDS["Stages of the pipeline"], ui in COMMANDS["Results"]
(True, True)
"""

from __future__ import annotations

from typing import Annotated

import typer

from lineup.cli.common import open_project, record_folders


def publish() -> None:
    """Log all records in MLflow. Missing runs are created, and incomplete runs are completed."""
    from lineup.records.record import HEADER, read_record
    from lineup.schema import read_json
    from lineup.tracking.stamp import is_published, summary

    project, params = open_project()
    folders, missing = record_folders(project, params)
    for name in missing:
        print(f"{name}: no record yet")
    folders += sorted(path.parent for path in project.experiments.glob(f"*/{HEADER}"))
    has_champion = project.champion.is_file()
    if is_published(project.root, folders, read_json(project.champion) if has_champion else None):
        print(summary(project.root, unchanged=len(folders)))
        return
    from lineup.committee.champion import read_champion
    from lineup.tracking.publish import publish as publish_records

    champion = read_champion(project.champion) if has_champion else None
    publish_records(project.root, map(read_record, folders), champion=champion, log=print)


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000) -> None:
    """Start the MLflow UI for this project on 127.0.0.1."""
    from lineup.tracking.ui import serve_ui

    project, params = open_project()
    serve_ui(project.root, params.data.name, port)
