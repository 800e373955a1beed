"""Run DVC commands one after another in one process. Importing DVC takes about a second.

The process ends when its parent process ends, even if the parent process is killed. DVC and its stages run in their own
process group. If the parent process is killed, it cannot stop this process group. The process therefore checks whether
its parent still exists.

Examples
--------
>>> from contextlib import closing
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder, closing(DvcProcess(Path(folder), os.environ)) as process:
...     process.run(["version", "--nothing"], lambda line: None)
254
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

WATCH_SECONDS = 1.0
"""Time in seconds between two checks of the parent."""
STOP_SECONDS = 30.0
"""Time in seconds after which an interrupted stage is killed if it has not stopped."""
INTERRUPTED = 252
"""Exit status of an interrupted DVC command."""
NOISE = ("Updating lock file", "Generating lock file", "Use `dvc push`", "> ", "To track the changes", "\tgit add")
"""Lines that DVC prints around the output of a stage."""


class DvcProcess:
    """A process that runs DVC commands in its own process group.

    Parameters
    ----------
    root : Path
        Project folder.
    environment : dict of str to str
        Environment variables.

    Raises
    ------
    OSError
        If the process cannot start, for example because the folder does not exist.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._end = secrets.token_hex(8)  # marks the end of a command in the output
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lineup.execution.dvc_process", str(os.getpid()), self._end],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",  # a line in another encoding must not stop the stage
            bufsize=1,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id, which is also the id of the process group."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process can run another command."""
        return self._process.poll() is None

    def run(
        self, arguments: Sequence[str], log: Callable[[str], None], variables: Mapping[str, str] | None = None
    ) -> int:
        """Run a DVC command, and return its exit status.

        Parameters
        ----------
        arguments : sequence of str
            Arguments of DVC.
        log : callable
            Called with each line of output, without the hints and messages of DVC itself.
        variables : dict of str to str, optional
            Environment variables for this command only. Default: none.
        """
        assert self._process.stdin is not None  # both are pipes
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # the process was killed, so there is no output
            self._process.stdin.write(json.dumps([list(arguments), dict(variables or {})]) + "\n")
        for line in self._process.stdout:
            if line.startswith(self._end):
                return int(line.split()[1])
            if line.strip() and not line.startswith(NOISE):
                log(line.rstrip())
        return self._process.wait() or 1

    def close(self) -> None:
        """Let the process end after the current command, and wait until it has ended."""
        self._close_input()
        self._process.wait()
        assert self._process.stdout is not None  # it is a pipe
        self._process.stdout.close()

    def _close_input(self) -> None:
        assert self._process.stdin is not None  # it is a pipe
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def interrupt(self) -> None:
        """Interrupt the process and the stage that it runs. The process ends as soon as the stage has ended."""
        self._signal(signal.SIGINT)
        self._close_input()

    def kill(self) -> None:
        """Kill the process and the stage that it runs."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended. Kill the process if it is still running after ``seconds`` seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def stop(processes: Sequence[DvcProcess]) -> None:
    """Interrupt DVC processes and their stages, and wait until all processes have stopped.

    A process that does not stop within `STOP_SECONDS` is killed. DVC itself waits for its stage.
    """
    for process in processes:
        process.interrupt()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.wait(max(deadline - time.monotonic(), 0))


def main() -> None:
    """Run the commands from standard input. The first argument is the process id of the parent. The second argument is
    a line that marks the end of a command.
    """
    from dvc.cli import main as dvc

    parent, end = int(sys.argv[1]), sys.argv[2]
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a stage must not read the next command
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()
    status = 0
    with suppress(KeyboardInterrupt):
        while status != INTERRUPTED and (line := commands.readline()):
            arguments, variables = json.loads(line)
            former = dict(os.environ)
            os.environ.update(variables)
            sys.argv = ["dvc", *arguments]  # DVC writes this command to its list of running processes
            status = dvc(arguments)
            os.environ.clear()
            os.environ.update(former)
            sys.stderr.flush()
            print(f"\n{end} {status}", flush=True)


def _watch(parent: int) -> None:
    """When the parent process has ended, stop the process group of this process."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.killpg(0, signal.SIGINT)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
