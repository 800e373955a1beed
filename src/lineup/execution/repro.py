"""Run the pipeline with several stages side by side: ``dvc repro`` runs one at a time.

Each stage is brought up to date by a DVC process of its own, as soon as the stages that it depends on are. DVC itself
decides whether a stage has anything to do, runs it, and writes ``dvc.lock``, so that a plain ``dvc repro`` afterwards
finds nothing left.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lineup.errors import LineupError
from lineup.execution.pipeline import read_pipeline
from lineup.schema import read_json

END_SECONDS = 30.0
"""How long interrupted stages may take to end before they are killed."""

# What DVC prints around the lines of a stage.
NOISE = ("Updating lock file", "Generating lock file", "Use `dvc push`", "> ", "To track the changes", "\tgit add")

CHECK = "check"
"""The stage whose output is always the same: nothing else has to run because it does."""


@dataclass
class Plan:
    """What is left to do.

    Parameters
    ----------
    needs : dict of str to set of str
        Every stage that may have to run, and those of them that must be done before it.
    seconds : dict of str to float
        How long a stage took when it last ran, where that is known. Default: of none.
    running, done, failed : set of str
        Stages by state.
    """

    needs: dict[str, set[str]]
    seconds: dict[str, float] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def ready(self) -> list[str]:
        """Return the stages that can start now, the longest first, so that no long one is left to run alone.

        A stage of which no time is known may be long, too: those come first of all, in the pipeline's order.
        """
        started = self.running | self.done | self.failed
        ready = [name for name, needs in self.needs.items() if name not in started and needs <= self.done]
        return sorted(ready, key=lambda name: -self.seconds.get(name, math.inf))

    def blocked(self) -> list[str]:
        """Return the stages that can never start because one before them failed."""
        lost = set(self.failed)
        for name, needs in self.needs.items():
            if needs & lost:
                lost.add(name)
        return [name for name in self.needs if name in lost - self.failed]


def repro(root: Path, jobs: int, *, tell: Callable[[str], None] = print) -> None:
    """Bring the pipeline up to date, up to ``jobs`` stages at a time.

    Parameters
    ----------
    root : Path
        Project folder.
    jobs : int
        How many stages may run at once, at least 1. Each training has ``training.threads`` threads.
    tell : callable
        Called with each line of progress.

    Raises
    ------
    LineupError
        If a stage fails, after all stages that do not depend on it; or if another DVC process is at work here.
    """
    started = time.perf_counter()
    check_not_busy(root)
    needs = stages_to_run(root)
    plan = Plan(needs, former_seconds(root, needs))
    with _Workers(root, jobs, tell) as workers:
        while True:
            for name in plan.ready()[: jobs - len(plan.running)]:
                plan.running.add(name)
                workers.start(name)
            if not plan.running:
                break
            name, status = workers.wait()
            plan.running.remove(name)
            (plan.failed if status else plan.done).add(name)
            if status:
                check_not_busy(root, workers.processes())
                tell(f"{name}: failed; the stages that do not depend on it continue")
    if plan.failed:
        names, lost = ", ".join(sorted(plan.failed)), ", ".join(plan.blocked()) or "nothing else"
        raise LineupError(f"failed: {names}; not run: {lost}; the lines of that stage above say why")
    tell(f"{len(plan.done)} stages brought up to date in {time.perf_counter() - started:.0f} s, {jobs} at a time")


def check_not_busy(root: Path, own: Iterable[int] = ()) -> None:
    """Raise an error if another DVC process is at work in the project; forget the locks of killed ones.

    DVC notes in ``.dvc/tmp/rwlock`` which process reads and writes which files. It removes the notes of processes that
    have ended, but not of zombies: killed processes whose parent does not ask for their status, as in some containers.

    Parameters
    ----------
    root : Path
        Project folder.
    own : iterable of int
        Numbers of the processes that may be at work.

    Raises
    ------
    LineupError
        Once for all files, with the number and the command of the other process, and what to do.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file():
        return
    holders = _lock_holders(path)
    alive = {number: command for number, command in holders.items() if _is_alive(number)}
    others = [number for number in alive if number not in set(own)]
    if others:
        shown = "; ".join(f"PID {number}: {alive[number]}" for number in others)
        groups = " ".join(f"-{group}" for group in sorted({os.getpgid(number) for number in others}))
        raise LineupError(
            f"{root}: another DVC process is at work here ({shown}); wait until it has ended, or end it and its stage"
            f" with kill -INT {groups}, then run this again"
        )
    if holders and not alive:
        path.unlink(missing_ok=True)


def _lock_holders(path: Path) -> dict[int, str]:
    """Return number and command of each process in DVC's lock file; none if DVC would not read the file either."""
    try:
        held = read_json(path)
        notes = [*held.get("write", {}).values(), *(note for notes in held.get("read", {}).values() for note in notes)]
        return {int(note["pid"]): str(note["cmd"]) for note in notes}
    except (LineupError, AttributeError, KeyError, TypeError, ValueError):
        return {}


