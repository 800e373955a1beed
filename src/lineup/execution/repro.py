"""Run several stages of the pipeline in parallel. The command ``dvc repro`` runs only one stage at a time.

This module starts each stage in a separate DVC process as soon as its dependencies are up to date. DVC writes all
results to ``dvc.lock``, so a later ``dvc repro`` has nothing to do.

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
1 stage up to date after ... s, 1 at a time
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lineup.errors import LineupError, count
from lineup.execution.local import LocalProcesses
from lineup.execution.pipeline import check_not_busy
from lineup.execution.plan import Plan, previous_seconds, stages_to_run
from lineup.execution.progress import Progress


def repro(
    root: Path, jobs: int, *, environment: Mapping[str, str] | None = None, log: Callable[[str], None] = print
) -> None:
    """Run all stages that are out of date. At most ``jobs`` stages run at the same time.

    Parameters
    ----------
    root : Path
        Project folder.
    jobs : int
        Largest number of stages that run at the same time, at least 1. Each training uses ``training.threads`` threads.
    environment : dict of str to str, optional
        Environment variables for the stages, in addition to those of this process.
    log : callable
        Called with each line of progress. Default: print the line.

    Raises
    ------
    LineupError
        If another DVC process is running in the project, or if a stage fails. In the latter case, all stages that do
        not depend on the failed stage run first.
    """
    started = time.perf_counter()
    check_not_busy(root)
    needs = stages_to_run(root)
    seconds = previous_seconds(root, needs)
    plan, progress = Plan(needs, seconds), Progress(needs, jobs, seconds)
    with LocalProcesses(root, jobs, log, environment) as processes:
        while True:
            for name in plan.start(jobs - len(plan.running)):
                log(f"[{name}] {progress.start(name)}")
                processes.start(name)
            if not plan.running:
                break
            name, status = processes.wait()
            plan.end(name, succeeded=status == 0)
            progress.end(name)
            if status:
                check_not_busy(root, processes.pids())
                log(f"{name}: failed; stages that do not depend on it continue")
    if plan.failed:
        names, rest = ", ".join(sorted(plan.failed)), ", ".join(plan.not_started()) or "nothing else"
        raise LineupError(f"failed: {names}; not run: {rest}; see the output of the failed stage above")
    log(f"{count(plan.done, 'stage')} up to date after {time.perf_counter() - started:.0f} s, {jobs} at a time")
