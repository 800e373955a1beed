"""A shared tracking server as docs/tracking-server.md describes it: PostgreSQL, proxied artifacts and passwords."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

START_SECONDS = 300
DATABASE_PASSWORD, ADMIN_PASSWORD = "database-secret-1", "admin: secret/2@x"


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """Return the environment without settings of MLflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server with the databases ``runs`` and ``users``, and yield the address without a database.

    PostgreSQL does not run as root, so root runs it as the user ``postgres``. The test is skipped if that is not
    possible.
    """
    programs = [shutil.which(name) or shutil.which(name, path=_DEBIAN) for name in ("initdb", "postgres", "psql")]
    if None in programs:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    initdb, server, psql = map(str, programs)
    user = _other_user(folder)
    data, port, secret = folder / "data", free_port(), folder / "password"
    secret.write_text(DATABASE_PASSWORD)
    command = [initdb, "--pgdata", data, "--username", "lineup", "--pwfile", secret, "--auth", "scram-sha-256"]
    subprocess.run([*user, *map(str, command), "--no-sync"], cwd=folder, check=True, capture_output=True, timeout=120)
    command = [server, "-D", data, "-p", port, "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen([*user, *map(str, command)], cwd=folder, stdout=log, stderr=log)
        try:
            create = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", "lineup", "postgres", "-q"]
            create += ["-c", "CREATE DATABASE runs", "-c", "CREATE DATABASE users"]
            environment = os.environ | {"PGPASSWORD": DATABASE_PASSWORD}
            end = time.monotonic() + START_SECONDS
            while subprocess.run(create, env=environment, capture_output=True, check=False).returncode:
                assert time.monotonic() < end, (folder / "postgres.log").read_text()
                assert process.poll() is None, (folder / "postgres.log").read_text()
                time.sleep(0.2)
            yield f"postgresql+psycopg2://lineup:{DATABASE_PASSWORD}@127.0.0.1:{port}"
        finally:
            stop(process, signal.SIGINT)


_DEBIAN = os.pathsep.join(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))
"""Folders of PostgreSQL's programs in Debian, which are not in the search path."""


def _other_user(folder: Path) -> list[str]:
    """Return a command that runs another one as a user other than root, who gets the folder."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root cannot run PostgreSQL as another user without setpriv")
    import pwd

    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]


@dataclass
class SharedServer:
    """An MLflow server with passwords. Call `start` before use; it can be stopped and started again.

    Parameters
    ----------
    folder : Path
        For its settings, its log and the artifacts.
    database : str
        Address of PostgreSQL.
    """

    folder: Path
    database: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Return the address for ``MLFLOW_TRACKING_URI``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Return the file with everything that the server printed."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start the server, and wait until it responds."""
        settings = self.folder / "auth.ini"
        settings.write_text(
            "[mlflow]\ndefault_permission = MANAGE\nadmin_username = admin\n"
            f"database_uri = {self.database}/users\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"
        )
        settings.chmod(0o600)
        environment = clean_environment() | {
            "MLFLOW_BACKEND_STORE_URI": f"{self.database}/runs",
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "key-of-the-forms-3",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--serve-artifacts", "--artifacts-destination", str(self.folder / "artifacts")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + START_SECONDS
        while not self._responds():
            assert time.monotonic() < end, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.3)

    def kill(self) -> None:
        """End the server and its workers at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def _responds(self) -> bool:
        try:
            with urlopen(f"{self.address}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except HTTPError:
            return True
        except OSError:
            return False


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End a process and its children."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(number)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        if child.is_running():
            child.kill()


def missing_packages() -> list[str]:
    """Return the packages that the server needs and that are not installed."""
    return [name for name in ("psycopg2", "flask_wtf") if find_spec(name) is None]


@contextmanager
def shared_server() -> Iterator[SharedServer]:
    """Run PostgreSQL and the MLflow server in a folder that other users can enter, or skip the test."""
    import tempfile

    if missing := missing_packages():
        pytest.skip(f"not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to other users
        Path(place).chmod(0o755)
        folders = [Path(place, name) for name in ("database", "server")]
        for folder in folders:
            folder.mkdir()
        with postgres(folders[0]) as database:
            server = SharedServer(folders[1], database)
            try:
                server.start()
                yield server
            finally:
                server.kill()
