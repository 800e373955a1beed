"""Run the demo, which is a small project in the folder ``.demo``.

The runs of the demo are logged in the MLflow store of the surrounding project.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     demo = prepare_demo(Project(Path(folder)))
...     demo.root.name, demo.params.is_file()
('.demo', True)
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import chdir
from pathlib import Path

from lineup.execution.init import project_files
from lineup.files import replacing_file
from lineup.paths import Project

FOLDER = ".demo"


def prepare_demo(project: Project) -> Project:
    """Create the demo project in the folder ``.demo``, or update its files.

    Results of an earlier demo are kept. Files that are up to date are not changed, so DVC does not repeat finished
    stages. No files outside ``.demo`` are written.

    Parameters
    ----------
    project : Project
        Project in which the demo is created.

    Returns
    -------
    Project
        The demo project.
    """
    demo = project.root / FOLDER
    if (demo / "src").exists():  # an earlier version copied the package here, and this copy would run
        shutil.rmtree(demo)
    for name, content in project_files(in_git=False).items():
        path = demo / name
        if not path.is_file() or path.read_bytes() != content:
            with replacing_file(path) as partial:
                partial.write_bytes(content)
    return Project(demo)


def run_demo(project: Project, jobs: int) -> None:
    """Run the pipeline of the demo, print the leaderboard, and suggest the next steps.

    Parameters
    ----------
    project : Project
        Project that contains the demo. The runs of the demo are logged in its MLflow store.
    jobs : int
        Largest number of stages that run at the same time.

    Raises
    ------
    LineupError
        If a stage fails.
    """
    from lineup.code.stages import write_code
    from lineup.execution.repro import repro
    from lineup.pages.show import show_leaderboard
    from lineup.params import load_params
    from lineup.tracking.address import store_environment

    demo = prepare_demo(project)
    store = store_environment(project.root)  # a relative address is relative to the project around the demo
    with chdir(demo.root):  # the project's models.py is searched from the working directory
        params = load_params(demo.params)
        write_code(demo.root)
        repro(demo.root, jobs, environment=store)
    show_leaderboard(demo)
    print(*next_steps(project, params.data.name), sep="\n")


def next_steps(project: Project, data: str) -> list[str]:
    """Suggest commands that open the report of the demo, show the runs and serve the champion.

    Parameters
    ----------
    project : Project
        Project that contains the demo.
    data : str
        Name of the dataset of the demo.
    """
    from lineup.tracking.address import VARIABLE, shown_uri, tracking_uri
    from lineup.tracking.store import experiment_name

    given, shown = os.environ.get(VARIABLE, ""), shown_uri(tracking_uri(project.root))
    # An address with a password is not printed; the variable still contains it.
    store = "" if shown_uri(given) != given else f"{VARIABLE}={shlex.quote(shown)} "
    serve = f"mlflow models serve -m models:/{experiment_name(data)}@champion --env-manager local --port 5001"
    if shown.startswith(("http:", "https:")):
        runs = f"{shown} in a browser"
    else:
        runs = f"{store}lineup ui" if given else "lineup ui"
    report = project.root / FOLDER / "reports" / "index.html"
    return [
        f"Open the report in a browser: {report}",
        f"See every run with its curves: {runs}",
        f"Serve the champion, with {Path(sys.executable).parent} on the PATH: {store}{serve}",
    ]
