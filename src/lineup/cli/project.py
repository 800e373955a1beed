"""Define the commands that create, check and run a project.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     check()
params.yaml: 4 models, 2 committees, data synthetic
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from lineup.cli.common import open_project
from lineup.cli.tracking import forget_publishing
from lineup.errors import LineupError
from lineup.paths import find_project

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Number of stages to run at a time.")]


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", show_default=False)],
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Your own images: a folder with one sub-folder per class, or with such sub-folders in train/, val/ and"
            " test/; a folder of IDX or Parquet files; or a CSV, NPZ or Parquet file. Default: generated images.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Column of the CSV or Parquet file with the group of each image, such as a person or an object, or"
            " 'folder' if each folder inside of a class is a group. All images of a group are in the same part.",
        ),
    ] = None,
) -> None:
    """Create a new project with parameters, a pipeline and a file for your own models.

    With --images, the command prints a description of your images, and chooses the image size and the models for them.
    """
    from lineup.execution.init import check_free, create_project

    if images is None:
        if group is not None:
            raise LineupError("--group: only accepted with --images")
        root = create_project(folder).root
        print(f"{root}: a new project with generated images; its README.md explains the files")
    else:
        from lineup.data.sources.look import look
        from lineup.execution.own_images import own_images

        check_free(folder.resolve())
        found = look(images.expanduser().resolve(), group)
        print(*found.lines(), sep="\n")
        own = own_images(found, folder.resolve(), group)
        root = create_project(folder, own).root
        print(f"{root}: a new project with images of {own.summary}; its README.md explains the files")
    print(f"Run its pipeline: cd {shlex.quote(str(root))} && lineup repro")


def code(
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Only list the files in one hash, such as train.cnn, and mark the changed files."
        ),
    ] = None,
) -> None:
    """Check params.yaml, and write the code hash of each stage to code.yaml."""
    from lineup.code.explain import explain as explain_code
    from lineup.code.stages import CODE, write_code

    if explain:
        print(*explain_code(explain, find_project().root), sep="\n")
        return
    try:
        project, params = open_project()
    except LineupError as error:
        raise LineupError(f"{error}{_how_to_undo_set_param()}") from error
    print(f"params.yaml: {params.summary()}")
    changed = write_code(project.root)
    for folder in (project.models, project.committees):  # later stages need them, even if there are no committees
        folder.mkdir(parents=True, exist_ok=True)
    forget_publishing(project, params)
    print(f"{CODE}: {'written' if changed else 'unchanged'}")


def _how_to_undo_set_param() -> str:
    """Explain how to restore params.yaml after a DVC experiment has changed it.

    Return an empty string if no DVC experiment is running.
    """
    # DVC_ROOT is the user's folder even if the experiment runs in a temporary folder.
    if "DVC_EXP_NAME" not in os.environ or os.environ.get("DVC_ROOT") != str(find_project().root):
        return ""
    return (
        "; dvc exp run has written the values of -S to params.yaml: to undo this and all other changes to it, run"
        " git restore --source=HEAD --worktree params.yaml"
    )


def check() -> None:
    """Check all names, keys and values in params.yaml."""
    _, params = open_project()
    print(f"params.yaml: {params.summary()}")


def doctor() -> None:
    """Check this machine and this project, and suggest fixes."""
    from lineup.execution.doctor import run_checks

    if not run_checks():
        raise typer.Exit(1)


def repro(
    jobs: Jobs = 1,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train models and fit committees on the workers of this Dask scheduler, such as tcp://127.0.0.1:8786.",
        ),
    ] = None,
) -> None:
    """Run all stages that are out of date. Stages that do not depend on each other can run at the same time."""
    from lineup.code.stages import write_code
    from lineup.execution.repro import repro as run_stages

    project, params = open_project()  # checks params.yaml first, because DVC reads it without limits
    # DVC needs code.yaml and the output of publish to find the stages that are out of date.
    write_code(project.root)
    forget_publishing(project, params)
    run_stages(project.root, jobs, on=on, resources=params.resources)


def demo(jobs: Jobs = 2) -> None:
    """Run the whole pipeline in the folder .demo, with a small generated dataset."""
    from lineup.execution.demo import run_demo

    run_demo(find_project(), jobs)
