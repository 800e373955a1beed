"""The paths of all files and folders in a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lineup.errors import LineupError

FILES = ("params.yaml", "dvc.yaml")


def seed_folder(folder: Path, seed: int) -> Path:
    """Return the folder for the record of one run, in the folder of its model or committee.

    Examples
    --------
    >>> seed_folder(Path("runs/models/basic_cnn"), 2).as_posix()
    'runs/models/basic_cnn/seed_2'
    """
    return folder / f"seed_{seed}"


@dataclass(frozen=True)
class Project:
    """A folder with ``params.yaml`` and ``dvc.yaml``, and the paths in it.

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
        """The downloaded or generated dataset and ``dataset.json``."""
        return self.root / "data" / "raw"

    @property
    def dataset(self) -> Path:
        """All images, labels and the nested split, in one NPZ file."""
        return self.root / "data" / "splits" / "dataset.npz"

    @property
    def models(self) -> Path:
        """Records of the models: one folder per model, with one folder per seed."""
        return self.root / "runs" / "models"

    @property
    def committees(self) -> Path:
        """Records of the committees: one folder per committee, with one folder per run."""
        return self.root / "runs" / "committees"

    @property
    def metrics(self) -> Path:
        """Mean metrics: one JSON file per model or committee, tracked by git."""
        return self.root / "runs" / "metrics"

    @property
    def finished(self) -> Path:
        """Finished trainings of the current recipes, in a folder that DVC does not delete."""
        return self.root / "runs" / "finished"

    @property
    def backups(self) -> Path:
        """Backups: one folder per unfinished training, removed when the training ends."""
        return self.root / "runs" / "backups"

    @property
    def selection(self) -> Path:
        """The members of the committees: one JSON file per committee."""
        return self.root / "runs" / "selection"

    @property
    def experiments(self) -> Path:
        """Records of single experiments, outside the pipeline."""
        return self.root / "experiments"

    @property
    def champion(self) -> Path:
        """The champion, and how it was chosen."""
        return self.reports / "champion.json"

    @property
    def reports(self) -> Path:
        """The pages, tables and figures made from records."""
        return self.root / "reports"


def find_project(start: Path | None = None) -> Project:
    """Return the project that contains a folder.

    Parameters
    ----------
    start : Path, optional
        The first folder to look in; its parents follow. Default: the working directory.

    Raises
    ------
    LineupError
        If no folder has both ``params.yaml`` and ``dvc.yaml``, or a project has only one of them. In the latter case,
        the search stops there: an incomplete project inside another one is not the other one.
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
    """Return the error message for a folder that has only one of the two files of a project."""
    from lineup.remedies import how_to_restore

    (missing,) = [name for name in FILES if not (folder / name).exists()]
    (there,) = [name for name in FILES if name != missing]
    return f"{folder}: no {missing} beside {there}; {how_to_restore(folder, missing)}"
