"""The model of a run: the record's own, or a committee's with its members inside; see `lineup.serving.pyfunc`."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.committee.model import COMMITTEE
from lineup.files import file_sha256
from lineup.records.record import HEADER, MODEL, PREDICTIONS, Record
from lineup.tracking.links import copy_files

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# Folders of models by key and by hash of the predictions: a name may be that of a single experiment, too.
Models = dict[tuple[str, str], Path]

PACKAGE = Path(__file__).resolve().parents[1]
SERVING_NEEDS = ("mlflow", "numpy", "pandas", "pydantic")
NEEDS_OF: Mapping[str, tuple[str, ...]] = {
    "network.keras": ("keras", "tensorflow", "tensorflow-cpu"),
    "estimator.skops": ("scikit-learn", "skops"),
}
"""What a file of a model needs besides."""


def identity(record: Record) -> tuple[str, str]:
    """Return what tells a record from every other one, a later one of the same name and key included."""
    return record.header.key, file_sha256(record.folder / PREDICTIONS)


def absent_members(record: Record, models: Models) -> list[str]:
    """Return the names of a committee's members whose models are not those that were combined."""
    return [member.label for member in record.header.members if (member.key, member.predictions_sha256) not in models]


def log_model(
    root: Path, run_id: str, record: Record, models: Models, temporary: Path, *, model_id: str | None = None
) -> None:
    """Log a record's model into its run as code beside its files, so that nothing is pickled.

    A committee of which a member is no longer what was combined gets none: another model must not answer in its place.

    Parameters
    ----------
    root : Path
        Project folder.
    run_id : str
        The run.
    record : Record
        Of a model or a committee.
    models : Models
        Where the members' models are.
    temporary : Path
        An empty folder, for a copy of the files that the model needs.
    model_id : str, optional
        A model that the run has logged already, whose files are written again. Default: a new one.

    Notes
    -----
    The signature says nothing about the images, for MLflow would refuse every shape but the one that it names and
    would make whole numbers of all that it is sent: pixels from 0 to 1 would all be black.
    `lineup.serving.predictor.as_images` takes every shape, and refuses such pixels.
    """
    if absent_members(record, models):
        return
    import mlflow

    from lineup.serving.predictor import MAX_IMAGES, accepted_shapes

    height, width, channels = record.header.data.shape
    shapes = accepted_shapes((height, width, channels))
    folder = _copy_model(root, record, models, temporary / "model")
    header = temporary / HEADER
    # As it was read: the file can be of an older schema, without the shape of the images.
    header.write_text(json.dumps(dataclasses.asdict(record.header)), encoding="utf-8")
    # MLflow connects the run that is active with the model, which it can do only once.
    run = mlflow.start_run(run_id=run_id) if model_id is None else nullcontext()
    with run, warnings.catch_warnings():
        # MLflow wants an input example to make a signature of.
        warnings.simplefilter("ignore", UserWarning)
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PACKAGE / "serving" / "pyfunc.py"),
            # As quoted addresses: MLflow would read # and ? of a path as such parts of an address.
            artifacts={
                "model": folder.absolute().as_uri(),
                "record": header.absolute().as_uri(),
            },
            code_paths=[str(PACKAGE)],
            metadata={"images": f"whole numbers from 0 to 255 of shape {shapes}; at most {MAX_IMAGES:,} per request"},
            signature=_signature(record.header.data.classes),
            pip_requirements=_requirements(folder),
            model_id=model_id,
        )


def _copy_model(root: Path, record: Record, models: Models, folder: Path) -> Path:
    """Copy the files that a model or a committee needs to predict into a new folder, and return it."""
    if not record.header.members:
        return copy_files(root, record.folder / MODEL, folder)
    for member in record.header.members:
        copy_files(root, models[member.key, member.predictions_sha256], folder / "members" / member.label)
    shutil.copy(record.folder / MODEL / COMMITTEE, folder)
    return folder


def _signature(classes: list[str]) -> ModelSignature:
    """Return what the model answers: see `lineup.serving.pyfunc.ServedModel.predict`."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from lineup.serving.pyfunc import AGREEMENT, LABEL

    said = (ColSpec(DataType.string, LABEL), ColSpec(DataType.double, AGREEMENT))
    return ModelSignature(outputs=Schema([*said, *(ColSpec(DataType.float, name) for name in classes)]))


def _requirements(folder: Path) -> list[str]:
    """Return what serving a model needs, pinned to what is installed."""
    names = list(SERVING_NEEDS)
    for file, needs in NEEDS_OF.items():
        if any(folder.rglob(file)):
            names += needs
    versions = {name: _installed_version(name) for name in names}
    return [f"{name}=={version}" for name, version in versions.items() if version]


def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
