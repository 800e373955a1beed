"""Define the commands that publish records in MLflow and start the MLflow UI.

Examples
--------
>>> from lineup.cli.app import COMMANDS
>>> publish in COMMANDS["Stages of the pipeline"], ui in COMMANDS["Results"]
(True, True)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import champion_json, describe_compact, open_project, other_folders, record_folders
from lineup.errors import LineupError

if TYPE_CHECKING:
    from lineup.params import Params
    from lineup.paths import Project


def publish() -> None:
    """Log all records in MLflow, including experiments and imported records. Missing runs are created or completed."""
    from lineup.tracking.stamp import is_published, summary, write_mark

    project, params = open_project()
    folders, missing = record_folders(project, params)
    for name in missing:
        print(f"{name}: no record yet")
    folders += other_folders(project)
    if text := describe_compact(project, folders):
        print(text)
    if is_published(project.root, folders, champion_json(project)):
        print(summary(project.root, unchanged=len(folders)))
    else:
        from lineup.cli.run_names import run_name
        from lineup.committee.champion import read_champion
        from lineup.records.compact import open_record
        from lineup.tracking.publish import publish as publish_records

        champion = read_champion(project.champion) if project.champion.is_file() else None
        records, name_of = map(open_record, folders), partial(run_name, params)
        publish_records(project.root, records, champion=champion, log=print, name_of=name_of)
    write_mark(project.root)


def forget_publishing(project: Project, params: Params) -> None:
    """Delete the output of the stage ``publish`` if the MLflow store was changed or deleted."""
    from lineup.tracking.stamp import MARK, is_published

    mark = project.root / MARK
    if not mark.exists():
        return
    folders, _ = record_folders(project, params)
    try:
        published = is_published(project.root, folders + other_folders(project), champion_json(project))
    except LineupError:  # the stage reports it
        published = False
    if not published:
        mark.unlink(missing_ok=True)


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000) -> None:
    """Start the MLflow UI for this project on 127.0.0.1.

    A fresh clone has no full records. In this case, the command publishes the compact records in the background.
    """
    from lineup.tracking.ui import serve_ui

    project, params = open_project()
    folders, _ = record_folders(project, params)
    # A clone has committed results, but no runs in MLflow yet.
    serve_ui(project.root, params.data.name, port, publish=describe_compact(project, folders) is not None)
