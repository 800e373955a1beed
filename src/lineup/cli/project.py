"""Commands for the whole project: run it, check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineup.cli.common import open_project
from lineup.paths import find_project


def check(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write this file if there is no mistake (for the pipeline).")
    ] = None,
) -> None:
    """Check params.yaml: names, keys and values."""
    from lineup.files import replacing_file

    _, params = open_project()
    print(f"params.yaml: {params.summary()}")
    if output:
        with replacing_file(output) as partial:
            partial.write_text("lineup check found no mistake in params.yaml\n", encoding="utf-8")


def doctor() -> None:
    """Check this machine and project, and suggest fixes."""
    from lineup.execution.doctor import examine

    if not examine():
        raise typer.Exit(1)


def repro(
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Number of stages to run at a time.")] = 1,
) -> None:
    """Run every stage that is out of date, as dvc repro does, but several at a time."""
    from lineup.execution.repro import repro as run_stages

    project, _ = open_project()  # checks params.yaml before DVC, which has no limits, reads it
    run_stages(project.root, jobs)


def demo() -> None:
    """Run the whole pipeline on a small generated dataset in the folder .demo."""
    from lineup.execution.demo import run_demo

    run_demo(find_project())
