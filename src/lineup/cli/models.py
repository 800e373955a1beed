"""Commands for models: train one, list the architectures."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

import typer

from lineup.cli.common import RecordFolder, finish, from_stage, open_project, place

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
    """Train a model, write its record, and log its curves in MLflow while it trains.

    Given a model's name, this is a single experiment: its record goes to a new folder in experiments/, and the
    pipeline's records do not change. Given the name of a stage, the record goes to runs/models.
    An interrupted stage resumes from its last backup; a single experiment starts again.
    """
    project, params = open_project()
    model, record = from_stage("train", model, project.models, record)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "validation": validation,
        "seed": seed,
    }
    recipe = params.recipe(model, **{name: value for name, value in given.items() if value is not None})

    from lineup.data.dataset import load_dataset
    from lineup.tracking.live import LiveRun
    from lineup.training.progress import Progress
    from lineup.training.train import train_model

    folder, experiment = place(project, model, record)
    dataset = load_dataset(project.dataset)
    with LiveRun(project.root, os.environ.get("MLFLOW_RUN_ID")) as live:
        done = train_model(
            model,
            recipe,
            dataset,
            folder,
            threads=params.training.threads,
            experiment=experiment,
            # Each single experiment is a run of its own and never resumes another one.
            backups=project.backups if experiment is None else None,
            listeners=[Progress(), live],
        )
        live.finish(done)
    finish(project, done)


def models(family: Annotated[str | None, typer.Option(help="List this family only.")] = None) -> None:
    """List the registered architectures: name, family, report, number of parameters."""
    from lineup.pages.show import show_architectures

    show_architectures(family)
