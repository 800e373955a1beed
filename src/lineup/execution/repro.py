"""Run several stages of the pipeline in parallel. The command ``dvc repro`` runs only one stage at a time.

This module starts each stage as soon as its dependencies are up to date. Each stage runs in a separate DVC process, on
this machine or on a worker of a Dask cluster. ``dvc.lock`` contains the hashes of all results, so ``dvc repro`` does
not run the stages again.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder:
...     project = create_project(Path(folder) / "shoes")
...     _ = (project.root / "dvc.yaml").write_text("stages: {hello: {cmd: echo hello}}")
...     repro(project.root, jobs=1)  # doctest: +ELLIPSIS
[hello] stage 1 of 1
[hello] Running stage 'hello':
[hello] hello
[hello] up to date after ... s
1 stage up to date after ... s, 1 at a time
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lineup.errors import LineupError, count
from lineup.execution.executor import Executor
from lineup.execution.local import LocalProcesses
from lineup.execution.pipeline import check_not_busy, locked_stages, sort_new_stages
from lineup.execution.plan import Plan, committed_seconds, previous_seconds, stages_to_run
from lineup.execution.progress import Progress
from lineup.execution.table import StageTable


def repro(
    root: Path,
    jobs: int,
    *,
    environment: Mapping[str, str] | None = None,
    log: Callable[[str], None] | None = None,
    on: str | None = None,
    resources: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Run all stages that are out of date. At most ``jobs`` stages run at the same time on this machine.

    Parameters
    ----------
    root : Path
        Project folder.
    jobs : int
        Largest number of stages that run at the same time, at least 1. Each training run uses ``training.threads``
        threads.
    environment : dict of str to str, optional
        Environment variables for the stages on this machine, in addition to those of this process.
    log : callable, optional
        Called with each line of progress, from several threads. Default: print the line. In a terminal, a table of the
        running stages is shown below the lines.
    on : str, optional
        Address of a Dask scheduler. Its workers run the training and committee stages. Default: this machine runs all
        stages.
    resources : dict of str to dict, optional
        Resources that a model or committee requires, by its name. They are only used with ``on``. Default: none.

    Raises
    ------
    LineupError
        If another DVC process is running in the project, if the cluster cannot be used, or if a stage fails. In the
        last case, all stages that do not depend on the failed stage run first.
    """
    started = time.perf_counter()
    check_not_busy(root)
    needs, locked = stages_to_run(root), locked_stages(root)
    seconds = previous_seconds(root, needs)
    # Another machine can be faster or slower, so its durations only affect the order of parallel stages.
    committed = committed_seconds(root, needs) if on or jobs > 1 else {}
    plan, progress = Plan(needs, committed | seconds), Progress(needs, jobs, seconds)
    with StageTable(progress, log) as table, _executor(root, jobs, table.log, environment, on, resources) as executor:
        table.where = executor.where
        _run(root, plan, progress, executor, table.log)
        summary = executor.summary()
    sort_new_stages(root, locked, list(needs))
    if plan.failed:
        names, rest = ", ".join(sorted(plan.failed)), ", ".join(plan.not_started()) or "nothing else"
        raise LineupError(f"failed: {names}; not run: {rest}; see the output of the failed stage above")
    table.log(f"{count(plan.done, 'stage')} up to date after {time.perf_counter() - started:.0f} s, {summary}")


def _executor(
    root: Path,
    jobs: int,
    log: Callable[[str], None],
    environment: Mapping[str, str] | None,
    on: str | None,
    resources: Mapping[str, Mapping[str, float]] | None,
) -> Executor:
    local = LocalProcesses(root, jobs, log, environment)
    if on is None:
        return local
    from lineup.execution.cluster import Cluster

    return Cluster(root, on, resources or {}, local, log)


def _run(root: Path, plan: Plan, progress: Progress, executor: Executor, log: Callable[[str], None]) -> None:
    """Start each stage as soon as possible, until all stages have ended or cannot start."""
    while True:
        progress.jobs = executor.slots()
        while (name := plan.start(executor.has_room)) is not None:
            log(f"[{name}] {progress.start(name)}")
            executor.start(name)
        if plan.has_ended():
            return
        ended = executor.wait()
        if ended is None:
            continue
        name, status = ended
        seconds = progress.seconds_of(name)
        plan.end(name, succeeded=status == 0)
        progress.end(name)
        if status == 0:
            log(f"[{name}] up to date after {seconds:.0f} s")
        else:
            check_not_busy(root, executor.pids())
            log(f"{name}: failed; stages that do not depend on it continue")
