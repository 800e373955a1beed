"""Run the stages for training and for committees on a Dask cluster, and run all other stages on this machine.

This machine is the *main machine*. The main machine assigns each stage to a worker. It prints the name of each worker
that is lost or cannot run a stage. Dask sends the function calls and the files to the workers. Dask sends pickled
functions, so the main machine and the workers must trust each other (see ``docs/several-machines.md``).

Examples
--------
>>> from lineup.execution.local import LocalProcesses
>>> root = Path("project")
>>> with Cluster(root, "nothing", {}, LocalProcesses(root, 1, print), print):
...     pass
Traceback (most recent call last):
lineup.errors.LineupError: --on 'nothing': expected the address of a Dask scheduler, such as tcp://127.0.0.1:8786
"""

from __future__ import annotations

import logging
import os
import queue
import re
import shutil
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from lineup.errors import LineupError, shortened
from lineup.execution import worker as remote
from lineup.execution.local import LocalProcesses
from lineup.execution.remote_stage import Prepared, accept, is_remote, prepare_stage
from lineup.execution.worker import Outcome
from lineup.execution.workers import Resources, Workers, shown
from lineup.paths import Project
from lineup.records.archive import BYTES
from lineup.remedies import how_to_install

CHUNK = 4 * 2**20
"""Size of the parts in which files are sent, in bytes."""
CONNECT_SECONDS = 10.0
"""Longest time until the scheduler answers, in seconds."""
PATIENCE_SECONDS = 120.0
"""Longest time to wait for a scheduler or for a suitable worker while no stage runs, in seconds."""
ACCEPT_SECONDS = 30.0
"""Longest time to wait at the end until the records of a stage have been accepted, in seconds."""
LOSSES = 5
"""Number of lost workers after which a stage fails, because it may be the cause."""


class _LostError(Exception):
    """Raised if the connection to a worker or to the scheduler is lost."""


class _RefusedError(Exception):
    """Raised if a worker cannot run a stage, for example because the worker has different code."""


