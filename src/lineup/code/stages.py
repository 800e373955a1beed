"""Hash the code of each pipeline stage and write the hashes to ``code.yaml``.

Each stage in ``dvc.yaml`` lists a key of ``code.yaml``, such as ``train.cnn``, under ``params``. DVC runs a stage again
when one of the hashes under its key changes. ``dvc.lock`` keeps the hashes of the last run, so that
`lineup.code.explain` can list the files that changed.

Examples
--------
>>> "lineup/models/cnn.py" in code_of("train.cnn")
True
>>> "lineup/training/loop.py" in code_of("train.classical")
False
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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

_TRAIN = "train."
_COMMITTEE = ("lineup.committee.settings", "lineup.committee.select")

STAGES: Mapping[str, tuple[str, ...]] = {
    "download": ("lineup.data.settings", "lineup.data.download", "lineup.data.local"),
    "split": ("lineup.data.settings", "lineup.data.split"),
    "select": _COMMITTEE,
    "committee": (*_COMMITTEE, "lineup.committee.build"),
    "evaluate": ("lineup.pages.evaluate",),
    "reproduce": ("lineup.pages.reproduce",),
    "champion": ("lineup.committee.settings", "lineup.committee.champion"),
    "report": ("lineup.committee.settings", "lineup.committee.champion", "lineup.pages.report"),
    "explain": ("lineup.explain.stage",),
}
"""Modules that the command of each stage calls. The settings are listed because they contain default values.

``publish`` needs no key, because its code does not affect results. ``train`` has a key for each family; see `keys`.
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

    The key of a training is ``train.<family>``. All other keys are names of stages.

    Parameters
    ----------
    project : Path, optional
        Folder of a project. If it contains ``models.py``, the key ``train.project`` is included.
    """
    families = [family for family in FAMILIES if family != PROJECT]
    if project and (project / "models.py").is_file():
        families.append(PROJECT)
    return [*STAGES, *(f"{_TRAIN}{family}" for family in families)]


def code_of(key: str, project: Path | None = None, sources: SourceFiles | None = None) -> dict[str, str]:
    """Return the source files of a stage and their hashes.

    Parameters
    ----------
    key : str
        One of `keys`.
    project : Path, optional
        Folder of a project. Its ``models.py`` is the code of ``train.project``.
    sources : SourceFiles, optional
        Files that were already read. Default: read all files.

    Raises
    ------
    LineupError
        If the key does not exist, or a file cannot be read as Python.
    """
    sources = sources or SourceFiles()
    known = keys(project)
    if key not in known:
        raise LineupError(f"code: unknown key {key!r}; {expected_one_of(key, known)}")
    if not key.startswith(_TRAIN):
        return sources.closure(STAGES[key])
    family = key.removeprefix(_TRAIN)
    return sources.closure((*_modules(family), *_SEEDS), project if family == PROJECT else None)


def training_sha256(family: str) -> str:
    """Return the SHA-256 of the code that trains the models of a family.

    Finished trainings and backups are used again only if their hash is the same. The code that loops over the seeds is
    not part of the hash. For the family ``project``, the code in the current project is used.
    """
    code = closure(_modules(family), find_project().root if family == PROJECT else None)
    return hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()


def _modules(family: str) -> tuple[str, ...]:
    """Return the modules that are needed to train the models of a given family."""
    if family == PROJECT:
        return (*_TRAINING, "lineup.training.classifier", "models")
    return (*_TRAINING, f"lineup.training.{FAMILIES[family].trainer}", f"lineup.models.{family}")


def write_code(project: Path) -> bool:
    """Update ``code.yaml`` and return whether its content changed.

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

    The check is skipped if the file does not exist.

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
    """Return the content of ``code.yaml`` as a text.

    The text contains the hashes of the files of each key, and a hash of each section in `SECTIONS`. All hashes of a key
    form one string, which keeps ``dvc.lock`` short. DVC reads and writes ``dvc.lock`` several times in each run. A
    stage that depends on all models uses one hash of the section ``models``, which also keeps ``dvc.lock`` short.

    Parameters
    ----------
    project : Path
        Folder of the project.
    """
    lines = [f"# The code of each stage, written by the stage `code`. See also `lineup code --explain {_TRAIN}cnn`."]
    train, sources = ["train:"], SourceFiles()
    for key in keys(project):
        stage, _, family = key.partition(".")
        files = to_text(code_of(key, project, sources)).replace(",", ",\\\n    ")
        (train if family else lines).append(f'{"  " if family else ""}{family or stage}: "{files}"')
    path = project / "params.yaml"
    sections: Any = read_yaml(path) if path.is_file() else {}
    hashes = [f'  {name}: "{_section_hash(sections[name])}"' for name in SECTIONS if name in sections]
    return "\n".join([*lines, *train, *(["params:", *hashes] if hashes else [])]) + "\n"


def to_text(files: Mapping[str, str]) -> str:
    """Convert the hashes of files to one string without spaces.

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

    The order of the models affects the hash, because ties between models go to the first model.
    """
    return hashlib.sha256(json.dumps(section, default=str).encode()).hexdigest()[:12]