def _is_alive(number: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def stages_to_run(root: Path) -> dict[str, set[str]]:
    """Return the stages that are out of date or come after one that is, each with those of them it depends on.

    In the order in which a sequential run would take them.

    Raises
    ------
    LineupError
        If DVC cannot say it; see `lineup.execution.pipeline.read_pipeline`.
    """
    import networkx

    pipeline = read_pipeline(root)
    graph = pipeline.graph
    order = list(networkx.dfs_postorder_nodes(graph))
    wanted = {stage for stage in order if stage.addressing in pipeline.changed}
    for stage in order:  # an edge leads from a stage to one it depends on, which stands before it
        if any(needed in wanted and needed.name != CHECK for needed in graph.successors(stage)):
            wanted.add(stage)
    # By name: an address is relative to the working directory.
    return {
        stage.name: {needed.name for needed in graph.successors(stage) if needed in wanted}
        for stage in order
        if stage in wanted
    }


def former_seconds(root: Path, stages: Iterable[str]) -> dict[str, float]:
    """Return how long trainings and committees took, from the ``runtime.json`` of the records that they left last."""
    folders = {"train": "models", "committee": "committees"}
    seconds = {}
    for stage in stages:
        group, _, name = stage.partition("@")
        path = root / "runs" / folders.get(group, group) / name / "runtime.json"
        try:
            seconds[stage] = float(json.loads(path.read_text(encoding="utf-8"))["training_seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no record yet, or none that says it
    return seconds


class _Workers:
    """Stages at work, each in a DVC process that a thread waits for.

    Leaving the context early, by Ctrl-C for instance, interrupts the stages and waits until they have ended.
    """

    def __init__(self, root: Path, jobs: int, tell: Callable[[str], None]) -> None:
        self._root, self._tell = root, tell
        self._events: queue.Queue[tuple[str, int]] = queue.Queue()
        self._gpus: queue.Queue[str] = queue.Queue()
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._ended = False
        for slot in _gpu_slots(jobs):
            self._gpus.put(slot)

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        end_groups(list(self._running.values()))

    def processes(self) -> list[int]:
        """Return the numbers of the DVC processes that run, each the leader of a process group of its own."""
        return [process.pid for process in list(self._running.values())]

    def start(self, name: str) -> None:
        """Start to bring a stage up to date."""
        threading.Thread(target=self._work, args=(name,), daemon=True).start()

    def wait(self) -> tuple[str, int]:
        """Return the next stage that ends and its exit status."""
        return self._events.get()

    def _work(self, name: str) -> None:
        """Run a stage; whatever happens, its GPU is free afterwards and its exit status is passed on."""
        gpu, status = None, 1
        try:
            gpu = self._gpus.get() if name.startswith("train") and _has_gpus() else None
            status = self._run(name, gpu)
        except OSError as error:
            self._tell(f"[{name}] {error}")
        finally:
            if gpu is not None:
                self._gpus.put(gpu)
            self._events.put((name, status))

    def _run(self, name: str, gpu: str | None) -> int:
        """Run a stage in a process group of its own, pass on what it prints, and return its exit status."""
        arguments = ["--wait-for-lock", "repro", "--single-item", name]
        with start_dvc(arguments, self._root, _environment(gpu), stderr=subprocess.STDOUT) as process:
            self._running[name] = process
            if self._ended:  # between the decision to start it and its start
                os.killpg(process.pid, signal.SIGKILL)
            pass_on(process, lambda line: self._tell(f"[{name}] {line}"))
        del self._running[name]
        return process.returncode


def start_dvc(
    arguments: Sequence[str], root: Path, environment: Mapping[str, str], *, stderr: int | None = None
) -> subprocess.Popen[str]:
    """Start DVC as the leader of a process group of its own; see `pass_on` and `end_groups`."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",  # a line in another encoding is no reason to give up the stage
        bufsize=1,
        start_new_session=True,
    )


def end_groups(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Interrupt DVC processes of `start_dvc` with their shells and stages, and wait until they have ended.

    What does not end in time is killed. DVC itself waits for its stage.
    """
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + END_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def pass_on(process: subprocess.Popen[str], tell: Callable[[str], None]) -> None:
    """Pass on each line that a DVC process prints to its pipe, but not DVC's own advice and news of ``dvc.lock``."""
    assert process.stdout is not None  # it is a pipe
    for line in process.stdout:
        if line.strip() and not line.startswith(NOISE):
            tell(line.rstrip())


def _environment(gpu: str | None) -> Mapping[str, str]:
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    environment = os.environ | {"PATH": os.pathsep.join(folders), "PYTHONUNBUFFERED": "1"}
    return environment if gpu is None else environment | {"CUDA_VISIBLE_DEVICES": gpu}


def _gpu_slots(jobs: int) -> Sequence[str]:
    """Return one GPU number for each job, shared out evenly; empty without GPUs."""
    numbers = _gpus()
    return [numbers[job % len(numbers)] for job in range(jobs)] if numbers else []


def _has_gpus() -> bool:
    return bool(_gpus())


def _gpus() -> list[str]:
    """Return the numbers of the GPUs that this process may use."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [number for number in allowed.split(",") if number.strip()]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listing.splitlines()) if line.startswith("GPU ")]
