"""Hash the code of each pipeline stage and write the hashes to ``code.yaml``.

Each stage in ``dvc.yaml`` lists keys of ``code.yaml``, such as ``train.cnn``, under ``params``. DVC runs a stage again
if one of its hashes in ``code.yaml`` changes. ``dvc.lock`` keeps the hashes of the last run, so that
`lineup.code.explain` can list the files that changed.

Examples
--------
>>> "lineup/training/loop.py" in code_of("train.cnn")
True
>>> "lineup/training/loop.py" in code_of("train.classical")
False
>>> "lineup/models/cnn.py" in code_of("models.cnn.basic_cnn")
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lineup.code.closure import SourceFiles, closure
from lineup.errors import LineupError, expected_one_of
from lineup.files import read_text, replacing_file
from lineup.models.registry import FAMILIES, PROJECT
from lineup.paths import find_project
from lineup.schema import read_yaml

CODE = "code.yaml"

SECTIONS = ("models", "committees")
"""Sections of ``params.yaml`` that have a hash in ``code.yaml``."""

_TRAIN = "train"
_MODELS = "models"
_COMMITTEE = ("lineup.committee.settings", "lineup.committee.select")

STAGES: Mapping[str, tuple[str, ...]] = {
    "download": ("lineup.data.settings", "lineup.data.download", "lineup.data.local", "lineup.data.images"),
    "split": ("lineup.data.settings", "lineup.data.split"),
    "select": _COMMITTEE,
    "committee": (*_COMMITTEE, "lineup.committee.build", "lineup.serving.speed"),
    "compact": ("lineup.records.compact",),
    "evaluate": ("lineup.pages.evaluate",),
    "reproduce": ("lineup.pages.reproduce",),
    "champion": ("lineup.committee.settings", "lineup.committee.champion"),
    "report": ("lineup.committee.settings", "lineup.committee.champion", "lineup.pages.report"),
    "explain": ("lineup.explain.stage",),
}
"""Modules that the command of each stage calls. The settings are listed because they contain default values.

