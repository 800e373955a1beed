"""Define the commands that train models and list the available architectures.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     train("resnet")
Traceback (most recent call last):
    ...
lineup.errors.LineupError: unknown model 'resnet'; expected one of random_forest, shallow_nn, basic_cnn, small_cnn
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import RecordFolder, finish, from_stage, new_record_folder, open_project
from lineup.cli.libraries import import_in_background, import_keras

if TYPE_CHECKING:
    from lineup.models.settings import AnyRecipe
    from lineup.params import Params
    from lineup.paths import Project

# Each option is also spelled with an underscore: `mlflow run -P learning_rate=0.002` calls --learning_rate 0.002.
Setting = partial(typer.Option, help="Replaces the value in params.yaml.")


def train(
    model: Annotated[str, typer.Argument(help="Name of a model in params.yaml, or of its stage: train@NAME.")],
    record: RecordFolder = None,
    epochs: Annotated[int | None, Setting("--epochs")] = None,
    batch_size: Annotated[int | None, Setting("--batch-size", "--batch_size")] = None,
    learning_rate: Annotated[float | None, Setting("--learning-rate", "--learning_rate")] = None,
    validation: Annotated[float | None, Setting("--validation")] = None,
    seed: Annotated[int | None, Setting("--seed")] = None,
) -> None:
    """Train a model, log its metrics in MLflow during training, and write a record.

    If the argument is the name of a model, the command runs an experiment outside the pipeline. Such an experiment
    trains the model once and writes the record to a new folder in experiments/. The seed is the first seed of the
    model, or the value of --seed. An experiment outside the pipeline does not change the records of the pipeline.

    If the argument is the name of a stage, the command trains the model with all seeds and writes the records to
    runs/models. An interrupted stage resumes from its last backup. An experiment outside the pipeline always starts
    with the first epoch.
    """
    project, params = open_project()
    model, is_stage = from_stage("train", model)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "validation": validation,
        "seeds": None if seed is None else [seed],
    }
    recipe = params.recipe(model, **{name: value for name, value in given.items() if value is not None})
    if is_stage and record is None:
        _train_stage(project, params, model, recipe)
    else:
        _train_once(project, params, model, recipe, record)


def _train_stage(project: Project, params: Params, model: str, recipe: AnyRecipe) -> None:
    """Train a model with all of its seeds, as a stage of the pipeline."""
    from lineup.data.dataset import load_dataset
    from lineup.records.summary import write_summary
    from lineup.tracking.live import LiveRun
    from lineup.training.progress import ConsoleProgress
    from lineup.training.seeds import train_seeds

    dataset = load_dataset(project.dataset)
    _prepare(recipe)
    records = train_seeds(
        model,
        recipe,
        dataset,
        project.models / model,
        threads=params.training.threads,
        kept=project.finished / model,
        backups=project.backups,
        watch=lambda: LiveRun(project.root),
        listener=ConsoleProgress(),
    )
    write_summary(project.metrics / f"{model}.json", records)
    for record in records:
        finish(project, params, record)


def _train_once(project: Project, params: Params, model: str, recipe: AnyRecipe, record: Path | None) -> None:
    """Train a model once, and write one record."""
    from lineup.cli.run_names import run_name
    from lineup.data.dataset import load_dataset
    from lineup.tracking.live import LiveRun
    from lineup.training.progress import ConsoleProgress
    from lineup.training.train import train_model

    folder, experiment = new_record_folder(project, model, record)
    dataset = load_dataset(project.dataset)
    _prepare(recipe)
    if experiment is not None:
        # The figures at the end need matplotlib, whose import takes 1 s.
        import_in_background("lineup.figures.save")
    with LiveRun(project.root, os.environ.get("MLFLOW_RUN_ID"), partial(run_name, params)) as live:
        done = train_model(
            model,
            recipe,
            dataset,
            folder,
            threads=params.training.threads,
            experiment=experiment,
            # Each experiment is a separate run and never resumes another one.
            backups=project.backups if experiment is None else None,
            listeners=[ConsoleProgress(), live],
        )
        live.finish(done)
    finish(project, params, done)


def _prepare(recipe: AnyRecipe) -> None:
    """Import the large libraries that training requires."""
    from lineup.models.settings import NetworkRecipe

    if isinstance(recipe, NetworkRecipe):
        import_keras()


def models(family: Annotated[str | None, typer.Option(help="List this family only.")] = None) -> None:
    """List the registered architectures and their families, reports and parameter counts."""
    from lineup.pages.show import show_architectures

    show_architectures(family)
