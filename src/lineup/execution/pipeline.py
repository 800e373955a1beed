"""Ask DVC for the state of the pipeline, and explain DVC errors.

Examples
--------
>>> changed = {"code": ["always changed"], "split": [{"changed deps": {"data/raw": "modified"}}]}
>>> Pipeline(graph=None, changed=changed).out_of_date
['split']
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineup.errors import LineupError, shortened
from lineup.paths import FILES
from lineup.remedies import PIPELINE, how_to_restore
from lineup.schema import LOCK_BYTES, read_json, read_yaml

LOCK = "dvc.lock"


class PipelineError(LineupError):
    """Raised if DVC cannot read the pipeline. The error message suggests a fix."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Pipeline:
    """State of the pipeline.

    Parameters
    ----------
    graph : networkx.DiGraph
        Graph of the stages. An edge leads from a stage to a stage that it depends on.
    changed : dict of str to list
        For each stage that is out of date, the reasons that DVC gives, by address of the stage.
    """

    graph: Any
    changed: Mapping[str, list[Any]]

    @property
    def out_of_date(self) -> list[str]:
        """Return the names of the stages that are out of date, except the stages that always run."""
        return [name for name, reasons in self.changed.items() if reasons != ["always changed"]]


def read_pipeline(root: Path) -> Pipeline:
    """Read the stages of a project, and find the stages that are out of date.

    ``params.yaml`` and ``dvc.yaml`` are first checked with `lineup.schema.read_yaml`, because DVC does not limit their
    size.

    Raises
    ------
    PipelineError
        If there is no DVC repository or no git repository, if a file cannot be read, or if another DVC process is
        running.
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
    """Explain a DVC error in one line, and suggest a fix."""
    from dvc.config import ConfigError
    from dvc.exceptions import NotDvcRepoError
    from dvc.lock import LockError
    from dvc.scm import SCMError

    message, text = shortened(error), str(error)
    if isinstance(error, NotDvcRepoError):
        return PipelineError(
            f"{root}: no folder .dvc here", how_to_restore(root, ".dvc", "dvc init --no-scm creates it")
        )
    if isinstance(error, SCMError):
        return PipelineError(f"{root}: no git repository", "dvc config core.no_scm true lets DVC work without git")
    if isinstance(error, LockError):
        holder = re.search(r"\(PID \d+\): .*", text)
        who = f" {shortened(holder[0], 100)}" if holder else ""
        return PipelineError(f"{root}: another DVC process is running in this project{who}", "wait until it ends")
    if isinstance(error, ConfigError):
        return PipelineError(f"{root}: {message}", "correct .dvc/config")
    if LOCK in text:
        conflict = _conflict(root / LOCK)
        remedy = how_to_restore(root, LOCK, f"delete {LOCK}") + ", then dvc repro"
        return PipelineError(f"{root / LOCK}: cannot be read{conflict}", remedy)
    return PipelineError(f"{root}: {message}", f"correct {PIPELINE} or params.yaml; dvc status shows the details")


def _conflict(path: Path) -> str:
    """Describe the first git merge conflict in a file, with its line number.

    Return an empty string if there is no conflict.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return ""
    number = next((number for number, line in enumerate(lines, 1) if line.startswith(b"<<<<<<< ")), None)
    return f": line {number} is a merge conflict" if number else ""


def locked_stages(root: Path) -> list[str]:
    """Return the names of the stages in ``dvc.lock``, in the order of the file. The file may be missing."""
    path = root / LOCK
    return list(read_yaml(path, max_bytes=LOCK_BYTES).get("stages") or {}) if path.is_file() else []


def sort_new_stages(root: Path, locked: Sequence[str], order: Sequence[str]) -> None:
    """Sort the new stages in ``dvc.lock`` as if ``dvc repro`` had run them one after another.

    DVC appends each new stage when it ends. Before the sorting, the order of the new stages depends on their durations.

    Parameters
    ----------
    root : Path
        Project folder.
    locked : sequence of str
        Stages that were in the file before. They keep their places.
    order : sequence of str
        The order in which ``dvc repro`` runs the stages.
    """
    names = locked_stages(root)
    wanted = [name for name in locked if name in names]
    wanted += sorted((name for name in names if name not in locked), key=list(order).index)
    if names == wanted:
        return
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(str(root / LOCK)) as content:
        content["stages"] = {name: content["stages"][name] for name in wanted}


def check_not_busy(root: Path, own: Iterable[int] = ()) -> None:
    """Raise an error if another DVC process is running in the project. Remove the locks of killed processes.

    DVC itself removes the locks of ended processes, but not the locks of zombie processes. In some containers, zombie
    processes are never removed.

    Parameters
    ----------
    root : Path
        Project folder.
    own : iterable of int
        Ids of processes that are allowed to run. Default: none.

    Raises
    ------
    LineupError
        If another process is running. The message contains its id, its command and a remedy.
    """
    holders = lock_holders(root)
    alive = {pid: command for pid, command in holders.items() if _is_alive(pid)}
    others = [pid for pid in alive if pid not in set(own)]
    if others:
        shown = "; ".join(f"PID {pid}: {alive[pid]}" for pid in others)
        groups = " ".join(f"-{group}" for group in sorted({os.getpgid(pid) for pid in others}))
        raise LineupError(
            f"{root}: another DVC process is running in this project ({shown}); wait until it ends, or stop it and its"
            f" stage with kill -INT {groups}, then run this command again"
        )
    if holders and not alive:
        _lock_file(root).unlink(missing_ok=True)


def lock_holders(root: Path) -> dict[int, str]:
    """Return the id and the command of each DVC process that runs stages. Killed processes are included.

    The file ``.dvc/tmp/rwlock`` lists the files that each DVC process reads or writes. The result is empty if the file
    is missing or incomplete.
    """
    try:
        held = read_json(_lock_file(root))
        notes = [*held.get("write", {}).values(), *(note for notes in held.get("read", {}).values() for note in notes)]
        return {int(note["pid"]): str(note["cmd"]) for note in notes}
    except (LineupError, AttributeError, KeyError, TypeError, ValueError):
        return {}


def _lock_file(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "rwlock"


def _is_alive(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
