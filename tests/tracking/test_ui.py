"""The MLflow UI: the server responds when its address is printed, ends with lineup and shows no password."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow.cli import server as mlflow_server

from lineup.errors import LineupError
from lineup.tracking.address import sqlite_uri
from lineup.tracking.publish import publish
from lineup.tracking.ui import serve_ui
from lineup.tracking.views import WIDTHS, view_link
from tests.browser import CHROMIUM, browser
from tests.make_records import DATA

from .conftest import store_in
from .published import network_record

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 300

# Python finds this file before MLflow itself, because the server starts in its folder. It saves how it was called.
STAND_IN = """
import json, os, sys
with open("called.json", "w") as file:
    json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, file)
if os.environ.get("STATUS"):
    print("no such table")
sys.exit(int(os.environ.get("STATUS", "0")))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_uri_is_passed_in_the_environment_and_not_as_an_argument(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{sqlite_uri(root / 'mlflow.db')}?timeout=5"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (root / "mlflow.py").write_text(STAND_IN)
    port = free_port()
    with pytest.raises(LineupError, match="the MLflow server failed with status 0"):
        serve_ui(root, "synthetic", port)
    called = json.loads((root / "called.json").read_text())
    assert called["arguments"][:7] == ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    assert uri not in called["arguments"]
    (option,) = [option for option in mlflow_server.params if option.name == "backend_store_uri"]
    assert called["environment"][option.envvar] == uri


def test_the_messages_of_a_failed_server_are_printed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATUS", "3")
    (root / "mlflow.py").write_text(STAND_IN)
    port = free_port()
    with pytest.raises(LineupError, match="the MLflow server failed with status 3"):
        serve_ui(root, "synthetic", port)
    captured = capfd.readouterr()
    assert captured.out == f"MLflow UI: starting on port {port} ...\n"
    assert captured.err == "no such table\n"


def test_a_port_in_use_is_refused_before_anything_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LineupError, match=rf"^port {port} on 127\.0\.0\.1: .* lineup ui --port N$"):
            serve_ui(tmp_path, "synthetic", port)
    assert not list(tmp_path.iterdir())


def test_a_tracking_server_already_has_a_ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org:5000")
    with pytest.raises(LineupError, match=r"^MLFLOW_TRACKING_URI is https://example\.org:5000; this server has a UI"):
        serve_ui(tmp_path, "synthetic", 5001)


