"""Log the model of a record, or a committee with the models of its members; see `lineup.serving.pyfunc`."""

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

Models = dict[tuple[str, str], Path]
"""Folders of models by key and hash of the predictions. A name is not enough: single experiments may share it."""

PACKAGE = Path(__file__).resolve().parents[1]
SERVING_NEEDS = ("mlflow", "numpy", "pandas", "pydantic")
NEEDS_OF: Mapping[str, tuple[str, ...]] = {
    "network.keras": ("keras", "tensorflow", "tensorflow-cpu"),
    "estimator.skops": ("scikit-learn", "skops"),
}
"""Further packages that a model needs, by the name of its file."""


def identity(record: Record) -> tuple[str, str]:
    """Return what identifies a record, also among later ones with the same name and key."""
    return record.header.key, file_sha256(record.folder / PREDICTIONS)


def absent_members(record: Record, models: Models) -> list[str]:
    """Return the members of a committee whose models differ from those that were combined, or are missing."""
    return [member.label for member in record.header.members if (member.key, member.predictions_sha256) not in models]


def log_model(
    root: Path, run_id: str, record: Record, models: Models, temporary: Path, *, model_id: str | None = None
) -> None:
    """Log the model of a record as code and files, so that nothing is pickled.

    A committee gets no model if a member has changed since it was combined: its predictions would differ.

    Parameters
    ----------
    root : Path
        Project folder.
    run_id : str
        Run that gets the model.
    record : Record
        Of a model or a committee.
    models : Models
        Folders of the members' models.
    temporary : Path
        An empty folder for a copy of the files.
    model_id : str, optional
        A model that the run has logged before; its files are written again. Default: a new model.

    Notes
    -----
    The signature does not describe the images: MLflow would refuse every other shape, and would convert pixels from 0
    to 1 to whole numbers, which makes all of them black.
    `lineup.serving.predictor.as_images` accepts every shape and refuses such pixels.
    """
    if absent_members(record, models):
        return
    import mlflow

    from lineup.serving.predictor import MAX_IMAGES, accepted_shapes

    height, width, channels = record.header.data.shape
    shapes = accepted_shapes((height, width, channels))
    folder = _copy_model(root, record, models, temporary / "model")
    header = temporary / HEADER
    # As it was read: the file may have an older schema, without the shape of the images.
    header.write_text(json.dumps(dataclasses.asdict(record.header)), encoding="utf-8")
    # MLflow links the active run to the model, which it can do only once.
    run = mlflow.start_run(run_id=run_id) if model_id is None else nullcontext()
    with run, warnings.catch_warnings():
        # MLflow asks for an input example to infer a signature.
        warnings.simplefilter("ignore", UserWarning)
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(PACKAGE / "serving" / "pyfunc.py"),
            # As quoted addresses, because MLflow parses # and ? in a path.
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
    """Copy the files of a model, or of a committee and its members, into a new folder, and return it."""
    if not record.header.members:
        return copy_files(root, record.folder / MODEL, folder)
    for member in record.header.members:
        copy_files(root, models[member.key, member.predictions_sha256], folder / "members" / member.label)
    shutil.copy(record.folder / MODEL / COMMITTEE, folder)
    return folder


def _signature(classes: list[str]) -> ModelSignature:
    """Return the columns of the predictions: see `lineup.serving.pyfunc.ServedModel.predict`."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from lineup.serving.pyfunc import AGREEMENT, LABEL

    columns = (ColSpec(DataType.string, LABEL), ColSpec(DataType.double, AGREEMENT))
    return ModelSignature(outputs=Schema([*columns, *(ColSpec(DataType.float, name) for name in classes)]))


def _requirements(folder: Path) -> list[str]:
    """Return the packages that serving needs, pinned to the installed versions."""
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
