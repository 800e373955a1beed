"""Log the model of a record in MLflow. The model of a committee contains the models of its members.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Path(folder, "estimator.skops").touch()
...     [line.partition("==")[0] for line in requirements(Path(folder))]
['mlflow', 'numpy', 'pandas', 'pydantic', 'scikit-learn', 'skops']
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lineup.code.closure import SOURCE, source_files
from lineup.committee.model import COMMITTEE
from lineup.files import file_sha256
from lineup.records.compact import is_compact
from lineup.records.imported import is_imported
from lineup.records.record import HEADER, MODEL, PREDICTIONS, Record
from lineup.tracking.contents import SOURCE_TAGS, final_metrics, record_params
from lineup.tracking.links import copy_files

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.models import ModelSignature

Models = dict[tuple[str, str], Path]
"""Folders of models by key and hash of the predictions. Several experiments can have the same name."""

_ARTIFACTS = "artifacts"
"""Folder in which MLflow saves the files of a model."""
_SAVED = "saved"
SERVED = ("lineup.serving.pyfunc", "lineup.models.kernel_machine")
"""Modules that a served model imports. Files of estimators name the second one, so no import statement does."""
_EXTEND = "\n__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
"""Line that lets Python find the modules of a package in several folders."""
SERVING_NEEDS = ("mlflow", "numpy", "pandas", "pydantic")
NEEDS_OF: Mapping[str, tuple[str, ...]] = {
    "network.keras": ("keras", "tensorflow", "tensorflow-cpu"),
    "estimator.skops": ("scikit-learn", "skops"),
}
"""Additional packages that a model needs, by the name of the model file."""


def identity(record: Record) -> tuple[str, str]:
    """Return two values that identify a record: its key and the hash of its predictions."""
    return record.header.key, file_sha256(record.folder / PREDICTIONS)


def absent_members(record: Record, models: Models) -> list[str]:
    """Return the members whose models are missing or have changed since the committee was built."""
    return [member.label for member in record.header.members if (member.key, member.predictions_sha256) not in models]


def lacks_model(record: Record) -> bool:
    """Return whether a record has no model. Compact records contain no model, and the model of an imported record can
    be missing.
    """
    return is_compact(record) or (is_imported(record) and not (record.folder / MODEL).is_dir())


def can_log_model(record: Record, models: Models) -> bool:
    """Return whether the model of a record can be logged.

    If a member has changed after the committee was built, the model of the committee cannot be logged. With the new
    member, the predictions of the committee would differ from the record.
    """
    return not absent_members(record, models) and not lacks_model(record)


def log_model(
    root: Path,
    client: MlflowClient,
    run: Run,
    record: Record,
    models: Models,
    temporary: Path,
    logged: LoggedModel | None = None,
) -> LoggedModel | None:
    """Log the model of a record in MLflow as source code and files, without pickle. Return the model of the run.

    If `can_log_model` is false, nothing is logged.

    Parameters
    ----------
    root : Path
        Project folder.
    client : MlflowClient
    run : Run
        Run in which the model is logged.
    record : Record
        Record of a model or a committee.
    models : Models
        Folders of the members' models.
    temporary : Path
        An empty folder for a copy of the files.
    logged : LoggedModel, optional
        The model of the run. If the model has files, they are written again. Default: create a new model.

    Notes
    -----
    The signature does not describe the images. Otherwise MLflow would reject all other shapes, and would convert pixels
    between 0 and 1 to integers, which makes the images black. `lineup.serving.predictor.as_images` accepts several
    shapes and rejects such pixels.

    `mlflow.pyfunc.log_model` takes several times as long. It reads the history of each metric of the run, and compares
    the requirements of each model with all installed packages.
    """
    if not can_log_model(record, models):
        return logged
    from mlflow.models import Model
    from mlflow.models.model import MLMODEL_FILE_NAME

    from lineup.serving.predictor import MAX_IMAGES, accepted_shapes

    data = record.header.data
    height, width, channels = data.shape
    shapes = accepted_shapes((height, width, channels))
    images = f"whole numbers from 0 to 255 of shape {shapes}; at most {MAX_IMAGES:,} per request"
    members = [models[member.key, member.predictions_sha256] for member in record.header.members]
    needs = requirements(record.folder / MODEL, *members)
    template = Path(_template(tuple(data.classes), images, needs).name)
    model = logged or create_model(client, run, record)
    if logged is None:
        client.log_batch(run.info.run_id, metrics=final_metrics(record, model.model_id))
    # The code is copied only once, and replaces the code of an earlier call.
    client.log_model_artifacts(model.model_id, str(template / _SAVED))
    folder = temporary / "mlflow"
    _copy_model(root, record, models, folder / _ARTIFACTS / "model")
    # The header is written again, because the file may have an older schema without the shape of the images.
    header = folder / _ARTIFACTS / HEADER
    header.write_text(json.dumps(dataclasses.asdict(record.header)), encoding="utf-8")
    description = Model.load(template / MLMODEL_FILE_NAME)
    description.artifact_path, description.run_id = model.artifact_location, run.info.run_id
    description.model_uuid = description.model_id = model.model_id
    description.utc_time_created = str(datetime.now(UTC).replace(tzinfo=None))
    files = [*(template / _SAVED).rglob("*"), *folder.rglob("*")]
    description.model_size_bytes = sum(file.stat().st_size for file in files if file.is_file())
    description.save(folder / MLMODEL_FILE_NAME)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    return model


@cache
def _template(classes: tuple[str, ...], images: str, needs: tuple[str, ...]) -> TemporaryDirectory[str]:
    """Save what the models of most records have in common to a folder that is removed when this process ends.

    The sub-folder `_SAVED` contains the code and the requirements. The description of the model is beside it. The
    caller adds the files and the ids of the model.
    """
    import mlflow
    from mlflow.models import Model
    from mlflow.models.model import MLMODEL_FILE_NAME

    place = TemporaryDirectory(prefix="lineup-")
    source, code, folder = (Path(place.name, name) for name in ("source", "code", _SAVED))
    (source / "model").mkdir(parents=True)
    (source / "model" / "network.keras").touch()
    (source / HEADER).touch()
    copy_code(code)
    with warnings.catch_warnings():
        # MLflow requires an input example to infer a signature.
        warnings.simplefilter("ignore", UserWarning)
        mlflow.pyfunc.save_model(
            folder,
            mlflow_model=Model(metadata={"images": images}),
            python_model=str(SOURCE / "lineup" / "serving" / "pyfunc.py"),
            # Quoted addresses, because MLflow parses # and ? in a path.
            artifacts={"model": (source / "model").as_uri(), "record": (source / HEADER).as_uri()},
            code_paths=[str(code / "lineup")],
            signature=_signature(classes),
            pip_requirements=list(needs),
        )
    shutil.rmtree(folder / _ARTIFACTS)
    (folder / MLMODEL_FILE_NAME).rename(folder.parent / MLMODEL_FILE_NAME)
    return place


def copy_code(folder: Path) -> None:
    """Copy the code for a served model to a folder. The whole package would be ten times as large.

    MLflow puts this code first on the search path of Python. A process that has loaded a model may also need other
    modules of lineup. The copied packages are extended, so that Python finds these modules.
    """
    for name in source_files(SERVED):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((SOURCE / name).read_text(encoding="utf-8") + (_EXTEND if target.stem == "__init__" else ""))


def create_model(client: MlflowClient, run: Run, record: Record) -> LoggedModel:
    """Create the model of a run in MLflow, without files and metrics. The new model has the parameters of the run."""
    from mlflow.entities import LoggedModelOutput

    run_id, params = run.info.run_id, {name: str(value) for name, value in record_params(record).items()}
    experiment = run.info.experiment_id
    model = client.create_logged_model(experiment, "model", source_run_id=run_id, tags=SOURCE_TAGS, params=params)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def _copy_model(root: Path, record: Record, models: Models, folder: Path) -> Path:
    """Copy the files of a model to a new folder, and return the path of the folder.

    For a committee, also copy the models of all members.
    """
    if not record.header.members:
        return copy_files(root, record.folder / MODEL, folder)
    for member in record.header.members:
        copy_files(root, models[member.key, member.predictions_sha256], folder / "members" / member.label)
    shutil.copy(record.folder / MODEL / COMMITTEE, folder)
    return folder


def _signature(classes: Sequence[str]) -> ModelSignature:
    """Return an MLflow signature that describes the columns of the predictions."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    from lineup.serving.pyfunc import AGREEMENT, LABEL

    columns = (ColSpec(DataType.string, LABEL), ColSpec(DataType.double, AGREEMENT))
    return ModelSignature(outputs=Schema([*columns, *(ColSpec(DataType.float, name) for name in classes)]))


def requirements(*folders: Path) -> tuple[str, ...]:
    """Return the packages that are needed to serve the models in some folders, pinned to the installed versions."""
    names = list(SERVING_NEEDS)
    for file, needs in NEEDS_OF.items():
        if any((folder / file).is_file() for folder in folders):
            names += needs
    versions = {name: _installed_version(name) for name in names}
    return tuple(f"{name}=={version}" for name, version in versions.items() if version)


@cache
def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