@dataclass(frozen=True)
class Running:
    """A running ``lineup ui``, its port, and the file with all that it prints."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def family(self) -> list[psutil.Process]:
        """Return the process and all below it."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Running]:
    """``lineup ui`` from a subfolder of a project whose path needs quoting, once it has printed its address."""
    root = tmp_path_factory.mktemp("C#, what? 100%") / "Проект"
    with store_in(root, empty_store):
        pass
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, root)
    (root / "sub").mkdir()
    port, log = free_port(), root.parent / "ui.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["MLFLOW_TRACKING_URI"] = "sqlite:///mlflow.db"
    command = [sys.executable, "-m", "lineup", "ui", "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, cwd=root / "sub", stdout=stream, stderr=stream)
    try:
        end = time.monotonic() + START_SECONDS
        while b"(press Ctrl-C to stop)" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield Running(process, port, log)
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_only_the_address_is_printed_when_the_server_responds(running: Running) -> None:
    said = running.log.read_text().splitlines()  # and no message of the server itself
    address = f"http://127.0.0.1:{running.port}"
    assert said == [
        f"MLflow UI: starting on port {running.port} ...",
        f"MLflow UI: {address}{view_link('1')} (press Ctrl-C to stop)",
    ]
    with urllib.request.urlopen(f"{address}/health", timeout=30) as response:
        assert response.status == 200


@pytest.mark.slow
def test_no_password_is_printed_or_written(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The record of a network goes to a real server whose address holds a password, with its model."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:s3cr%2Ft@127.0.0.1:{running.port}")
    record = network_record(tmp_path / "runs" / "models" / "one", seed=1)
    for _ in range(2):
        publish(tmp_path, [record], log=print)
    out, err = capfd.readouterr()
    said = [line for line in out.splitlines() if line.startswith("MLflow: ")]
    assert said == [
        f"MLflow: {counts} unchanged (http://127.0.0.1:{running.port})"
        for counts in ("1 new, 0 completed, 0", "0 new, 0 completed, 1")
    ]
    assert "View run" not in out
    paths = [path for folder in (tmp_path, running.log.parent) for path in folder.rglob("*")]
    written = [path.read_bytes() for path in paths if path.is_file()]
    assert len(written) > 20
    for secret in (b"s3cr/t", b"s3cr%2Ft"):
        assert not any(secret in text for text in [out.encode(), err.encode(), *written])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_printed_link_opens_a_leaderboard(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a real browser: one row for each model, the most accurate first, with the columns of the view."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{running.port}")
    models, data = tmp_path / "runs" / "models", dataclasses.replace(DATA, name="fashion_mnist")
    seeds = [("two", 1), ("two", 2), ("three", 1)]
    records = [
        network_record(models / name / f"seed_{seed}", seed=seed, run_seed=seed, data=data) for name, seed in seeds
    ]
    publish(tmp_path, records, log=lambda line: None)
    link = running.log.read_text().partition(" (press")[0].split()[-1]
    names = "[...document.querySelectorAll('.ag-pinned-left-cols-container .ag-row')]"
    with browser(tmp_path / "profile") as page:
        page.size(1800)
        page.call("Page.navigate", url=link)
        page.wait_for(f"{names}.length >= 2 && document.body.innerText.includes('Leaderboard')")
        rows = dict(page.run(f"{names}.map(row => [+row.getAttribute('row-index'), row.innerText])"))
        cells = "[...document.querySelectorAll('.ag-header-cell')]"
        columns = page.run(f"{cells}.map(cell => [cell.getBoundingClientRect().left, cell.getAttribute('col-id')])")
    accuracies = {
        "two, 2 seeds": statistics.fmean(record.metrics["test_accuracy"] for record in records[:2]),
        "three_seed1": records[2].metrics["test_accuracy"],
    }
    names_shown = [name for row in sorted(rows) for name in accuracies if name in rows[row]]
    assert sorted(names_shown) == sorted(accuracies)
    assert len(rows) == 2
    assert accuracies[names_shown[0]] >= accuracies[names_shown[1]]
    shown = [name for _, name in sorted(columns) if name in WIDTHS]
    assert shown == list(WIDTHS)[: len(shown)]
    assert len(shown) >= 5


@pytest.mark.slow
def test_the_server_ends_with_lineup(running: Running) -> None:
    """The last test of this server."""
    family = running.family()
    assert len(family) >= 3
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
    assert psutil.wait_procs(family[1:], timeout=10)[1] == []
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", running.port))


# Starts a child process that would outlive it.
STAYING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_all_processes(number: signal.Signals, root: Path) -> None:
    """The server, and ``lineup publish`` in the background: their children end too."""
    for module in ("mlflow", "lineup"):  # found before the packages, because both start in this folder
        (root / f"{module}.py").write_text(STAYING)
    port = free_port()
    parent = os.getpid()
    children = [root / "server", root / "publish"]  # the first arguments of mlflow and lineup
    watch = f"""
import os, signal, time
while not all(map(os.path.exists, {[str(path) for path in children]!r})):
    time.sleep(0.05)
time.sleep(0.2)
os.kill({parent}, {int(number)})
"""
    with subprocess.Popen([sys.executable, "-c", watch]):
        serve_ui(root, "synthetic", port, publish=True)
    end = time.monotonic() + 10
    for child in (int(path.read_text()) for path in children):
        while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end
            time.sleep(0.05)
