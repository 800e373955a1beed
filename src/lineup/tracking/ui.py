"""Run the MLflow UI on this machine.

Examples
--------
>>> with socket.create_server((HOST, 0)) as server:
...     check_port(server.getsockname()[1])  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
lineup.errors.LineupError: port ... on 127.0.0.1: another program is using it; choose another port: lineup ui --port N
"""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from lineup.errors import LineupError
from lineup.tracking.address import VARIABLE, shown_uri, store_environment, tracking_uri
from lineup.tracking.store import open_store
from lineup.tracking.views import view_link

HOST = "127.0.0.1"
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.2
STOP_SECONDS = 10.0


def serve_ui(root: Path, data: str, port: int, *, publish: bool = False) -> None:
    """Run the MLflow server on 127.0.0.1 until the user interrupts it.

    When the server is ready, a link to the leaderboard of the project is printed. Ctrl-C, SIGTERM and SIGHUP stop the
    command and the server. The output of the server is shown only if the server fails.

    Parameters
    ----------
    root : Path
        Project folder. Its store is created if it is missing.
    data : str
        Name of the dataset. Its experiment is created if it is missing.
    port : int
        Port of the server.
    publish : bool, optional
        Whether to run ``lineup publish`` at the same time, in another process that ends with the server. Its messages
        and errors are printed. Default: False.

    Raises
    ------
    LineupError
        If the store is on a tracking server, the port is in use, or the server fails.
    """
    uri = tracking_uri(root)
    if uri.startswith(("http:", "https:")):
        raise LineupError(f"{VARIABLE} is {shown_uri(uri)}; this server has a UI: open it in a browser")
    check_port(port)
    print(f"MLflow UI: starting on port {port} ...", flush=True)
    level = os.environ.get("MLFLOW_LOGGING_LEVEL", "WARNING")
    _, experiment = open_store(root, data)
    responded = False
    with (
        tempfile.TemporaryFile() as output,
        _stop_signals() as stop,
        _server(root, port, level, output) as process,
        _publishing(root) if publish else nullcontext(),
    ):
        while not stop.wait(POLL_SECONDS):
            if process.poll() is not None:
                output.seek(0)
                print(output.read().decode(errors="replace"), file=sys.stderr, end="", flush=True)
                raise LineupError(f"the MLflow server failed with status {process.returncode}")
            if not responded and _responds(port):
                print(f"MLflow UI: http://{HOST}:{port}{view_link(experiment)} (press Ctrl-C to stop)", flush=True)
                responded = True


def check_port(port: int) -> None:
    """Raise an error if a port is in use or needs administrator rights."""
    with socket.socket() as probe:
        # The server sets the same option, so a connection that was just closed does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            used = error.errno == errno.EADDRINUSE
            reason = "another program is using it" if used else error.strerror
            raise LineupError(f"port {port} on {HOST}: {reason}; choose another port: lineup ui --port N") from None


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that is set when the process receives Ctrl-C, SIGTERM or SIGHUP.

    If the process ignores a signal, for example under ``nohup``, the signal remains ignored.
    """
    stop = threading.Event()
    handled = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in handled}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _server(root: Path, port: int, level: str, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server in its own process group, and stop the whole group at the end.

    The messages of the server are written to a file. Requests are not logged, because the log file would become large.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--uvicorn-opts", "--log-level warning"]
    # The address may contain a password, and arguments of processes are public, so it is passed in the environment.
    # Without the job executor, the server starts in a quarter of the time, with two processes instead of eleven.
    changes = {
        "MLFLOW_BACKEND_STORE_URI": store_environment(root)[VARIABLE],
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": level,
    }
    with _process_group(command, root, changes, output) as process:
        yield process


def _publishing(root: Path) -> AbstractContextManager[object]:
    """Run ``lineup publish`` in its own process group, and stop the whole group at the end.

    If the command is stopped, the next ``lineup publish`` continues the work.
    """
    return _process_group([sys.executable, "-m", "lineup", "publish"], root, {}, None)


@contextmanager
def _process_group(
    command: Sequence[str], root: Path, changes: Mapping[str, str], output: IO[bytes] | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in its own process group, and stop the whole group at the end.

    Parameters
    ----------
    command : sequence of str
    root : Path
        Working directory.
    changes : mapping of str to str
        Additional environment variables.
    output : file or None
        File for the messages and errors. With None, they are printed.
    """
    process = subprocess.Popen(
        command,
        env=os.environ | changes,
        cwd=root,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def _responds(port: int) -> bool:
    """Send a request to the server, and return whether the server responds.

    Proxy settings are ignored.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
