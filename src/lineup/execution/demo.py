"""The demo: the whole pipeline, small, in a DVC workspace of its own beside the real results."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path

from lineup.errors import LineupError
from lineup.files import replacing_file
from lineup.paths import Project

FOLDER = ".demo"
PARAMS = "params.demo.yaml"
FOLDERS = (".dvc/plots", "benchmarks/results/reproduction")
"""What of the checkout's folders stages depend on."""
FORMER = "src/lineup"
"""Demos of earlier versions copied the package here. It would run in place of the checkout's own."""

# The workspace belongs to no git repository: that of the checkout, if there is one, ignores it.
_CONFIG = """\
[core]
    no_scm = true
    analytics = false
    check_update = false
"""


def prepare_demo(project: Project) -> Path:
    """Bring the demo's workspace up to date with the checkout: pipeline and parameters.

    What an earlier demo made (``dvc.lock``, ``data``, ``runs``, DVC's cache) stays, and so do files that are as they
    should be, times included: DVC then finds nothing to do. Nothing outside the workspace is written.

    Parameters
    ----------
    project : Project
        The checkout.

    Returns
    -------
    Path
        The workspace, ``.demo`` in the project folder.

    Raises
    ------
    LineupError
        If ``params.demo.yaml`` is missing.
    """
    if not (project.root / PARAMS).is_file():
        raise LineupError(f"{project.root / PARAMS}: no such file; run the demo in a complete checkout of the project")
    demo = project.root / FOLDER
    sources = _sources(project.root)
    _remove_stale(demo, sources)
    for name, source in sources.items():
        _update(demo / name, source.read_bytes())
    _update(demo / ".dvc" / "config", _CONFIG.encode())
    return demo


def run_demo(project: Project) -> None:
    """Run the pipeline in the demo's workspace, then print its leaderboard.

    Parameters
    ----------
    project : Project
        The checkout. The demo's runs go to its MLflow store.

    Raises
    ------
    LineupError
        If ``params.demo.yaml`` has a mistake, or a stage fails.
    """
    from lineup.execution.local import pass_on, start_dvc, stop_groups
    from lineup.pages.show import show_leaderboard
    from lineup.params import load_params

    demo = prepare_demo(project)
    params = load_params(project.root / PARAMS)  # before DVC reads it, which has no limits
    with start_dvc(["repro"], demo, _environment(project)) as process:
        try:
            pass_on(process, partial(print, flush=True))
        except BaseException:  # such as Ctrl-C: the stage ends, too
            stop_groups([process])
            raise
    if status := process.returncode:
        raise LineupError(
            f"{demo}: dvc repro failed with exit status {status}; the lines above name the stage and say why,"
            " and the next `make demo` goes on from there"
        )
    show_leaderboard(Project(demo))
    print(*next_steps(project, params.data.name), sep="\n")


def next_steps(project: Project, data: str) -> list[str]:
    """Return how to see the demo's runs and how to serve its champion, in commands that name the store it filled.

    Parameters
    ----------
    project : Project
        The checkout.
    data : str
        Name of the demo's dataset.
    """
    from lineup.tracking.address import VARIABLE, shown_uri, tracking_uri
    from lineup.tracking.store import experiment_name

    given, shown = os.environ.get(VARIABLE, ""), shown_uri(tracking_uri(project.root))
    # An address with a password is not printed: the variable still has it.
    store = "" if shown_uri(given) != given else f"{VARIABLE}={shlex.quote(shown)} "
    serve = f"mlflow models serve -m models:/{experiment_name(data)}@champion --env-manager local --port 5001"
    if shown.startswith(("http:", "https:")):
        runs = f"{shown} in a browser"
    else:
        runs = f"{store}make ui" if given else "make ui"
    return [
        f"See every run with its curves: {runs}",
        f"Serve the champion, with {Path(sys.executable).parent} on the PATH: {store}{serve}",
    ]


def _sources(root: Path) -> dict[Path, Path]:
    """Return what the workspace consists of: the name of each file there, and the file of the checkout."""
    sources = {Path("dvc.yaml"): root / "dvc.yaml", Path("params.yaml"): root / PARAMS}
    if (root / ".dvcignore").is_file():
        sources[Path(".dvcignore")] = root / ".dvcignore"
    for name in FOLDERS:
        for path in sorted((root / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".partial":
                sources[path.relative_to(root)] = path
    return sources


def _remove_stale(demo: Path, sources: dict[Path, Path]) -> None:
    """Remove files that are no longer in the checkout, and folders that this empties."""
    wanted = {demo / name for name in sources}
    found = [demo / ".dvcignore", *(path for name in (*FOLDERS, FORMER) for path in (demo / name).rglob("*"))]
    for path in sorted(found, reverse=True):  # What is in a folder comes before it.
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink(missing_ok=True)


def _update(path: Path, content: bytes) -> None:
    """Write a file unless it is already so: a new time would make DVC hash it again."""
    if not path.is_file() or path.read_bytes() != content:
        with replacing_file(path) as partial:
            partial.write_bytes(content)


def _environment(project: Project) -> dict[str, str]:
    """Return the environment of the demo's stages."""
    from lineup.execution.local import stage_environment
    from lineup.tracking.address import store_environment

    environment = {name: value for name, value in stage_environment().items() if name != "MLFLOW_RUN_ID"}
    return environment | store_environment(project.root)  # the store of the checkout, whatever the working directory
