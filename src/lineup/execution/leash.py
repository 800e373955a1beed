"""Run a command that stops when the calling process ends, even if the calling process is killed.

The caller opens a pipe to the standard input of this program. The operating system closes the pipe when the caller
ends. A Dask worker runs all stages with this program. If the worker is killed, the stages therefore stop too.

Examples
--------
>>> command = [sys.executable, "-m", "lineup.execution.leash", "sleep", "60"]
>>> subprocess.run(command, stdin=subprocess.DEVNULL).returncode >= 128  # stopped by a signal
True
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

STOP_SECONDS = 20.0
"""Time in seconds after which an interrupted command is killed."""


def run(command: list[str]) -> int:
    """Run a command in its own process group, and return its exit status. At the end, stop the whole group."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_stop_at_end_of_input, args=(child.pid,), daemon=True).start()
    status = child.wait()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return status if status >= 0 else 128 - status


def _stop_at_end_of_input(group: int) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGINT)
        threading.Event().wait(STOP_SECONDS)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
