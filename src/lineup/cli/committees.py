"""Commands for committees (ensembles): choose members, combine their predictions, choose the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineup.cli.common import RecordFolder, all_records, finish, from_stage, open_project, place


def select() -> None:
    """Choose the members of every committee and write them to runs/selection."""
    from lineup.committee.select import select_all

    project, params = open_project()
    select_all(params.committees, params.architectures(), project.models, project.selection)


def committee(
    name: Annotated[str, typer.Argument(help="Name of a committee in params.yaml, or of its stage: committee@NAME.")],
    record: RecordFolder = None,
) -> None:
    """Combine the stored predictions of a committee's members and write the committee's record.

    A rule with parameters is fitted on images that no member trained on. Given a committee's name, this is a single
    experiment: its record goes to a new folder in experiments/. Given the name of a stage, it goes to runs/committees.
    """
    from lineup.committee.build import build_committee
    from lineup.committee.select import read_selection
    from lineup.committee.select import select as choose_members

    project, params = open_project()
    name, record = from_stage("committee", name, project.committees, record)
    settings = params.committee(name)
    folder, experiment = place(project, name, record)
    if record:
        members = read_selection(project.selection / f"{name}.json")
    else:
        members = choose_members(name, settings, params.architectures(), project.models)
    finish(project, build_committee(name, settings, members, project.models, folder, experiment=experiment))


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
