"""Run DVC in a process that ends when the parent process ends, even if the parent process is killed.

DVC and its stages run in their own process group. A killed parent process cannot stop this group, so the DVC process
checks whether its parent process still exists.

Examples
--------
>>> dvc_command(["repro"])[1:3] == ["-m", "lineup.execution.dvc_process"]
True
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

WATCH_SECONDS = 1.0
"""Time in seconds between two checks of the parent."""
STOP_SECONDS = 30.0
"""Time in seconds after which an interrupted stage is killed if it has not stopped."""


def dvc_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that runs DVC with arguments and watches the current process."""
    return [sys.executable, "-m", "lineup.execution.dvc_process", str(os.getpid()), *arguments]


def main() -> int:
    """Run DVC. The first argument is the process id of the parent. The other arguments are passed to DVC."""
    from dvc.cli import main as dvc

    parent = int(sys.argv[1])
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()
    status: int = dvc(sys.argv[2:])
    return status


def _watch(parent: int) -> None:
    """Stop the process group of this process when the parent has ended."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.killpg(0, signal.SIGINT)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
