"""Define the commands that build committees (ensembles) and choose the champion.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     committee("everyone")
Traceback (most recent call last):
    ...
lineup.errors.LineupError: unknown committee 'everyone'; expected one of networks, best_two
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import RecordFolder, all_records, finish, from_stage, new_record_folder, open_project
from lineup.paths import seed_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineup.committee.build import Measure
    from lineup.committee.cost import Times
    from lineup.committee.settings import Committee
    from lineup.params import Params
    from lineup.paths import Project
    from lineup.records.record import Record


def select() -> None:
    """Select the members of all committees, and write the selection to runs/selection."""
    from lineup.committee.select import select_all

    project, params = open_project()
    select_all(params.committees, params.candidates(), project.models, project.selection)


def committee(
    name: Annotated[str, typer.Argument(help="Name of a committee in params.yaml, or of its stage: committee@NAME.")],
    record: RecordFolder = None,
) -> None:
    """Combine the predictions of the members of a committee, and write a record.

    The parameters of the rule are fitted on images that no member was trained on. If the rule considers the prediction
    time, the command loads the models of all members and measures their prediction times.

    If the argument is the name of a committee, the record is written to a new folder in experiments/. If the argument
    is the name of a stage, the records are written to runs/committees.
    """
    from lineup.committee.build import build_committee
    from lineup.committee.select import select as choose_members

    project, params = open_project()
    name, is_stage = from_stage("committee", name)
    settings = params.committee(name)
    if is_stage and record is None:
        _combine_stage(project, params, name)
        return
    _check_full(project, params, settings)
    folder, experiment = new_record_folder(project, name, record)
    members = choose_members(name, settings, params.candidates(), project.models)
    done = build_committee(
        name, settings, members, project.models, folder, experiment=experiment, measure=_measure(params)
    )
    finish(project, params, done)


def _check_full(project: Project, params: Params, settings: Committee) -> None:
    """Raise an error if a possible member has only a compact record.

    A committee needs the probabilities of all classes, and only full records contain them.
    """
    from lineup.committee.candidates import candidates, split_member
    from lineup.records.compact import find_folder, open_record, require_full

    models = params.candidates()
    for member in candidates(settings.members, models):
        model, seed = split_member(member, models)
        folder = find_folder(project, project.models / model, models[model].seeds[0] if seed is None else seed)
        if folder is not None:
            require_full(open_record(folder))


def _combine_stage(project: Project, params: Params, name: str) -> None:
    """Run the stage of a committee, and write one record for each run."""
    from lineup.committee.build import build_committee
    from lineup.committee.select import read_selection
    from lineup.records.summary import write_summary

    selection = read_selection(project.selection / f"{name}.json")
    records, measure = [], _measure(params)
    for run, members in enumerate(selection.runs, 1):
        folder = seed_folder(project.committees / name, run)
        records.append(
            build_committee(name, selection.committee, members, project.models, folder, run=run, measure=measure)
        )
    write_summary(project.metrics / f"{name}.json", records)
    for record in records:
        finish(project, params, record)


def _measure(params: Params) -> Measure:
    """Return a function that measures the prediction times of models. The function uses the number of threads in
    params.yaml.
    """

    def measure(records: Sequence[Record]) -> Times:
        from lineup.cli.libraries import import_keras
        from lineup.serving.speed import prediction_times, prepare_device

        if any(record.header.kind == "network" for record in records):
            import_keras()
        threads = params.training.threads
        return prediction_times(records, prepare_device(records, threads), threads)

    return measure


def champion(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the choice to this file. Default: only print it.")
    ] = None,
) -> None:
    """Choose the best model or committee by its score on the validation images."""
    from lineup.committee.champion import choose, write_champion

    project, params = open_project()
    chosen = choose(all_records(project, params), params.champion)
    print(
        f"champion: {chosen.name}, by validation {chosen.metric} on {chosen.images:,} images among {chosen.candidates};"
        f" accuracy {chosen.val_accuracy:.4f} there, {chosen.test_accuracy:.4f} on the test images"
    )
    if output:
        write_champion(output, chosen)