class Cluster:
    """Executor that runs stages on a Dask cluster (see `lineup.execution.executor.Executor`).

    Parameters
    ----------
    root : Path
        Project folder.
    address : str
        Address of the scheduler, such as ``tcp://127.0.0.1:8786``.
    resources : dict of str to dict
        Resources that a model or committee requires, by its name.
    local : LocalProcesses
        Runs all other stages.
    log : callable
        Called with each line that a stage prints, from several threads.
    """

    def __init__(
        self,
        root: Path,
        address: str,
        resources: Mapping[str, Resources],
        local: LocalProcesses,
        log: Callable[[str], None],
    ) -> None:
        self._project, self._address, self._resources = Project(root), address, resources
        self._local, self._log = local, log
        self._workers = Workers()
        self._client: Any = None
        self._topic = f"lineup-{uuid.uuid4().hex}"
        self._prepared: dict[str, Prepared] = {}
        self._placed: dict[str, str] = {}
        self._delegated: set[str] = set()
        self._again: list[str] = []
        self._waiting: set[str] = set()
        self._losses: dict[str, int] = {}
        self._refusals: dict[str, str] = {}
        self._silent, self._closed, self._scheduler = False, False, ""
        self._idle_since = time.monotonic()
        self._accepting = threading.Lock()

    def __enter__(self) -> Self:
        if not re.fullmatch(r"(tcp|tls)://[^/\s]+:\d+", self._address):
            raise LineupError(
                f"--on {self._address!r}: expected the address of a Dask scheduler, such as tcp://127.0.0.1:8786"
            )
        try:
            import distributed  # noqa: F401
            import dvc.repo  # noqa: F401
        except ImportError:
            install = how_to_install("distributed")
            raise LineupError(f"--on requires the package distributed, which is not installed; run {install}") from None
        # Lost connections and accepted stages are reported here. Each logger of Dask has its own level.
        for name in list(logging.root.manager.loggerDict):
            if name.startswith(("distributed", "dvc")):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        if not self._connect():
            raise LineupError(f"{self._address}: no Dask scheduler responds; start one with dask scheduler")
        self._update()
        self._log(f"{self._address}: {self._workers.describe()}")
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for name, address in list(self._placed.items()):
            if name in self._prepared:
                with suppress(_LostError, _RefusedError):
                    self._call(address, remote.stop, self._prepared[name].task.project, name)
        self._accepting.acquire(timeout=ACCEPT_SECONDS)  # and never release it, so that no other stage is accepted
        self._disconnect()
        self._local.__exit__()

    def slots(self) -> int:
        """Return the total number of threads of the workers."""
        return max(self._workers.slots(), 1)

    def has_room(self, name: str) -> bool:
        """Return whether this machine or a worker can start another stage."""
        if not is_remote(name):
            return self._local.has_room(name)
        if self._workers.find(name, self._wanted(name)):
            return True
        self._waiting.add(name)
        return False

    def start(self, name: str) -> None:
        """Start a stage here or on a worker."""
        if not is_remote(name):
            self._local.start(name)
            return
        self._waiting.discard(name)
        address = self._placed[name] = self._workers.place(name, self._wanted(name))
        threading.Thread(target=self._work, args=(name, address), daemon=True).start()

    def wait(self) -> tuple[str, int] | None:
        """Return the next stage that has ended. If the connection to a worker was lost, the stages of this worker start
        again.
        """
        self._update()
        for name in [name for name in self._again if self.has_room(name)]:
            self._again.remove(name)
            self.start(name)
        self._check_patience()
        try:
            name, status = self._local.events.get(timeout=1)
        except queue.Empty:
            return None
        self._placed.pop(name, None)
        self._delegated.discard(name)
        self._workers.release(name)
        self._local.release(name)
        if status is None:
            self._again.append(name)
            return None
        return name, status

    def where(self, name: str) -> str:
        """Return the name of the worker that runs a stage."""
        if not is_remote(name) or name in self._delegated:
            return self._local.where(name)
        return self._workers.name(self._placed[name]) if name in self._placed else "-"

    def pids(self) -> list[int]:
        """Return the process ids of the local stages and of this process."""
        return [os.getpid(), *self._local.pids()]

    def summary(self) -> str:
        """Return the address of the cluster."""
        return f"on {self._address}"

    def _wanted(self, name: str) -> Resources:
        return self._resources.get(name.partition("@")[2], {})

    def _connect(self) -> bool:
        """Connect to the scheduler. Return whether it answers."""
        from distributed import Client

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # versions are compared in `lineup.execution.worker.prepare`
                self._client = Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)
            self._client.subscribe_topic(self._topic, self._pass_on)
            self._scheduler = self._client.scheduler_info()["id"]
        except (OSError, ValueError):
            self._disconnect()
            return False
        return True

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # the scheduler may be gone
                client.close(timeout=2)

    def _pass_on(self, event: tuple[Any, tuple[str, str]]) -> None:
        """Log a line that a stage has printed. Dask calls this function with the time, the stage and the line."""
        stage, line = event[1]
        self._log(f"[{stage}] {line}")

    def _update(self) -> None:
        """Ask the scheduler for its workers. Reconnect if the connection was lost or the scheduler was restarted."""
        client = self._client
        try:
            if client is None or client.status != "running":
                raise OSError
            info = client.scheduler_info()
            if info["id"] != self._scheduler:
                raise OSError
            self._workers.update(info["workers"])
            self._silent = False
        except (OSError, CancelledError, RuntimeError, ValueError):
            if not self._silent:
                self._log(f"{self._address}: the scheduler was lost; its stages start again when it is back")
            self._silent = True
            self._workers.update({})
            self._disconnect()
            self._connect()

    def _check_patience(self) -> None:
        """Raise an error if no stage runs and stages wait too long for a worker.

        The limit is `PATIENCE_SECONDS`.
        """
        if self._placed or self._local.pids() or not (self._waiting or self._again):
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > PATIENCE_SECONDS:
            name = min([*self._waiting, *self._again])
            asks = f", which requires {shown(self._wanted(name))}" if self._wanted(name) else ""
            refused = f"; a worker refused: {self._refusals[name]}" if name in self._refusals else ""
            raise LineupError(
                f"{self._address}: no worker can run {name}{asks}; found {self._workers.describe()}{refused};"
                " start a suitable worker and repeat the command, finished stages are kept"
            )

    def _work(self, name: str, address: str) -> None:
        """In a separate thread, run a stage on a worker and report the exit status of the stage. None means: start it
        again.
        """
        status: int | None = 1
        try:
            prepared = prepare_stage(self._project, name)
            if prepared is None:
                self._delegated.add(name)
                self._local.start(name)  # it reports the exit status
                return
            self._prepared[name] = prepared
            status = self._run(name, prepared, address)
        except _RefusedError as error:
            self._workers.refuse(address, name)
            line = f"the worker {self._workers.name(address)} refused {name}: {error}"
            if str(error) not in self._refusals.values():
                self._log(line)
            self._refusals[name] = str(error)
            status = None
        except _LostError:
            if self._closed:
                return
            self._losses[name] = self._losses.get(name, 0) + 1
            status = None if self._losses[name] < LOSSES else 1
            after = "it starts again" if status is None else f"it failed, because it has lost {LOSSES} workers"
            self._log(f"[{name}] the worker {address} was lost; {after}")
        except Exception as error:  # whatever happens, the pipeline must learn that the stage has ended
            self._log(f"[{name}] {shortened(error) or type(error).__name__}")
        self._local.events.put((name, status))

    def _run(self, name: str, prepared: Prepared, address: str) -> int:
        task = prepared.task
        missing = self._submit(address, {}, remote.prepare, task)
        paths = {sha256: self._project.root / path for path, sha256 in task.files.items()}
        self._send(address, {sha256: paths[sha256] for sha256 in missing})
        outcome = self._submit(address, self._wanted(name), remote.run_stage, task, self._topic)
        if outcome.status:
            return int(outcome.status)
        archive = self._project.root / ".dvc" / "tmp" / "lineup" / f"{name}.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch(address, outcome, archive)
            with self._accepting:
                accept(self._project, prepared, outcome.entry, archive)
        finally:
            archive.unlink(missing_ok=True)
            with suppress(_LostError, _RefusedError):
                self._call(address, remote.remove, outcome.archive)
        return 0

    def _send(self, address: str, paths: Mapping[str, Path]) -> None:
        """Send large files to a worker in parts, and small files together. Each call takes some time."""
        small: dict[str, bytes] = {}
        for sha256, path in paths.items():
            if path.stat().st_size > CHUNK:
                self._send_parts(address, sha256, path)
                continue
            small[sha256] = path.read_bytes()
            if sum(map(len, small.values())) > CHUNK:
                self._call(address, remote.receive_files, small)
                small = {}
        if small:
            self._call(address, remote.receive_files, small)

    def _send_parts(self, address: str, sha256: str, path: Path) -> None:
        """Send a file to a worker in parts."""
        sender, offset = uuid.uuid4().hex, 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                self._call(address, remote.receive, sha256, sender, offset, chunk)
                offset += len(chunk)
        self._call(address, remote.complete, sha256, sender)

    def _fetch(self, address: str, outcome: Outcome, path: Path) -> None:
        """Fetch the records of a stage in parts."""
        if outcome.bytes > min(BYTES, shutil.disk_usage(path.parent).free):
            raise LineupError(f"the worker sent {outcome.bytes:,} bytes, more than is allowed or free here")
        with path.open("wb") as file:
            while file.tell() < outcome.bytes:
                chunk = self._call(address, remote.read, outcome.archive, file.tell(), CHUNK)
                if not chunk:
                    raise LineupError("the worker sent incomplete records")
                file.write(chunk[: outcome.bytes - file.tell()])

    def _call(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a short function on a worker immediately, even if all threads of the worker are busy."""
        client = self._client
        if client is None or address not in self._workers:
            raise _LostError
        return _explained(lambda: client.run(function, *arguments, workers=[address])[address])

    def _submit(self, address: str, wanted: Resources, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in a thread of a worker, and wait for the result."""
        client = self._client
        if client is None or self._closed:
            raise _LostError
        send = {"workers": [address], "resources": dict(wanted) or None, "pure": False, "retries": 0}
        future = _explained(lambda: client.submit(function, *arguments, **send))
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        try:
            while not future.done():
                if address not in self._workers or self._client is not client:
                    raise _LostError
                ended.wait(timeout=1)
            return _explained(future.result)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                future.cancel()


def _explained(call: Callable[[], Any]) -> Any:
    """Call a Dask function, and distinguish lost connections from errors of a worker."""
    from distributed.scheduler import KilledWorker

    try:
        return call()
    except (OSError, CancelledError, KilledWorker, KeyError, RuntimeError) as error:
        raise _LostError from error
    except Exception as error:  # a LineupError; or any other one, for example because there is an older lineup
        raise _RefusedError(shortened(error)) from error
