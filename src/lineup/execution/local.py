"""Run stages in parallel DVC processes on this machine.

Examples
--------
>>> import shutil
>>> Path(shutil.which("python", path=stage_environment()["PATH"])).parent == Path(sys.executable).parent
True
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lineup.execution.dvc_process import DvcProcess, stop


class LocalProcesses:
    """Executor that uses this machine (see `lineup.execution.executor`). Stages run in DVC processes.

    A DVC process runs one stage at a time. After a stage, the same process can run the next stage. Several processes
    can run stages at the same time. If the ``with`` block ends early, for example after Ctrl-C, all running stages are
    interrupted.

    Parameters
    ----------
    root : Path
        Project folder.
    jobs : int
        Largest number of stages that run at the same time. With GPUs, each training run uses one GPU.
    log : callable
        Called with each line that a stage prints.
    environment : dict of str to str, optional
        Environment variables for the stages, in addition to those of `stage_environment`.
    """

    def __init__(
        self, root: Path, jobs: int, log: Callable[[str], None], environment: Mapping[str, str] | None = None
    ) -> None:
        self._root, self._jobs, self._log = root, jobs, log
        self._environment = stage_environment() | dict(environment or {})
        # Another executor that uses this one adds its own stages. It can also add None, for a stage to start again.
        self.events: queue.Queue[tuple[str, int | None]] = queue.Queue()
        self._started: set[str] = set()
        self._gpus: queue.Queue[str] = queue.Queue()
        self._running: dict[str, DvcProcess] = {}
        self._idle: queue.SimpleQueue[DvcProcess] = queue.SimpleQueue()
        self._closed = False
        for gpu in _gpu_slots(jobs):
            self._gpus.put(gpu)

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        stop(list(self._running.values()))
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def pids(self) -> list[int]:
        """Return the ids of all DVC processes that run a stage. Each process id is also the id of a process group."""
        return [process.pid for process in list(self._running.values())]

    def slots(self) -> int:
        """Return the number of stages that can run at the same time."""
        return self._jobs

    def has_room(self, _: str) -> bool:
        """Return whether another stage can start on this machine."""
        return len(self._started) < self._jobs

    def where(self, _: str) -> str:
        """Return the place of each stage."""
        return "here"

    def summary(self) -> str:
        """Return the number of jobs."""
        return f"{self._jobs} at a time"

    def start(self, name: str) -> None:
        """Run a stage in a DVC process if the stage is out of date."""
        self._started.add(name)
        threading.Thread(target=self._work, args=(name,), daemon=True).start()

    def wait(self) -> tuple[str, int]:
        """Wait for the next stage to end, and return its name and exit status."""
        name, status = self.events.get()
        self.release(name)
        return name, status or 0

    def release(self, name: str) -> None:
        """Make room after a stage has ended."""
        self._started.discard(name)

    def _work(self, name: str) -> None:
        """Run a stage and report its exit status. Other stages can use the GPU afterwards, even if this stage fails."""
        gpu, status = None, 1
        try:
            gpu = self._gpus.get() if name.startswith("train") and _gpu_numbers() else None
            status = self._run(name, gpu)
        except OSError as error:
            self._log(f"[{name}] {error}")
        finally:
            if gpu is not None:
                self._gpus.put(gpu)
            self.events.put((name, status))

    def _run(self, name: str, gpu: str | None) -> int:
        """Run a stage in an idle DVC process or in a new one. Log the output, and return the exit status."""
        try:
            process = self._idle.get_nowait()
        except queue.Empty:
            process = DvcProcess(self._root, self._environment)
        self._running[name] = process
        if self._closed:  # closed between the decision to start the stage and its start
            process.kill()
        arguments = ["--wait-for-lock", "repro", "--single-item", name]
        variables = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        status = process.run(arguments, lambda line: self._log(f"[{name}] {line}"), variables)
        del self._running[name]
        if process.is_alive and not self._closed:
            self._idle.put(process)
        return status


def stage_environment() -> dict[str, str]:
    """Return environment variables that let all stages use the current Python environment.

    This environment does not need to be activated.
    """
    path = [str(Path(sys.executable).parent), *filter(None, [os.environ.get("PATH")])]
    return os.environ | {"PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def _gpu_slots(jobs: int) -> Sequence[str]:
    """Assign a GPU number to each job. If there are no GPUs, return an empty sequence.

    The jobs are distributed evenly over the GPUs.
    """
    numbers = _gpu_numbers()
    return [numbers[job % len(numbers)] for job in range(jobs)] if numbers else []


def _gpu_numbers() -> list[str]:
    """Return the numbers of the GPUs that this process can use."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [number for number in allowed.split(",") if number.strip()]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listing.splitlines()) if line.startswith("GPU ")]
