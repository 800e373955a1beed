"""What several commands share: the project, its records, and where a new record goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.errors import LineupError
from lineup.paths import Project, find_project

if TYPE_CHECKING:
    from lineup.params import Params
    from lineup.records.record import Record

RecordFolder = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FOLDER",
        help="Folder of the record. Default: a new folder in experiments/, and a run in MLflow.",
    ),
]


def open_project() -> tuple[Project, Params]:
    """Return the project around the working directory and its checked parameters."""
    from lineup.params import load_params

    project = find_project()
    return project, load_params(project.params)


def from_stage(group: str, name: str, folder: Path, record: Path | None) -> tuple[str, Path | None]:
    """Return the name and the record folder of a model or committee, given its name or the name of its stage.

    DVC puts the path of ``dvc.yaml`` before the stage when it is called from a subfolder:
    ``../dvc.yaml:train@basic_cnn``.

    Parameters
    ----------
    group : {"train", "committee"}
        The part of a stage's name before the ``@``.
    name : str
        Name of a model, a committee or a stage.
    folder : Path
        Folder of all records of this group.
    record : Path or None
        The folder given by ``--record``.
    """
    before, at, after = name.rpartition(":")[2].partition("@")
    if at and before == group:
        return after, record or folder / after
    return name, record


def place(project: Project, name: str, record: Path | None) -> tuple[Path, str | None]:
    """Return the folder of a new record, and the name of its single experiment (None for a stage of the pipeline)."""
    import uuid

    if record is not None:
        from lineup.records.place import check_place

        check_place(record, name, project)
        return record, None
    experiment = uuid.uuid4().hex[:8]
    return project.experiments / f"{name}-{experiment}", experiment


def finish(project: Project, record: Record) -> None:
    """Print the result of a new record. Publish it at once if it is a single experiment."""
    header, metrics = record.header, record.metrics
    data = f"{header.data.name} (generated data)" if header.data.generated else header.data.name
    print(
        f"{header.name}: test accuracy {metrics['test_accuracy']:.4f}, validation {metrics['val_accuracy']:.4f}"
        f" on {data}, record in {record.folder}"
    )
    if header.experiment is None:
        return
    from lineup.records.record import read_record
    from lineup.tracking.publish import publish

    members = [read_record(project.models / member.name) for member in header.members]
    publish(project.root, [*members, record], tell=print, run_id=os.environ.get("MLFLOW_RUN_ID"))


def all_records(project: Project, params: Params) -> list[Record]:
    """Return the records of the pipeline. A `LineupError` names up to three that are missing."""
    records, missing = existing_records(project, params)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise LineupError(f"no record yet of {', '.join(missing[:3])}{more}; run dvc repro")
    return records


def existing_records(project: Project, params: Params) -> tuple[list[Record], list[str]]:
    """Return the records of the pipeline, models before committees, and the names of those that are missing."""
    from lineup.records.record import HEADER, read_record

    folders = [project.models / name for name in params.models]
    folders += [project.committees / name for name in params.committees]
    found = [folder for folder in folders if (folder / HEADER).exists()]
    return [read_record(folder) for folder in found], [folder.name for folder in folders if folder not in found]
