"""Run commands of lineup, DVC and MLflow in processes that have already imported the large libraries.

A pipeline starts a process for each stage. To import TensorFlow, MLflow and scikit-learn takes most of its time in the
tests. This server imports them once, and forks for each command. The command itself is real: the forked process imports
lineup, DVC or MLflow's command, and has the arguments, the folder, the environment and the streams of its caller.

Tests of signals, killed processes, start-up times and installations do not use the server.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import psutil
from filelock import FileLock

CALLER = """\
#!{python} -IS
import json, os, signal, socket, sys

options = sys.argv[1:]
if options[:1] == ["-P"]:
    del options[0]
if len(options) < 2 or options[0] != "-m" or options[1] not in {modules!r}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
request = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(connection, [request], [0, 1, 2])
connection.shutdown(socket.SHUT_WR)
answers = connection.makefile()
pid = int(answers.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
status = int(answers.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
"""Program with the name ``python``, which sends commands of these modules to the server."""
MODULES = ("dvc", "lineup", "mlflow")
OPTIONAL = ("matplotlib", "pandas", "sklearn")
"""Optional libraries of Keras."""
LIBRARIES = (
    "diskcache",
    "dvc_data.index",
    "fsspec",
    "matplotlib.backends.backend_agg",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandas",
    "pydantic",
    "sklearn.ensemble",
    "sklearn.manifold",
    "sklearn.neighbors",
    "skops.io",
    "tensorflow",
    "typer",
)
SEEN_SECONDS = 5.0
"""Time in seconds between two checks whether the tests still run."""


@functools.cache
def python_folder() -> Path:
    """Return a folder with the program ``python``, for the PATH. All test processes share one server.

    The first call starts the server. It ends a few seconds after the tests.
    """
    shared = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    tests = os.getppid() if shared else os.getpid()
    folder = Path(tempfile.gettempdir(), f"lineup-tests-{shared or tests}")
    folder.mkdir(mode=0o700, exist_ok=True)
    python = folder / "bin" / "python"
    with FileLock(folder / "lock"):
        if not python.exists():
            _start(str(folder / "socket"), tests)
            python.parent.mkdir()
            caller = CALLER.format(python=sys.executable, modules=MODULES, address=str(folder / "socket"))
            python.write_text(caller)
            python.chmod(0o755)
    return python.parent


def _start(address: str, tests: int) -> None:
    """Start the server, and wait until it has imported the libraries."""
    server = subprocess.Popen(
        [sys.executable, __file__, address, str(tests)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"


def serve(address: str, tests: int) -> None:
    """Import the libraries, and run each command in a new process until the process of the tests has ended."""
    import_libraries()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the processes that wait for a command leave no zombies
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(SEEN_SECONDS)
        print("ready", flush=True)
        while psutil.pid_exists(tests):
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if not os.fork():
                listener.close()
                wait_for_command(connection)
                os._exit(0)
            connection.close()
    shutil.rmtree(Path(address).parent)


def import_libraries() -> None:
    """Import Keras as `lineup.cli.libraries` does, and the other libraries."""
    sys.modules.update(dict.fromkeys(OPTIONAL))  # type: ignore[arg-type]  # Python's mark for "no such module"
    importlib.import_module("keras")
    for name in OPTIONAL:
        del sys.modules[name]
    for name in LIBRARIES:
        importlib.import_module(name)


def wait_for_command(connection: socket.socket) -> None:
    """Run the command of a caller in a new process, and send its process id and its exit status to the caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(connection, 2**16, 3)
    while part := connection.recv(2**16):
        message += part
    arguments, folder, environment = json.loads(message)
    process = os.fork()
    if not process:
        connection.close()
        run_command(arguments, folder, environment, streams)
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{process}\n".encode())
    events = select.poll()
    events.register(os.pidfd_open(process), select.POLLIN)
    events.register(connection, 0)  # reports only that the caller has ended
    if any(descriptor == connection.fileno() for descriptor, _ in events.poll()):
        os.killpg(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    connection.sendall(f"{status}\n".encode())


def run_command(arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> NoReturn:
    """Run a command in this process, as Python does in a new one. The first argument is the program `CALLER`."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Python has noted of the server's streams whether they are files or pipes.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    unbuffered = 1 if environment.get("PYTHONUNBUFFERED") else -1
    sys.stdout = open(1, "w", buffering=unbuffered, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable, first, *others = arguments  # the processes that it starts use the server, too
    options = others if first == "-P" else arguments[1:]
    sys.argv = options[1:]
    paths = [*filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:1] = paths if first == "-P" else [folder, *paths]
    status: object = 1
    try:
        runpy.run_module(options[1], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else 1)  # freeing the memory of all libraries takes longer than a stage


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
