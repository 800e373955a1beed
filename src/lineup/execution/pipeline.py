"""What DVC says of the pipeline, and what to do where it cannot say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineup.errors import LineupError, shortened
from lineup.paths import FILES
from lineup.remedies import PIPELINE, how_to_restore
from lineup.schema import read_yaml

LOCK = "dvc.lock"


class PipelineError(LineupError):
    """A problem that keeps DVC from reading the pipeline, with what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Pipeline:
    """The pipeline as DVC sees it.

    Parameters
    ----------
    graph : networkx.DiGraph
        An edge leads from a stage to one that it depends on.
    changed : dict of str to list
        Every stage that is out of date, by its address, with DVC's reasons.
    """

    graph: Any
    changed: Mapping[str, list[Any]]

    @property
    def out_of_date(self) -> list[str]:
        """The stages that are out of date, without those that always run."""
        return [name for name, reasons in self.changed.items() if reasons != ["always changed"]]


def read_pipeline(root: Path) -> Pipeline:
    """Return the stages of a project and which of them are out of date.

    ``params.yaml`` and ``dvc.yaml`` are first read with the limits of `lineup.schema.read_yaml`: DVC has none.

    Raises
    ------
    PipelineError
        If DVC cannot say: no DVC repository or no git, a file that cannot be read, or another DVC process at work.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    for name in FILES:
        try:
            read_yaml(root / name)
        except LineupError as error:
            remedy = f"correct it, or take the committed one: {how_to_restore(root, name)}"
            raise PipelineError(str(error), remedy) from error
    try:
        with Repo(str(root)) as repo:
            return Pipeline(repo.index.graph, repo.status())
    except DvcException as error:
        raise _explained(root, error) from error


def _explained(root: Path, error: Exception) -> PipelineError:
    """Return DVC's error in one line, with what to do."""
    from dvc.config import ConfigError
    from dvc.exceptions import NotDvcRepoError
    from dvc.lock import LockError
    from dvc.scm import SCMError

    message, text = shortened(error), str(error)
    if isinstance(error, NotDvcRepoError):
        return PipelineError(
            f"{root}: no folder .dvc here", how_to_restore(root, ".dvc", "dvc init --no-scm makes one")
        )
    if isinstance(error, SCMError):
        return PipelineError(f"{root}: no git repository", "dvc config core.no_scm true lets DVC work without git")
    if isinstance(error, LockError):
        holder = re.search(r"\(PID \d+\): .*", text)
        who = f" {shortened(holder[0], 100)}" if holder else ""
        return PipelineError(f"{root}: another DVC process is at work here{who}", "wait until it has ended")
    if isinstance(error, ConfigError):
        return PipelineError(f"{root}: {message}", "correct .dvc/config")
    if LOCK in text:
        conflict = _conflict(root / LOCK)
        remedy = how_to_restore(root, LOCK, f"delete {LOCK}") + ", then dvc repro"
        return PipelineError(f"{root / LOCK}: cannot be read{conflict}", remedy)
    return PipelineError(f"{root}: {message}", f"correct {PIPELINE} or params.yaml; dvc status says more")


def _conflict(path: Path) -> str:
    """Return the line of the first mark that a merge of git has left, if there is one."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return ""
    number = next((number for number, line in enumerate(lines, 1) if line.startswith(b"<<<<<<< ")), None)
    return f": line {number} is a merge conflict" if number else ""
