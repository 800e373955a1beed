"""Suggest in error messages how to restore or create missing files.

Examples
--------
>>> how_to_restore(Path("/no/repository"), "params.yaml")
'copy it from the original of this folder'
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

PIPELINE = "dvc.yaml"


def how_to_restore(root: Path, name: str, otherwise: str = "copy it from the original of this folder") -> str:
    """Suggest how to restore a missing file of a project.

    If the project is a git repository, the suggestion is a git command.
    """
    return f"git checkout HEAD -- {name}" if (root / ".git").exists() else otherwise


def how_to_make(path: Path) -> str:
    """Suggest how to create a missing file of the pipeline or of an experiment.

    Parameters
    ----------
    path : Path
        The file, or the folder of a record.
    """
    root = next((folder for folder in path.absolute().parents if (folder / PIPELINE).is_file()), None)
    if root is None:
        return "make it again"
    if path.absolute().is_relative_to(root / "experiments"):
        return "run that experiment again, or delete its folder"
    if _has_remote(root):
        return "fetch it (dvc pull), or make it again (dvc repro)"
    return "make it again (dvc repro)"


def how_to_complete(folder: Path) -> str:
    """Suggest how to get the full record of a run if git contains only the compact record.

    Parameters
    ----------
    folder : Path
        Folder of the compact record.
    """
    root = next((parent for parent in folder.absolute().parents if (parent / PIPELINE).is_file()), None)
    if root is not None and _has_remote(root):
        return "fetch the full records (dvc pull), or train again (lineup repro)"
    return "train again to make the full records (lineup repro)"


def how_to_install(package: str) -> str:
    """Return the command that installs an optional package for the running Python.

    If lineup names a version of the package, the command installs this version.

    Examples
    --------
    >>> how_to_install("optuna").partition(" -m ")[2]
    'pip install optuna==5.0.0'
    """
    try:
        named = metadata.requires("lineup") or []
    except metadata.PackageNotFoundError:
        named = []
    wanted = re.compile(rf"{re.escape(package)}==[^;\s]+")
    found = next((match.group() for text in named if (match := wanted.match(text))), package)
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(found)}"


def _has_remote(root: Path) -> bool:
    """Return whether a default DVC remote is configured for the project or the user."""
    try:
        from dvc.config import Config, ConfigError
    except ImportError:
        return False
    try:
        return bool(Config(str(root / ".dvc"))["core"].get("remote"))
    except (ConfigError, OSError):
        return False
