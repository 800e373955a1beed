"""Run the package of the project instead of the installed one.

An editable installation belongs to one checkout. In another checkout, such as a git worktree or a temporary one of
``dvc exp run --temp``, a command would hash and run the code of the first checkout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lineup.errors import LineupError
from lineup.paths import find_project

RUNNING = Path(__file__).parent
"""Folder of the running package."""

VARIABLE = "PYTHONPATH"


def run_own_package() -> None:
    """Restart this command with the package of the project, if the project has one and a different one is running.

    Call it before any other import. It does not return if it restarts the command.

    Raises
    ------
    LineupError
        If Python still does not import the package of the project after the restart.
    """
    source = other_source()
    if source is None:
        return
    first, _, others = os.environ.get(VARIABLE, "").partition(os.pathsep)
    if first == str(source):
        raise LineupError(f"{source / 'lineup'}: not imported, but {RUNNING} is; its __init__.py may be unreadable")
    path = os.pathsep.join(filter(None, [str(source), first, others]))
    # -P: Python would look for packages in the working directory first.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "lineup", *sys.argv[1:]], os.environ | {VARIABLE: path})


def other_source() -> Path | None:
    """Return the folder that contains the package of the project around the working directory.

    None if there is no project, if it has no package of its own, or if that package is running.
    """
    try:
        source = find_project().root / "src"
    except LineupError:
        return None
    own = source / "lineup"
    return source if (own / "__init__.py").is_file() and not own.samefile(RUNNING) else None
