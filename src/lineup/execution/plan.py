"""Find the stages that are out of date, and plan the order in which they run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from lineup.errors import LineupError
from lineup.execution.pipeline import read_pipeline
from lineup.schema import read_json

CODE = "code"
"""Stage that always runs. It has already run, so the other stages do not have to run because of it."""


class Plan:
    """Schedule that starts each stage after all its dependencies have ended.

    Parameters
    ----------
    needs : dict of str to set of str
        Stages that may have to run, each with the stages that must end before it starts.
    seconds : dict of str to float, optional
        Duration of the last run of each stage. Unknown durations may be missing.

    Examples
    --------
    >>> plan = Plan({"split": set(), "train@a": {"split"}, "train@b": {"split"}}, {"train@a": 5, "train@b": 60})
    >>> anywhere = lambda stage: True
    >>> plan.start(anywhere), plan.start(anywhere)
    ('split', None)
    >>> plan.end("split", succeeded=True)
    >>> plan.start(anywhere)
    'train@b'
    """

    def __init__(self, needs: Mapping[str, set[str]], seconds: Mapping[str, float] | None = None) -> None:
        self._stages = list(needs)
        self._seconds = seconds or {}
        self._sorter = TopologicalSorter(needs)
        self._sorter.prepare()
        self._ready: list[str] = []
        self.running: set[str] = set()
        self.done: list[str] = []
        self.failed: list[str] = []

    def start(self, has_room: Callable[[str], bool]) -> str | None:
        """Choose the next stage that can start, and mark the stage as running. Return None if there is none.

        Long stages start first, so that they do not run alone at the end. Stages with an unknown duration start before
        all other stages. Stages with the same duration start in the order of the pipeline.
        """
        self._ready += self._sorter.get_ready()
        self._ready.sort(key=lambda name: (-self._seconds.get(name, math.inf), self._stages.index(name)))
        name = next((name for name in self._ready if has_room(name)), None)
        if name is not None:
            self._ready.remove(name)
            self.running.add(name)
        return name

    def has_ended(self) -> bool:
        """Return whether no stage is running and no stage is ready to start. Call this method after `start` has
        returned None.
        """
        return not self.running and not self._ready

    def end(self, name: str, *, succeeded: bool) -> None:
        """Mark a running stage as done or failed. Stages that depend on a failed stage never start."""
        self.running.remove(name)
        if succeeded:
            self._sorter.done(name)
            self.done.append(name)
        else:
            self.failed.append(name)

    def not_started(self) -> list[str]:
        """Return all stages that have not started yet, in the order of the pipeline."""
        started = {*self.running, *self.done, *self.failed}
        return [name for name in self._stages if name not in started]


def stages_to_run(root: Path) -> dict[str, set[str]]:
    """Return all stages that are out of date, and all stages that depend on them.

    Each stage comes after its dependencies.

    Parameters
    ----------
    root : Path
        Project folder.

    Returns
    -------
    dict of str to set of str
        Names of the stages to run, each with its dependencies among these stages.

    Raises
    ------
    LineupError
        If DVC cannot read the pipeline; see `lineup.execution.pipeline.read_pipeline`.
    """
    import networkx

    pipeline = read_pipeline(root)
    graph = pipeline.graph
    order = list(networkx.dfs_postorder_nodes(graph))
    wanted = {stage for stage in order if stage.addressing in pipeline.changed}
    for stage in order:  # each stage comes after those that it depends on
        if any(needed in wanted and needed.name != CODE for needed in graph.successors(stage)):
            wanted.add(stage)
    # The keys are names, because the address of a stage is relative to the working directory.
    return {
        stage.name: {needed.name for needed in graph.successors(stage) if needed in wanted}
        for stage in order
        if stage in wanted
    }


def previous_seconds(root: Path, stages: Iterable[str]) -> dict[str, float]:
    """For each training stage and each committee stage, return the duration of its last run in seconds.

    Parameters
    ----------
    root : Path
        Project folder.
    stages : iterable of str
        Names of stages. Stages without a record are ignored.
    """
    return _seconds(stages, root / "runs" / "models", root / "runs" / "committees")


def committed_seconds(root: Path, stages: Iterable[str]) -> dict[str, float]:
    """Return the durations from the compact records, as in `previous_seconds`.

    Git tracks compact records. In a new clone, they show which stages take the longest, even if the stages ran on
    another machine.
    """
    compact = root / "runs" / "compact"
    return _seconds(stages, compact, compact)


def _seconds(stages: Iterable[str], models: Path, committees: Path) -> dict[str, float]:
    folders = {"train": models, "committee": committees}
    seconds = {}
    for stage in stages:
        group, at, name = stage.partition("@")
        if not at or group not in folders:
            continue
        records = (folders[group] / name).rglob("runtime.json")
        if times := [time for path in records if (time := _training_seconds(path)) is not None]:
            seconds[stage] = sum(times)
    return seconds


def _training_seconds(path: Path) -> float | None:
    try:
        return float(read_json(path)["training_seconds"])
    except (LineupError, ValueError, KeyError, TypeError):
        return None  # a damaged file does not stop the pipeline: the time is only used to order stages
