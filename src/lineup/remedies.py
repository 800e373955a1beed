"""Suggest how a user gets a missing file back."""

from __future__ import annotations

from pathlib import Path

PIPELINE = "dvc.yaml"


def how_to_restore(root: Path, name: str, otherwise: str = "copy it from where this folder comes") -> str:
    """Return how a user gets a file of the project back: from git, if the project is a git repository."""
    return f"git checkout HEAD -- {name}" if (root / ".git").exists() else otherwise


def how_to_make(path: Path) -> str:
    """Return how a user gets a missing file that the pipeline or a single experiment makes.

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


def _has_remote(root: Path) -> bool:
    """Return whether DVC has a place to fetch files from, in the project's configuration or in that of the user."""
    try:
        from dvc.config import Config, ConfigError
    except ImportError:
        return False
    try:
        return bool(Config(str(root / ".dvc"))["core"].get("remote"))
    except (ConfigError, OSError):
        return False
