"""End a stage if its DVC process no longer exists.

DVC runs each stage in a shell. If DVC is killed, the shell and the stage continue to run, and the next ``dvc repro``
starts the same stage a second time. To prevent this, each stage checks whether its DVC process still exists. DVC has a
file that lists all processes that run stages (see `lineup.execution.pipeline.lock_holders`). Each stage searches for
its nearest ancestor process in this list. This ancestor is the DVC process of the stage. The ancestors of a stage can
include a shell that DVC has started.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     child_of_dvc(Path(folder)) is None  # DVC is not running here
True
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.execution.pipeline import lock_holders

if TYPE_CHECKING:
    import psutil

WATCH_SECONDS = 1.0
"""Time in seconds between two checks of the DVC process."""
ATTEMPTS, ATTEMPT_SECONDS = 3, 0.1
"""Number of attempts to read the list of DVC processes. Another DVC process may be writing the file."""


def end_with_dvc(root: Path) -> None:
    """Stop this process with SIGTERM as soon as its DVC process ends.

    Call this function after `lineup.signals.handle_signals`, so that the signal ends the process cleanly. If no
    ancestor of this process is a DVC process of the project, the function has no effect.

    Parameters
    ----------
    root : Path
        Folder of the DVC project.
    """
    for _ in range(ATTEMPTS):
        if found := child_of_dvc(root):
            threading.Thread(target=_watch, args=found, name="dvc", daemon=True).start()
            return
        time.sleep(ATTEMPT_SECONDS)


def child_of_dvc(root: Path) -> tuple[psutil.Process, int] | None:
    """Find the DVC process that runs this stage. Return None if there is none.

    Parameters
    ----------
    root : Path
        Folder of the DVC project.

    Returns
    -------
    child : psutil.Process
        The child of the DVC process. It is this process or an ancestor of it, such as a shell.
    dvc : int
        Id of the DVC process.
    """
    import psutil

    holders, child = lock_holders(root), psutil.Process()
    with suppress(psutil.Error):  # another ancestor may end at this moment
        while (parent := child.parent()) is not None:
            if parent.pid in holders:
                return child, parent.pid
            child = parent
    return None


def _watch(child: psutil.Process, dvc: int) -> None:
    while _is_child(child, dvc):
        time.sleep(WATCH_SECONDS)
    with suppress(OSError):  # the terminal may be closed
        print("the DVC process of this stage has ended", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_child(child: psutil.Process, parent: int) -> bool:
    """Return whether a process is still running and still has the same parent."""
    import psutil

    try:
        return child.ppid() == parent
    except psutil.NoSuchProcess:
        return False
