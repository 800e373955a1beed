"""Run the stages that are out of date, several at the same time; ``dvc repro`` runs one at a time.

A DVC process brings each stage up to date as soon as the stages before it are done. DVC decides whether the stage has
to run, runs it and writes ``dvc.lock``, so that ``dvc repro`` has nothing left to do afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lineup.errors import LineupError
from lineup.execution.local import LocalProcesses
from lineup.execution.pipeline import check_not_busy
from lineup.execution.plan import Plan, previous_seconds, stages_to_run


def repro(
    root: Path, jobs: int, *, environment: Mapping[str, str] | None = None, log: Callable[[str], None] = print
) -> None:
    """Bring the pipeline up to date, up to ``jobs`` stages at a time.

    Parameters
    ----------
    root : Path
        Project folder.
    jobs : int
        How many stages may run at the same time, at least 1. Each training uses ``training.threads`` threads.
    environment : dict of str to str, optional
        Variables that the stages get beside those of this process.
    log : callable
        Called with each line of progress. Default: print it.

    Raises
    ------
    LineupError
        If a stage fails, after all stages that do not depend on it; or if another DVC process is running here.
    """
    started = time.perf_counter()
    check_not_busy(root)
    needs = stages_to_run(root)
    plan = Plan(needs, previous_seconds(root, needs))
    with LocalProcesses(root, jobs, log, environment) as processes:
        while True:
            for name in plan.start(jobs - len(plan.running)):
                processes.start(name)
            if not plan.running:
                break
            name, status = processes.wait()
            plan.end(name, succeeded=status == 0)
            if status:
                check_not_busy(root, processes.pids())
                log(f"{name}: failed; stages that do not depend on it continue")
    if plan.failed:
        names, rest = ", ".join(sorted(plan.failed)), ", ".join(plan.not_started()) or "nothing else"
        raise LineupError(f"failed: {names}; not run: {rest}; the output of the failed stage above gives the reason")
    log(f"{len(plan.done)} stages up to date after {time.perf_counter() - started:.0f} s, {jobs} at a time")
