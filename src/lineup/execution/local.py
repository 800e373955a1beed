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
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lineup.execution.dvc_process import STOP_SECONDS, dvc_command

# Lines that DVC prints around the output of a stage.
NOISE = ("Updating lock file", "Generating lock file", "Use `dvc push`", "> ", "To track the changes", "\tgit add")


class LocalProcesses:
    """Executor that uses this machine (see `lineup.execution.executor`). Each stage runs in a separate DVC process.

    Several stages can run at the same time. If the context ends early, for example after Ctrl-C, all running stages are
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
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._closed = False
        for gpu in _gpu_slots(jobs):
            self._gpus.put(gpu)

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        stop_groups(list(self._running.values()))

    def pids(self) -> list[int]:
        """Return the process ids of all running DVC processes. Each process id is also the id of a process group."""
        return [process.pid for process in list(self._running.values())]

    def slots(self) -> int:
        """Return the number of stages that can run at the same time."""
        return self._jobs

    def has_room(self, _: str) -> bool:
        """Return whether fewer stages are running than allowed."""
        return len(self._started) < self._jobs

    def where(self, _: str) -> str:
        """Return the place of each stage."""
        return "here"

    def summary(self) -> str:
        """Return the number of jobs."""
        return f"{self._jobs} at a time"

    def start(self, name: str) -> None:
        """Start a DVC process that runs a stage if the stage is out of date."""
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
        """Run a stage and report its exit status. Even after an error, the GPU is released for other stages."""
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
        """Run a stage in its own process group, print its output, and return its exit status."""
        arguments = ["--wait-for-lock", "repro", "--single-item", name]
        environment = self._environment | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
        with start_dvc(arguments, self._root, environment, stderr=subprocess.STDOUT) as process:
            self._running[name] = process
            if self._closed:  # closed between the decision to start the stage and its start
                os.killpg(process.pid, signal.SIGKILL)
            pass_on(process, lambda line: self._log(f"[{name}] {line}"))
        del self._running[name]
        return process.returncode


def stage_environment() -> dict[str, str]:
    """Return environment variables that let all stages use the current Python environment.

    This environment does not need to be activated.
    """
    path = [str(Path(sys.executable).parent), *filter(None, [os.environ.get("PATH")])]
    return os.environ | {"PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def start_dvc(
    arguments: Sequence[str], root: Path, environment: Mapping[str, str], *, stderr: int | None = None
) -> subprocess.Popen[str]:
    """Start DVC in its own process group. To stop DVC and the running stage, call `stop_groups`.

    The group stops by itself if this process is killed.
    """
    return subprocess.Popen(
        dvc_command(arguments),
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",  # a line in another encoding must not stop the stage
        bufsize=1,
        start_new_session=True,
    )


def stop_groups(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Interrupt DVC processes and their stages, and wait until all processes have stopped.

    A process that does not stop within `STOP_SECONDS` is killed. DVC itself waits for its stage.
    """
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def pass_on(process: subprocess.Popen[str], log: Callable[[str], None]) -> None:
    """Log the output of a DVC process without the hints and messages of DVC itself."""
    assert process.stdout is not None  # it is a pipe
    for line in process.stdout:
        if line.strip() and not line.startswith(NOISE):
            log(line.rstrip())


def _gpu_slots(jobs: int) -> Sequence[str]:
    """Assign a GPU number to each job. If there are no GPUs, return an empty sequence.

    The jobs are distributed evenly over the GPUs.
    """
    numbers = _gpu_numbers()
    return [numbers[job % len(numbers)] for job in range(jobs)] if numbers else []


def _gpu_numbers() -> list[str]:
    """Return the numbers of the GPUs that are visible to this process."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [number for number in allowed.split(",") if number.strip()]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listing.splitlines()) if line.startswith("GPU ")]
