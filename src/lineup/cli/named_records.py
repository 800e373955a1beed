"""Find a record by the name of its model, committee, run or experiment.

Examples
--------
>>> from contextlib import chdir
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from lineup.cli.common import open_project
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     named_record(*open_project(), "basic_cnm")  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
lineup.errors.LineupError: unknown model 'basic_cnm'; did you mean 'basic_cnn'? Expected one of ...
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.errors import LineupError, expected_one_of, shortened
from lineup.paths import seed_folder

if TYPE_CHECKING:
    from lineup.params import Params
    from lineup.paths import Project
    from lineup.records.record import Record

_PLACE = "params.yaml and the folder experiments"


def named_record(project: Project, params: Params, name: str) -> Record:
    """Return the record with a name.

    Parameters
    ----------
    project : Project
    params : Params
        Settings of the project.
    name : str
        A model or committee, such as ``basic_cnn``; one of its runs, such as ``basic_cnn_seed2``; or the folder of an
        experiment, such as ``basic_cnn-1a2b3c4d``; or an imported record, such as ``basic_cnn@gpu-server``, see
        `lineup.records.imported.find_imported`. For a model or committee, the record of its first run is returned.

    Raises
    ------
    LineupError
        If the name is unknown, or if there is no record yet.
    """
    return records_named(project, params, name)[0]


def records_named(project: Project, params: Params, name: str) -> list[Record]:
    """Return all records with the given name. A model or committee has one record per run.

    The accepted names and the errors are described in `named_record`.
    """
    from lineup.records.compact import find_folder, open_record
    from lineup.records.imported import find_imported
    from lineup.records.record import read_record

    experiments = _experiments(project)
    if name in experiments:
        return [read_record(project.experiments / name)]
    if "@" in name:
        return find_imported(project, name)
    group, seed = _group_and_seed(name, [*params.models, *params.committees], experiments)
    seeds, folder = _runs(project, params, group)
    if seed is not None and seed not in seeds:
        raise LineupError(f"{group} has no seed {seed}; expected {_listed(seeds)}")
    places = (find_folder(project, folder, number) for number in (seeds if seed is None else [seed]))
    found = [open_record(place) for place in places if place is not None]
    if not found:
        raise LineupError(f"no record yet for {name}; run dvc repro")
    return found


def existing_records(project: Project, params: Params) -> list[Record]:
    """Return the first record of each model and committee. Models and committees without records are left out.

    Raises
    ------
    LineupError
        If there are no records yet.
    """
    from lineup.cli.common import record_folders
    from lineup.records.compact import open_record

    folders, _ = record_folders(project, params)
    first = {folder.parent.name: folder for folder in reversed(folders)}
    if not first:
        raise LineupError("no records yet; run dvc repro")
    return [open_record(folder) for folder in reversed(first.values())]


def member_records(project: Project, committee: Record) -> list[Record]:
    """Return the records of the members of a committee. For a single model, the list is empty.

    Raises
    ------
    LineupError
        If a record is missing, or a member was trained again after the committee was made.
    """
    from lineup.records.compact import find_folder, open_record, predictions_sha256

    members = []
    for member in committee.header.members:
        group = project.models / member.name
        folder = find_folder(project, group, member.seed)
        if folder is None:
            raise LineupError(
                f"{seed_folder(group, member.seed)}: no record of {member.label},"
                f" a member of {label_of(committee)}; run dvc repro"
            )
        record = open_record(folder)
        if predictions_sha256(record) != member.predictions_sha256:
            raise LineupError(f"{member.label} was trained again after {label_of(committee)} was made; run dvc repro")
        members.append(record)
    return members


def label_of(record: Record) -> str:
    """Return the name that figures and tables use for a record."""
    from lineup.records.imported import imported_name, is_imported

    header = record.header
    if is_imported(record):
        return imported_name(record)
    return header.label if header.experiment is None else f"{header.name}-{header.experiment}"


def check_same_data(records: Sequence[Record]) -> None:
    """Raise an error if two records were made from different data or splits."""
    first = records[0]
    for record in records[1:]:
        if record.header.data.fingerprint != first.header.data.fingerprint:
            raise LineupError(
                f"{label_of(first)} and {label_of(record)} were made from different data or splits;"
                " run dvc repro to make both again"
            )


def _experiments(project: Project) -> list[str]:
    """Return the names of the folders of all experiments outside the pipeline."""
    from lineup.records.record import HEADER

    return sorted(path.parent.name for path in project.experiments.glob(f"*/{HEADER}"))


def _group_and_seed(name: str, known: Sequence[str], experiments: Sequence[str]) -> tuple[str, int | None]:
    """Split the name of a run into the name of a model or committee and a seed. If the name contains no seed, the
    second value is None.
    """
    if name in known:
        return name, None
    match = re.fullmatch(r"(.+)_seed(\d{1,9})", name)
    if match and match[1] in known:
        return match[1], int(match[2])
    raise LineupError(
        f"unknown model {shortened(repr(name), 80)}; {expected_one_of(name, [*known, *experiments], _PLACE)}"
    )


def _runs(project: Project, params: Params, group: str) -> tuple[list[int], Path]:
    """Return the seeds of a model or committee, and the folder that contains its records."""
    if group in params.models:
        return list(params.models[group].seeds), project.models / group
    return list(range(1, params.committees[group].seeds + 1)), project.committees / group


def _listed(seeds: Sequence[int]) -> str:
    return f"{'one of ' if len(seeds) > 1 else ''}{', '.join(map(str, seeds))}"
