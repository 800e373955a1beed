"""Define and read ``record.json``.

This file is the header of a record. It contains the name, the parameters, the data and the versions of a run.

Examples
--------
>>> Member(name="basic_cnn", seed=2, key="3f0c", predictions_sha256="9a41").label
'basic_cnn_seed2'
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, FiniteFloat
from pydantic.dataclasses import dataclass as checked_dataclass

from lineup.errors import LineupError
from lineup.schema import checked, read_json, to_json

SCHEMA = 2
STRICT = ConfigDict(extra="forbid")

# Names and keys are used as folder names, so that separators and dots are not allowed.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Integer = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Images = Annotated[int, Field(ge=0, lt=2**31)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Value = Integer | FiniteFloat | str | bool | None


def run_label(name: str, seed: int) -> str:
    """Combine the name of a model and a seed into the label of a run.

    Examples
    --------
    >>> run_label("basic_cnn", 2)
    'basic_cnn_seed2'
    """
    return f"{name}_seed{seed}"


@checked_dataclass(frozen=True, config=STRICT)
class DataIdentity:
    """The data of a record.

    Parameters
    ----------
    name, title : str
        Name of the dataset in ``params.yaml`` and its title on pages.
    generated : bool
        True if a program generated the images. The results then say nothing about real images.
    fingerprint : str
        SHA-256 of the images, the labels and the order of the split.
    shape : list of int
        Height, width and channels of an image.
    classes : list of str
        Class names, in the order of the columns of the probabilities.
    training_images, validation_images, test_images : int
        Number of images in each part.
    """

    name: str
    title: str
    generated: bool
    fingerprint: str
    shape: Annotated[list[Size], Field(min_length=3, max_length=3)]
    classes: Annotated[list[str], Field(max_length=256)]
    training_images: Images
    validation_images: Images
    test_images: Images


@checked_dataclass(frozen=True, config=STRICT)
class Weights:
    """Weights of a trained model.

    Parameters
    ----------
    parameters, trainable, frozen : int
        Number of all parameters, of those that were trained in the last phase, and of the others.
    sha256 : str
        Hash of their values.
    """

    parameters: Count
    trainable: Count
    frozen: Count
    sha256: str


@checked_dataclass(frozen=True, config=STRICT)
class Member:
    """A member of a committee.

    Parameters
    ----------
    name : str
        Name of the model.
    seed : int
        Seed of its run.
    key : str
        Key of its record, see `Header.key`.
    predictions_sha256 : str
        Hash of its predictions.
    """

    name: Name
    seed: Integer
    key: Name
    predictions_sha256: Name

    @property
    def label(self) -> str:
        """Return the label of the member's training run, such as ``basic_cnn_seed2``."""
        return run_label(self.name, self.seed)


@checked_dataclass(frozen=True, config=STRICT)
class Device:
    """Processor that was used for training.

    Parameters
    ----------
    kind : str
        ``cpu`` or ``gpu``.
    name : str
        Name of the processor model.
    """

    kind: str
    name: str


@checked_dataclass(frozen=True, config=STRICT)
class Header:
    """``record.json``.

    Parameters
    ----------
    name : str
        Name of the model or committee in ``params.yaml``.
    kind : str
        ``network``, ``classical`` or ``committee``.
    family, architecture : str
        Family and architecture of a model. For a committee, ``committee`` and its rule.
    report : str
        Letter of the published report, or ``-``.
    parameters : dict
        All parameters, without nesting: ``epochs``, ``learning_rate``, ``pretrain.epochs`` and so on.
    seed : int
        Seed of a model's run. For a committee, the number of the run: run 1 combines the first seed of each member.
    threads : int or None
        Number of threads during training; None for a committee.
    device : Device
    onednn : bool
        Whether TensorFlow could use oneDNN, which changes the last digits.
    libraries : dict
        Versions of the libraries.
    data : DataIdentity
    weights : Weights or None
        None for a committee and before training ends.
    members : list of Member
        Members of a committee; empty for a model.
    experiment : str or None
        Random name of an experiment outside the pipeline. The name prevents the experiment from replacing a pipeline
        run with the same parameters. None in the pipeline.
    model_files : dict of str to str
        SHA-256 of each file in ``model/``; empty before training ends and in records of schema 1.
    schema : int
        Version of this format.
    """

    name: Name
    kind: Annotated[str, Field(pattern="^(network|classical|committee)$")]
    family: str
    architecture: str
    report: str
    parameters: dict[str, Value]
    seed: Integer
    threads: Count | None
    device: Device
    onednn: bool
    libraries: dict[str, str]
    data: DataIdentity
    weights: Weights | None = None
    members: list[Member] = dataclasses.field(default_factory=list)
    experiment: str | None = None
    model_files: Annotated[dict[FileName, Sha256], Field(max_length=100)] = dataclasses.field(default_factory=dict)
    schema: Annotated[int, Field(ge=SCHEMA, le=SCHEMA)] = SCHEMA

    @property
    def label(self) -> str:
        """Return the label of the run, such as ``basic_cnn_seed2`` for seed 2 of ``basic_cnn``."""
        return run_label(self.name, self.seed)

    @property
    def key(self) -> str:
        """Return the key of the run, which is a hash of all header values that are known before training.

        Runs with the same parameters, data, device and libraries have the same key. In MLflow, a new run replaces an
        earlier run with the same key. Runs with different keys do not replace each other.
        """
        known = dataclasses.asdict(self)
        del known["weights"], known["model_files"]
        for member in known["members"]:
            del member["predictions_sha256"]
        return hashlib.sha256(to_json(known).encode()).hexdigest()[:16]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Convert nested parameters to a flat dictionary.

    Examples
    --------
    >>> flatten({"pretrain": {"epochs": 3}})
    {'pretrain.epochs': 3}
    """
    flat: dict[str, Value] = {}
    for name, value in values.items():
        flat.update(flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def read_header(path: Path) -> Header:
    """Read ``record.json``.

    Raises
    ------
    LineupError
        If the file is missing, too large, or has another format.
    """
    values = read_json(path)
    schema = values.get("schema") if isinstance(values, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise LineupError(
            f"{path}: written by a newer version of lineup (schema {schema}, expected {SCHEMA}); update lineup"
        )
    header: Header = checked(_upgraded(values) if schema == 1 else values, Header, path)
    return header


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Convert a header from schema 1 to schema 2.

    In schema 1, all images have 28 by 28 pixels and one channel. In schema 1, a name can include the seed, as in
    ``basic_cnn_seed2``.
    """
    values = values | {"schema": SCHEMA, "data": {"shape": [28, 28, 1]} | _section(values.get("data"))}
    values["name"], seed = _name_and_seed(values.get("name"))
    if values.get("seed") is None:
        values["seed"] = seed or 1
    members = values.get("members")
    if isinstance(members, list):
        values["members"] = [_upgraded_member(_section(member)) for member in members]
    return values


def _upgraded_member(member: dict[str, Any]) -> dict[str, Any]:
    name, seed = _name_and_seed(member.get("name"))
    return {"seed": seed or 1} | member | {"name": name}


def _section(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name_and_seed(name: Any) -> tuple[Any, int | None]:
    """Split the name of a run into the name of the model and the seed.

    If the name does not contain a seed, the seed is None.
    """
    match = re.fullmatch(r"(.{1,64})_seed(\d{1,9})", name) if isinstance(name, str) else None
    return (match[1], int(match[2])) if match else (name, None)
