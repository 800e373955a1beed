"""Take screenshots of the run list in MLflow and of the sections of ``reports/index.html``.

The project must have been published, and Chromium must be installed. The MLflow store of the project is copied first,
so that the project does not change.

    python -m scripts.screenshots PROJECT FOLDER

writes ``mlflow.png`` and one picture per section, such as ``leaderboard.png``, to ``FOLDER``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser import Browser, browser

WIDTH, HEIGHT = 1280, 800
START_SECONDS = 120
SETTLE_SECONDS = 3
ROWS = "document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length > 0"
# The server offers its assistant once per browser, in a panel that hides a third of the page.
CLOSED = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"


def main(project: Path, folder: Path) -> None:
    """Take all screenshots of a project."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, browser(Path(temporary, "profile")) as page:
        page.size(WIDTH, HEIGHT)
        with _server(project, Path(temporary, "project")) as link:
            take_mlflow(page, link, folder / "mlflow.png")
        take_sections(page, project / "reports" / "index.html", folder)


def take_mlflow(page: Browser, link: str, path: Path) -> None:
    """Take a screenshot of the run list that a link of ``lineup ui`` opens."""
    page.call("Page.addScriptToEvaluateOnNewDocument", source=CLOSED)
    page.call("Page.navigate", url=link)
    page.wait_for(ROWS)
    time.sleep(SETTLE_SECONDS)  # MLflow moves its columns after it has drawn the rows
    page.screenshot(path, whole=False)
    print(path)


def take_sections(page: Browser, report: Path, folder: Path) -> None:
    """Take one screenshot per section of a report, from the heading of the section down."""
    page.call("Page.navigate", url=report.absolute().as_uri())
    page.wait_for("document.documentElement?.dataset.ready === 'yes'")
    for name in page.run("[...document.querySelectorAll('section > h2[id]')].map(heading => heading.id)"):
        page.run(f"document.getElementById({name!r}).scrollIntoView({{behavior: 'instant'}})")
        time.sleep(SETTLE_SECONDS)  # figures are drawn when they become visible
        page.screenshot(folder / f"{name}.png", whole=False)
        print(folder / f"{name}.png")


@contextmanager
def _server(project: Path, copy: Path) -> Iterator[str]:
    """Run ``lineup ui`` on a copy of the store of a project, and yield the link that it prints."""
    copy.mkdir()
    for name in ("params.yaml", "dvc.yaml", "models.py", "mlflow.db"):
        if (project / name).exists():
            shutil.copy(project / name, copy)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    process = subprocess.Popen(
        [sys.executable, "-m", "lineup", "ui", "--port", port],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        link = next((word for line in process.stdout for word in line.split() if word.startswith("http")), None)
        if link is None:
            raise SystemExit("lineup ui failed")
        yield link
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m scripts.screenshots PROJECT FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
