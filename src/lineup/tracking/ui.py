"""Open the MLflow UI on this machine alone."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lineup.errors import LineupError
from lineup.tracking.address import VARIABLE, shown_uri, store_environment, tracking_uri
from lineup.tracking.store import open_store

HOST = "127.0.0.1"
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.2
STOP_SECONDS = 10.0


def serve_ui(root: Path, data: str, port: int) -> None:
    """Run the MLflow server on 127.0.0.1 until it is interrupted.

    Its address is printed when it answers. With this process its server ends, too, on Ctrl-C, SIGTERM and SIGHUP.

    Parameters
    ----------
    root : Path
        Project folder; its store is made if it is missing.
    data : str
        Name of the dataset whose experiment is made, too.
    port : int
        Of the server.

    Raises
    ------
    LineupError
        If the runs are on a tracking server already, the port is in use, or the server ends by itself.
    """
    uri = tracking_uri(root)
    if uri.startswith(("http:", "https:")):
        raise LineupError(f"{VARIABLE} is {shown_uri(uri)}: that server has the UI; open it in a browser")
    _check_free(port)
    print(f"MLflow UI: starting on port {port} ...", flush=True)
    level = os.environ.get("MLFLOW_LOGGING_LEVEL", "WARNING")
    open_store(root, data)
    answered = False
    with _stop_signals() as stop, _server(root, port, level) as process:
        while not stop.wait(POLL_SECONDS):
            if process.poll() is not None:
                reason = f"with status {process.returncode}; its lines above say why"
                raise LineupError(f"the MLflow server ended by itself, {reason}")
            if not answered and _answers(port):
                print(f"MLflow UI: http://{HOST}:{port} (Ctrl-C ends it)", flush=True)
                answered = True


def _check_free(port: int) -> None:
    """Refuse a port on which another program listens, or that only the administrator may use."""
    with socket.socket() as probe:
        # As the server does it: a connection that has just ended is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            used = error.errno == errno.EADDRINUSE
            reason = "another program is using it" if used else error.strerror
            raise LineupError(f"port {port} on {HOST}: {reason}; choose another one: lineup ui --port N") from None


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield what is set when a signal asks for the end. One that is ignored stays so, as nohup wants it."""
    stop = threading.Event()
    handled = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in handled}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _server(root: Path, port: int, level: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server as the head of a process group, and end the whole group afterwards."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    # The address may hold a password, and everybody on a machine can read the arguments of a process.
    # Without the job executor it starts in a quarter of the time and with two processes instead of eleven.
    changes = {
        "MLFLOW_BACKEND_STORE_URI": store_environment(root)[VARIABLE],
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": level,
    }
    process = subprocess.Popen(command, env=os.environ | changes, cwd=root, start_new_session=True)
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


def _answers(port: int) -> bool:
    """Return whether the server answers yet. No proxy comes between."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
