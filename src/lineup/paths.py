"""Define the paths of all files and folders in a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lineup.errors import LineupError

FILES = ("params.yaml", "dvc.yaml")


def seed_folder(folder: Path, seed: int) -> Path:
    """Return the folder that contains the record of a run.

    Examples
    --------
    >>> seed_folder(Path("runs/models/basic_cnn"), 2).as_posix()
    'runs/models/basic_cnn/seed_2'
    """
    return folder / f"seed_{seed}"


@dataclass(frozen=True)
class Project:
    """Paths of the files and folders in a project.

    A project is a folder with the files ``params.yaml`` and ``dvc.yaml``.

    Parameters
    ----------
    root : Path
        Absolute path of the project folder.
    """

    root: Path

    @property
    def params(self) -> Path:
        """All settings that a result depends on."""
        return self.root / "params.yaml"

    @property
    def raw(self) -> Path:
        """Return the folder that contains the downloaded or generated files of the dataset."""
        return self.root / "data" / "raw"

    @property
    def dataset(self) -> Path:
        """Return the path of the NPZ file with all images, the labels and the split."""
        return self.root / "data" / "splits" / "dataset.npz"

    @property
    def models(self) -> Path:
        """Return the folder that contains the records of all models."""
        return self.root / "runs" / "models"

    @property
    def committees(self) -> Path:
        """Return the folder that contains the records of all committees."""
        return self.root / "runs" / "committees"

    @property
    def metrics(self) -> Path:
        """Return the folder that contains the mean metrics of each model and committee. Git tracks these files."""
        return self.root / "runs" / "metrics"

    @property
    def compact(self) -> Path:
        """Return the folder that contains a compact record of each run. Git tracks these records."""
        return self.root / "runs" / "compact"

    @property
    def finished(self) -> Path:
        """Return the folder that contains copies of finished training runs. DVC does not delete this folder."""
        return self.root / "runs" / "finished"

    @property
    def backups(self) -> Path:
        """Return the folder that contains the backups of unfinished training runs."""
        return self.root / "runs" / "backups"

    @property
    def selection(self) -> Path:
        """Return the folder that contains the selected members of each committee."""
        return self.root / "runs" / "selection"

    @property
    def experiments(self) -> Path:
        """Return the folder with the records of all experiments outside the pipeline."""
        return self.root / "experiments"

    @property
    def champion(self) -> Path:
        """Return the path of the JSON file that describes the champion."""
        return self.reports / "champion.json"

    @property
    def reports(self) -> Path:
        """Return the folder that contains the pages, tables and figures of the results."""
        return self.root / "reports"


def find_project(start: Path | None = None) -> Project:
    """Return the project that contains a given folder.

    Parameters
    ----------
    start : Path, optional
        Folder where the search starts. It continues in the parent folders. Default: the working directory.

    Raises
    ------
    LineupError
        If no folder contains both ``params.yaml`` and ``dvc.yaml``, or a project contains only one of them. In the
        latter case the search stops, because an incomplete project inside another project is not the outer project.
    """
    start = (start or Path.cwd()).resolve()
    incomplete = None
    for folder in (start, *start.parents):
        found = [name for name in FILES if (folder / name).exists()]
        if found == list(FILES):
            return Project(folder)
        if found:
            incomplete = incomplete or folder
            if "dvc.yaml" in found or (folder / ".dvc").exists():
                break
    if incomplete:
        raise LineupError(_incomplete(incomplete))
    raise LineupError(f"{start}: no params.yaml and dvc.yaml here or in a parent folder; run lineup inside a project")


def _incomplete(folder: Path) -> str:
    """Return an error message if the folder contains only one of the files ``params.yaml`` and ``dvc.yaml``."""
    from lineup.remedies import how_to_restore

    (missing,) = [name for name in FILES if not (folder / name).exists()]
    (there,) = [name for name in FILES if name != missing]
    return f"{folder}: no {missing} beside {there}; {how_to_restore(folder, missing)}"
