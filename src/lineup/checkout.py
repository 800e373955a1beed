"""Run the package of the current project instead of the installed package.

An editable installation always runs the code of the same checkout, even in the working directory of another checkout.
This module ensures that each command runs the code of its own project, for example in a git worktree.

Examples
--------
>>> from contextlib import chdir
>>> with chdir("/"):  # this folder is not in a project
...     project_source() is None
True
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
    """Restart the command if it does not run the package of the current project.

    Call this function before you import other modules of the package. If the command is restarted, the function does
    not return.

    Raises
    ------
    LineupError
        If Python still does not import the package of the project after the restart.
    """
    source = project_source()
    if source is None:
        return
    first, _, others = os.environ.get(VARIABLE, "").partition(os.pathsep)
    if first == str(source):
        raise LineupError(
            f"{source / 'lineup'}: not imported, found {RUNNING} instead; its __init__.py may be unreadable"
        )
    path = os.pathsep.join(filter(None, [str(source), first, others]))
    # -P: Python would look for packages in the working directory first.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "lineup", *sys.argv[1:]], os.environ | {VARIABLE: path})


def project_source() -> Path | None:
    """Return the folder ``src`` of the current project if Python must import the package from there.

    If the project has no package or its package is already running, return None.
    """
    try:
        source = find_project().root / "src"
    except LineupError:
        return None
    own = source / "lineup"
    return source if (own / "__init__.py").is_file() and not own.samefile(RUNNING) else None
