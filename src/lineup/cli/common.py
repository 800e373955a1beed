"""Provide functions that several commands share, for example to open a project and read its records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lineup.errors import LineupError, count
from lineup.paths import Project, find_project, seed_folder

if TYPE_CHECKING:
    from lineup.committee.champion import Champion
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
    """Find the project that contains the working directory, and read its parameters."""
    from lineup.params import load_params

    project = find_project()
    params = load_params(project.params)
    if stage := os.environ.get("DVC_STAGE"):
        _check_stage(stage, project, params)
    return project, params


def _check_stage(stage: str, project: Project, params: Params) -> None:
    """Raise an error if the code of a stage has changed since ``code.yaml`` was written.

    Without this check, DVC could cache a result under the wrong hash.
    """
    from lineup.code.stages import STAGES, check_code

    group, _, name = stage.rpartition(":")[2].partition("@")
    if group == "train" and name in params.models:
        recipe = params.models[name]
        check_code(f"train.{recipe.family}", project.root)
        check_code(f"models.{recipe.family}.{recipe.architecture}", project.root)
    elif group in STAGES:
        check_code(group, project.root)


def from_stage(group: str, name: str) -> tuple[str, bool]:
    """Extract the name of a model or committee from the argument of a command.

    The second result is true if the argument is the name of a stage.

    If DVC runs in a subfolder, it puts the path of ``dvc.yaml`` before the name of the stage, as in
    ``../dvc.yaml:train@basic_cnn``.

    Parameters
    ----------
    group : {"train", "committee"}
        The part of a stage's name before the ``@``.
    name : str
        Name of a model, a committee or a stage.

    Examples
    --------
    >>> from_stage("train", "train@basic_cnn"), from_stage("train", "basic_cnn")
    (('basic_cnn', True), ('basic_cnn', False))
    """
    before, at, after = name.rpartition(":")[2].partition("@")
    return (after, True) if at and before == group else (name, False)


def new_record_folder(project: Project, name: str, record: Path | None) -> tuple[Path, str | None]:
    """Choose the folder and the experiment id of a new record. The id is None if ``record`` is given."""
    import uuid

    if record is not None:
        from lineup.records.record_folder import check_record_folder

        check_record_folder(record, name, project)
        return record, None
    experiment = uuid.uuid4().hex[:8]
    return project.experiments / f"{name}-{experiment}", experiment


def finish(project: Project, params: Params, record: Record) -> None:
    """Print the accuracies of a new record.

    The record of an experiment outside the pipeline is also published in MLflow.
    """
    header, metrics = record.header, record.metrics
    data = f"{header.data.name} (generated data)" if header.data.generated else header.data.name
    print(
        f"{header.label}: test accuracy {metrics['test_accuracy']:.4f}, validation {metrics['val_accuracy']:.4f}"
        f" on {data}, record in {record.folder}"
    )
    if header.experiment is None:
        return
    from lineup.cli.run_names import run_name
    from lineup.records.record import read_record
    from lineup.tracking.publish import publish

    members = [read_record(seed_folder(project.models / member.name, member.seed)) for member in header.members]
    name_of = partial(run_name, params)
    publish(project.root, [*members, record], log=print, name_of=name_of, run_id=os.environ.get("MLFLOW_RUN_ID"))


def all_records(project: Project, params: Params, *, full: bool | None = None) -> list[Record]:
    """Return all records of the pipeline, or raise an error if a record is missing.

    The error message names up to three missing records.

    Parameters
    ----------
    project : Project
    params : Params
        Settings of the project.
    full : bool, optional
        Whether to ignore compact records. Default: only in a stage of the pipeline, whose dependencies are the full
        records.
    """
    from lineup.records.compact import open_record

    folders, missing = record_folders(project, params, full="DVC_STAGE" in os.environ if full is None else full)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise LineupError(f"no record yet for {', '.join(missing[:3])}{more}; run dvc repro")
    return [open_record(folder) for folder in folders]


def record_folders(project: Project, params: Params, *, full: bool = False) -> tuple[list[Path], list[str]]:
    """Return the folders of all pipeline records that exist, and the names of missing records.

    The folders of models come before the folders of committees.

    Parameters
    ----------
    project : Project
    params : Params
        Settings of the project.
    full : bool, optional
        Whether to ignore compact records, as in a stage of the pipeline. Default: the compact record of a run is used
        if there is no full record; see `lineup.records.compact`.
    """
    from lineup.records.compact import find_folder

    runs = [(project.models / name, seed) for name, recipe in params.models.items() for seed in recipe.seeds]
    for name, committee in params.committees.items():
        runs += [(project.committees / name, run) for run in range(1, committee.seeds + 1)]
    found, missing = [], []
    for group, seed in runs:
        folder = find_folder(project, group, seed)
        if folder is None or (full and folder.is_relative_to(project.compact)):
            missing.append(group.name)
        else:
            found.append(folder)
    return found, list(dict.fromkeys(missing))


def describe_compact(project: Project, folders: Sequence[Path]) -> str | None:
    """Describe which results are missing because some records are compact. Return None if all records are full."""
    from lineup.remedies import how_to_complete

    compact = [folder for folder in folders if folder.is_relative_to(project.compact)]
    if not compact:
        return None
    return (
        f"{count(len(compact), 'run')} from compact records, without what git does not contain: models, the"
        " probabilities of all classes, and figures that need them (calibration, ROC, cutoff, Grad-CAM);"
        f" {how_to_complete(compact[0])}"
    )


def experiment_folders(project: Project) -> list[Path]:
    """Return the folders of all experiments outside the pipeline."""
    from lineup.records.record import HEADER

    return sorted(path.parent for path in project.experiments.glob(f"*/{HEADER}"))


def other_folders(project: Project) -> list[Path]:
    """Return the folders of all imported records and of all experiments outside the pipeline."""
    from lineup.records.imported import imported_folders

    return [*experiment_folders(project), *imported_folders(project)]


def champion_of(project: Project, params: Params, records: Sequence[Record]) -> Champion | None:
    """Choose the champion, or read it from ``champion.json``.

    The file is read if a record is compact, because compact records contain no validation predictions. Return None if
    ``champion.json`` is missing, or if a compact record is newer than ``champion.json``.
    """
    from lineup.committee.champion import choose, read_champion
    from lineup.records.compact import is_compact

    if not any(map(is_compact, records)):
        return choose(records, params.champion)
    champion = read_champion(project.champion) if project.champion.is_file() else None
    return champion if champion and champion.key in [record.header.key for record in records] else None


def champion_json(project: Project) -> Any:
    """Read ``champion.json``, or return None if the file does not exist."""
    from lineup.schema import read_json

    return read_json(project.champion) if project.champion.is_file() else None
