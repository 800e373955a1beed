"""Log metrics in MLflow during training without slowing down the training.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     with LiveRun(Path(folder)):
...         pass  # the training was not started
...     list(Path(folder).iterdir())  # so there is no MLflow store
[]
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lineup.records.header import Header
from lineup.records.history import Epoch
from lineup.records.machine import this_machine
from lineup.records.record import Record
from lineup.records.runtime import now
from lineup.signals import before_exit
from lineup.tracking.address import shown_uri
from lineup.tracking.contents import (
    ATTEMPT,
    KEY,
    epoch_metrics,
    experiment_note,
    final_metrics,
    label,
    record_params,
    start_tags,
)
from lineup.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

CLOSE_SECONDS = 30.0
"""Longest time, in seconds, to wait at the end of training until all metrics have been sent."""
KILLED_SECONDS = 8.0
"""Longest time, in seconds, after an interruption: a process that does not stop soon is often killed."""
BEAT_SECONDS = 60.0
"""Time in seconds between two updates of the tag that marks a run as alive."""
SWITCH, OFF = "LINEUP_LIVE", "off"
"""Environment variable and its value that turn live runs off, for a worker that cannot reach the MLflow store."""


@dataclass(frozen=True)
class _End:
    """Values that are logged in MLflow when a training run ends.

    ``ended`` is a time in milliseconds since 1970.
    """

    status: str
    ended: int
    record: Record | None = None


class LiveRun:
    """Training listener that logs each epoch in an MLflow run.

    While the context is open, the status of the MLflow run is RUNNING. The final status is FINISHED if a record was
    written, FAILED after an error and KILLED after a signal. The final metrics are logged only if a record was written.
    ``lineup publish`` logs the artifacts.

    Importing MLflow takes several seconds. In addition, a tracking server may be slow or unreachable. MLflow is
    therefore imported and called in a separate thread. If MLflow fails, a warning is printed and training continues.
    ``lineup publish`` then logs the run later.

    Parameters
    ----------
    root : Path
        Project folder.
    run_id : str, optional
        An existing run to log into, created by ``mlflow run``. Default: a new run.
    name_of : callable, optional
        Returns the name of the run. Default: the label of the record.
    """

    def __init__(self, root: Path, run_id: str | None = None, name_of: Callable[[Header], str] = label) -> None:
        self._root = root
        self._run_id = run_id
        self._name_of = name_of
        self._queue: queue.SimpleQueue[tuple[Header, str, int] | Epoch | _End] = queue.SimpleQueue()
        self._record: Record | None = None
        # A daemon thread, because a hanging server must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> Self:
        before_exit.append(self._kill)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        before_exit.remove(self._kill)
        if self._record is not None:
            self._close(_End("FINISHED", self._record.runtime.ended, self._record), CLOSE_SECONDS)
        elif kind is not None and issubclass(kind, Exception):
            self._close(_End("FAILED", now()), CLOSE_SECONDS)
        else:
            self._kill()

    def start(self, header: Header, attempt: str, started: int) -> None:
        """Create the MLflow run. Call this method once, before the first epoch."""
        self._queue.put((header, attempt, started))
        if os.environ.get(SWITCH) != OFF:
            self._thread.start()

    def epoch(self, row: Epoch) -> None:
        """Log the metrics of one epoch."""
        self._queue.put(row)

    def finish(self, record: Record) -> None:
        """Store the record of the finished training run.

        When the context is closed, the final metrics of this record are logged.
        """
        self._record = record

    def _kill(self) -> None:
        self._close(_End("KILLED", now()), KILLED_SECONDS)

    def _close(self, end: _End, seconds: float) -> None:
        """End the run after all metrics have been sent, but wait at most ``seconds``."""
        if self._thread.is_alive():
            self._queue.put(end)
            self._thread.join(seconds)

    def _work(self) -> None:
        try:
            self._send()
        except Exception as error:  # an error in MLflow must not stop the training
            reason = " ".join(shown_uri(str(error)).split())[:200]
            print(
                f"warning: no live tracking ({reason}); training continues, and lineup publish logs the run later",
                file=sys.stderr,
                flush=True,
            )

    def _send(self) -> None:
        from lineup.tracking.runs import SEEN, end_dead_runs, log_metrics, recorded_attempts

        first = self._queue.get()
        assert isinstance(first, tuple)  # start is called before any epoch
        header, attempt, started = first
        client, experiment = open_store(self._root, header.data.name, experiment_note(header.data))
        end_dead_runs(client, experiment, self._root)
        name = self._name_of(header)
        run_id = _make_run(client, experiment, self._run_id, name, header, attempt, started)
        seen, end = time.monotonic(), None  # the clock of the machine may be corrected during training
        while end is None:
            rows, end = self._take()
            log_metrics(client, run_id, [metric for row in rows for metric in epoch_metrics(row)])
            if time.monotonic() - seen >= BEAT_SECONDS:
                seen = time.monotonic()
                client.set_tag(run_id, SEEN, now())
        if end.status == "KILLED" and attempt in recorded_attempts(self._root):  # killed after the record was written
            end = replace(end, status="FINISHED")
        end = replace(end, ended=max(started, end.ended))
        _end_run(client, run_id, end)

    def _take(self) -> tuple[list[Epoch], _End | None]:
        """Return the epochs that were completed since the last call.

        The second result contains the final values of the training run. It is None if training has not ended.
        """
        rows: list[Epoch] = []
        with suppress(queue.Empty):
            message = self._queue.get(timeout=BEAT_SECONDS)
            while isinstance(message, Epoch):
                rows.append(message)
                message = self._queue.get_nowait()
            assert isinstance(message, _End)  # start is called once
            return rows, message
        return rows, None


def _make_run(
    client: MlflowClient, experiment: str, run_id: str | None, name: str, header: Header, attempt: str, started: int
) -> str:
    """Create an MLflow run, and delete the earlier runs that the new run replaces."""
    from lineup.tracking.runs import find_runs, log_values, name_run, process_tags

    tags = start_tags(header, this_machine()) | {ATTEMPT: attempt} | process_tags()
    for former in find_runs(client, KEY, header.key):
        if former.info.run_id != run_id:
            client.delete_run(former.info.run_id)
    if run_id is None:
        run = client.create_run(experiment, start_time=started, run_name=name, tags=tags)
    else:
        run = client.get_run(run_id)
        name_run(client, run, name)
        for tag, value in tags.items():
            client.set_tag(run_id, tag, value)
    log_values(client, run, header.parameters)
    return str(run.info.run_id)


def _end_run(client: MlflowClient, run_id: str, end: _End) -> None:
    """If a record was written, log its final parameters and metrics. Then end the run."""
    from lineup.tracking.runs import PROCESS, SEEN, log_values

    if end.record is not None:
        log_values(client, client.get_run(run_id), record_params(end.record), final_metrics(end.record))
    client.set_terminated(run_id, end.status, end.ended)
    if end.record is not None:
        for tag in (PROCESS, SEEN):
            client.delete_tag(run_id, tag)
