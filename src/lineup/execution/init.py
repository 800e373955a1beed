"""Create a project folder with parameters, a pipeline and a file for the user's own models.

Examples
--------
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     project = create_project(Path(folder) / "shoes")
...     sorted(path.name for path in project.root.iterdir())
['.dvc', '.dvcignore', '.gitignore', 'README.md', 'dvc.yaml', 'models.py', 'params.yaml']
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from importlib import resources
from pathlib import Path
from tempfile import mkdtemp

from lineup.errors import LineupError
from lineup.execution.own_images import OwnImages
from lineup.paths import Project

# Some files have other names in the template, because git or DVC would otherwise use them in lineup's own repository.
FILES = {
    ".dvc/.gitignore": "dvc_gitignore",
    ".dvc/config": "dvc_config",
    ".dvc/plots/confusion_counts.json": "confusion_counts.json",
    ".dvcignore": "dvcignore",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "dvc.yaml": "pipeline.yaml",
    "models.py": "models.py",
    "params.yaml": "params.yaml",
}
"""Files of a new project, with their names in ``lineup/template``."""

_WITHOUT_GIT = "    no_scm = true\n"


def project_files(*, in_git: bool, own: OwnImages | None = None) -> dict[str, bytes]:
    """Return the contents of all files of a new project. The result is a dictionary whose keys are paths relative to
    the project folder.

    Parameters
    ----------
    in_git : bool
        Whether the project is in a git repository. If not, DVC is configured to work without git.
    own : OwnImages, optional
        The user's own images. Default: None, generated images.
    """
    template = resources.files("lineup") / "template"
    files = {name: (template / source).read_bytes() for name, source in FILES.items()}
    if own is not None:
        texts = {name: files[name].decode() for name in ("params.yaml", "dvc.yaml", "README.md")}
        files |= {name: text.encode() for name, text in own.files(texts).items()}
    if not in_git:
        files[".dvc/config"] += _WITHOUT_GIT.encode()
    return files


def create_project(folder: Path, own: OwnImages | None = None) -> Project:
    """Create a project in a folder.

    Parameters
    ----------
    folder : Path
        Folder of the project. It is created, with its parent folders, if it is missing.
    own : OwnImages, optional
        The user's own images. Default: None, generated images.

    Raises
    ------
    LineupError
        If a file of the project already exists. In this case, no files are written.
    """
    root = folder.resolve()
    check_free(root)
    existing = next(path for path in (root, *root.parents) if path.is_dir())
    files = project_files(in_git=_is_in_git(existing, root), own=own)
    # The files are written to a temporary folder on the same disk and then renamed, so a full disk leaves no files.
    partial = Path(mkdtemp(prefix=".lineup-init-", dir=existing))
    try:
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _move(partial, root)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Project(root)


def check_free(root: Path) -> None:
    """Raise an error if a file of the new project would replace an existing file."""
    blocking = next((path for path in (root, *root.parents) if os.path.lexists(path) and not path.is_dir()), None)
    if blocking:
        raise LineupError(f"{blocking}: not a folder; name a new or empty folder")
    found = [name for name in _top_level() if os.path.lexists(root / name)]
    if found:
        raise LineupError(
            f"{root}: {', '.join(found)} would be replaced; name a new or empty folder, or move them away first"
        )


def _move(partial: Path, root: Path) -> None:
    """Move all files of a new project to the project folder.

    If one file cannot be moved, the files that have already been moved are deleted.
    """
    missing = [path for path in (root, *root.parents) if not path.exists()]
    moved: list[Path] = []
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name in _top_level():
            (partial / name).rename(root / name)
            moved.append(root / name)
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def _top_level() -> list[str]:
    return sorted({name.partition("/")[0] for name in FILES})


def _is_in_git(existing: Path, root: Path) -> bool:
    """Return whether a folder belongs to a git repository and is not ignored by git."""
    if not any((folder / ".git").exists() for folder in (existing, *existing.parents)):
        return False
    try:
        # The slash is needed if the folder does not exist yet, because patterns such as /.demo/ match only folders.
        command = ["git", "check-ignore", "--quiet", f"{root}/"]
        ignored = subprocess.run(command, cwd=existing, capture_output=True, check=False)
    except OSError:
        return False  # no git on this machine
    return ignored.returncode == 1
