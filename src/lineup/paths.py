"""Every path of the project, from one root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lineup.errors import LineupError

FILES = ("params.yaml", "dvc.yaml")


def seed_folder(folder: Path, seed: int) -> Path:
    """Return the folder of one run's record in that of its model or committee.

    Examples
    --------
    >>> seed_folder(Path("runs/models/basic_cnn"), 2).as_posix()
    'runs/models/basic_cnn/seed_2'
    """
    return folder / f"seed_{seed}"


@dataclass(frozen=True)
class Project:
    """A folder with ``params.yaml`` and ``dvc.yaml``, and the places below it.

    Parameters
    ----------
    root : Path
        Absolute path of the project folder.
    """

    root: Path

    @property
    def params(self) -> Path:
        """Everything that a result depends on."""
        return self.root / "params.yaml"

    @property
    def raw(self) -> Path:
        """The four IDX files of the dataset and ``dataset.json``."""
        return self.root / "data" / "raw"

    @property
    def dataset(self) -> Path:
        """All images, labels and the nested split, in one NPZ file."""
        return self.root / "data" / "splits" / "dataset.npz"

    @property
    def models(self) -> Path:
        """Records of the models: a folder for each model, with a folder for each seed."""
        return self.root / "runs" / "models"

    @property
    def committees(self) -> Path:
        """Records of the committees: a folder for each committee, with a folder for each run."""
        return self.root / "runs" / "committees"

    @property
    def metrics(self) -> Path:
        """Mean metrics of the models and committees, a JSON file each, which git tracks."""
        return self.root / "runs" / "metrics"

    @property
    def finished(self) -> Path:
        """Finished trainings of the current recipes, kept where DVC does not remove them."""
        return self.root / "runs" / "finished"

    @property
    def backups(self) -> Path:
        """Backups of unfinished trainings, a folder each, removed when the training is done."""
        return self.root / "runs" / "backups"

    @property
    def selection(self) -> Path:
        """The members of each committee, a JSON file each."""
        return self.root / "runs" / "selection"

    @property
    def experiments(self) -> Path:
        """Records of single experiments, outside the pipeline."""
        return self.root / "experiments"

    @property
    def champion(self) -> Path:
        """Who was chosen as the best, and how."""
        return self.reports / "champion.json"

    @property
    def reports(self) -> Path:
        """The pages made from records."""
        return self.root / "reports"


def find_project(start: Path | None = None) -> Project:
    """Return the project that holds a folder.

    Parameters
    ----------
    start : Path, optional
        Where to look first, then in its parents. Default: the working directory.

    Raises
    ------
    LineupError
        If no folder has both ``params.yaml`` and ``dvc.yaml``, or a project on the way up lacks one of them: the
        workspace of the demo is never taken for the project around it.
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
    raise LineupError(
        f"{start}: no params.yaml and dvc.yaml here or above; run lineup inside a checkout of the project"
    )


def _incomplete(folder: Path) -> str:
    """Return the error of a folder that has one of the files of a project, but not the other."""
    from lineup.remedies import how_to_restore

    (missing,) = [name for name in FILES if not (folder / name).exists()]
    (there,) = [name for name in FILES if name != missing]
    return f"{folder}: no {missing} beside {there}; {how_to_restore(folder, missing)}"