``publish`` needs no key, because its code does not affect results. The stage ``train`` has two keys: the code that
trains the family of a model, and the code of its architecture; see `keys`.
"""

_TRAINING = (
    "lineup.data.dataset",
    "lineup.models.settings",
    "lineup.training.settings",
    "lineup.training.train",
)
_SEEDS = ("lineup.training.seeds", "lineup.records.summary")
"""Modules that loop over the seeds of a model and write its metrics."""


def keys(project: Path | None = None) -> list[str]:
    """Return the keys of ``code.yaml``.

    Most keys are names of stages. The value of ``train.<family>`` is the hash of the code that trains a family. The
    value of ``models.<family>.<architecture>`` is the hash of the code of an architecture.

    Parameters
    ----------
    project : Path, optional
        Folder of a project. Its architectures are those that ``params.yaml`` mentions. If it contains ``models.py``,
        the key ``train.project`` is included. Default: the keys of this package, without architectures.
    """
    families = [family for family in FAMILIES if family != PROJECT]
    if project and (project / "models.py").is_file():
        families.append(PROJECT)
    known = [(family, name) for family, name in _architectures(project) if family in families] if project else []
    return [*STAGES, *(f"{_TRAIN}.{family}" for family in families), *(".".join((_MODELS, *pair)) for pair in known)]


def _architectures(project: Path) -> list[tuple[str, str]]:
    """Return the family and the name of each architecture in ``params.yaml``. The file is not checked."""
    models = _read_params(project).get("models")
    recipes = models.values() if isinstance(models, Mapping) else ()
    pairs = [(recipe.get("family"), recipe.get("architecture")) for recipe in recipes if isinstance(recipe, Mapping)]
    return sorted({(str(family), name) for family, name in pairs if isinstance(name, str) and name.isidentifier()})


def _read_params(project: Path) -> Mapping[str, Any]:
    path = project / "params.yaml"
    values = read_yaml(path) if path.is_file() else {}
    return values if isinstance(values, Mapping) else {}


def code_of(key: str, project: Path | None = None, sources: SourceFiles | None = None) -> dict[str, str]:
    """Return the source files of a stage, with a hash of each file.

    Parameters
    ----------
    key : str
        The name of a stage, ``train.<family>`` or ``models.<family>.<architecture>``.
    project : Path, optional
        Folder of a project. Its ``models.py`` contains the architectures of the family ``project``.
    sources : SourceFiles, optional
        Files that were already read. Default: read all files.

    Raises
    ------
    LineupError
        If the key does not exist, or a file cannot be read as Python.
    """
    sources = sources or SourceFiles()
    group, _, rest = key.partition(".")
    family, _, name = rest.partition(".")
    has_models = project is not None and (project / "models.py").is_file()
    known = family in FAMILIES and (family != PROJECT or has_models)
    if group == _TRAIN and known and not name:
        return sources.closure((*_training(family), *_SEEDS))
    if group == _MODELS and known and name:
        return sources.closure([_module(family)], _own(family, project), name)
    if key not in STAGES:
        raise LineupError(f"code: unknown key {key!r}; {expected_one_of(key, keys(project))}")
    return sources.closure(STAGES[key])


def training_sha256(family: str, name: str) -> str:
    """Compute the SHA-256 of the code that trains an architecture.

    A finished training run is reused only if the hash of its code has not changed. The same is true for a backup. The
    hash does not include the code that loops over the seeds. For the family ``project``, hash the code in the current
    project.
    """
    own = _own(family, find_project().root if family == PROJECT else None)
    code = [closure(_training(family)), closure([_module(family)], own, name)]
    return hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()


def _training(family: str) -> tuple[str, ...]:
    """Return the modules that train the models of a family."""
    return (*_TRAINING, f"lineup.training.{FAMILIES[family].trainer}")


def _module(family: str) -> str:
    """Return the module that registers the architectures of a family."""
    return "models" if family == PROJECT else f"lineup.models.{family}"


def _own(family: str, project: Path | None) -> Path | None:
    """If a family is defined in the ``models.py`` of a project, return the folder of this project."""
    return project if family == PROJECT else None


def write_code(project: Path) -> bool:
    """Update ``code.yaml``, and return whether the content has changed.

    Parameters
    ----------
    project : Path
        Folder of the project.
    """
    path, text = project / CODE, code_yaml(project)
    if path.is_file() and read_text(path) == text:
        return False
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return True


def check_code(key: str, project: Path) -> None:
    """Check that ``code.yaml`` contains the hashes of the running code.

    If the file does not exist, the check is skipped.

    Parameters
    ----------
    key, project
        See `code_of`.

    Raises
    ------
    LineupError
        If a file of this key changed after ``code.yaml`` was written, for example while ``dvc repro`` ran.
    """
    path = project / CODE
    if not path.is_file():
        return
    written: Any = read_yaml(path)
    for part in key.split("."):
        written = written.get(part) if isinstance(written, Mapping) else None
    if written != to_text(code_of(key, project)):
        raise LineupError(
            f"{path}: the code of {key} has changed since this file was written; run dvc repro again, without"
            " --single-item"
        )


def code_yaml(project: Path) -> str:
    """Return the content of ``code.yaml``.

    Each key has the hashes of its files. Each section in `SECTIONS` has one hash. DVC reads and writes ``dvc.lock``
    several times in each run, so this file must be short. All hashes of a key are therefore written as one string. A
    stage that depends on all models uses a single hash for the section ``models``.

    Parameters
    ----------
    project : Path
        Folder of the project.
    """
    sources = SourceFiles()
    tree: dict[str, Any] = {}
    for key in keys(project):
        *groups, last = key.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = to_text(code_of(key, project, sources))
    sections = _read_params(project)
    hashes = {name: _section_hash(sections[name]) for name in SECTIONS if name in sections}
    if hashes:
        tree["params"] = hashes
    first = "# The code of each stage, written by the stage `code`. See also `lineup code --explain train.cnn`."
    return "\n".join([first, *_lines(tree)]) + "\n"


def _lines(tree: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a YAML file. Each source file has its own line in ``code.yaml``, so that ``git diff`` shows
    only the changed files.
    """
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, f"{indent}  ")
        else:
            text = value.replace(",", ",\\\n    ")
            yield f'{indent}{key}: "{text}"'


def to_text(files: Mapping[str, str]) -> str:
    """Concatenate the hashes of several files into one string without spaces.

    Examples
    --------
    >>> to_text({"lineup/npz.py": "4e3a6e395323", "lineup/models/cnn.py": "68a5e8f08f67"})
    'lineup/npz.py=4e3a6e395323,lineup/models/cnn.py=68a5e8f08f67'
    """
    return ",".join(f"{name}={digest}" for name, digest in files.items())


def from_text(text: object) -> dict[str, str]:
    """Parse a string that `to_text` returned. Invalid parts are ignored."""
    pairs = (part.rpartition("=") for part in str(text).split(","))
    return {name: digest for name, equals, digest in pairs if equals}


def _section_hash(section: object) -> str:
    """Return a hash of a section of ``params.yaml``.

    If several models are equally good, the first one is selected. The hash therefore depends on the order of the
    models.
    """
    return hashlib.sha256(json.dumps(section, default=str).encode()).hexdigest()[:12]
