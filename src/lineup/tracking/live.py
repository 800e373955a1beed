"""Send a training's curves to MLflow while it runs, without ever holding it up."""

from __future__ import annotations

import queue
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lineup.records.machine import this_machine
from lineup.records.record import Epoch, Header, Record, now
from lineup.signals import before_exit
from lineup.tracking.address import shown_uri
from lineup.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

CLOSE_SECONDS = 30.0
KILLED_SECONDS = 8.0
"""The same for a training that was interrupted: whoever stops a process soon kills it."""
BEAT_SECONDS = 60.0
"""A run says so often that it is alive."""


@dataclass(frozen=True)
class _End:
    """The end of a run: its status in MLflow, when it ended, and the record if there is one."""

    status: str
    ended: int
    record: Record | None = None


class LiveRun:
    """A listener of a training that keeps a live run in MLflow: RUNNING while the context is open.

    It ends as FINISHED, with the final metrics, when the training has left its record; as FAILED when an error ends the
    training; as KILLED when a signal does. Artifacts come with ``lineup publish``.

    MLflow is imported and called in a thread of its own: it takes seconds to import, and a tracking server may be slow
    or gone. If it fails, one warning says so, training goes on, and ``lineup publish`` catches up from the record.

    Parameters
    ----------
    root : Path
        Project folder.
    run_id : str, optional
        An existing run to write into: the one that ``mlflow run`` made. Default: a run of its own, found by its key.
    """

    def __init__(self, root: Path, run_id: str | None = None) -> None:
        self._root = root
        self._run_id = run_id
        self._queue: queue.SimpleQueue[tuple[Header, str, int] | Epoch | _End] = queue.SimpleQueue()
        self._record: Record | None = None
        # A daemon: a server that hangs must not keep the process alive.
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
        """Make the run; see `lineup.training.train.Listener`."""
        self._queue.put((header, attempt, started))
        self._thread.start()

    def epoch(self, row: Epoch) -> None:
        """Send one epoch's metrics."""
        self._queue.put(row)

    def finish(self, record: Record) -> None:
        """Note that the training has left this record."""
        self._record = record

    def _kill(self) -> None:
        self._close(_End("KILLED", now()), KILLED_SECONDS)

    def _close(self, end: _End, seconds: float) -> None:
        """Wait, a limited time, until everything has been sent."""
        if self._thread.is_alive():
            self._queue.put(end)
            self._thread.join(seconds)

    def _work(self) -> None:
        try:
            self._send()
        except Exception as error:  # whatever MLflow raises, a training must not end by it
            reason = " ".join(shown_uri(str(error)).split())[:200]
            print(
                f"warning: no live tracking ({reason}); training goes on, and lineup publish will send the whole run",
                file=sys.stderr,
                flush=True,
            )

    def _send(self) -> None:
        from lineup.tracking.runs import SEEN, epoch_metrics, log_metrics

        first = self._queue.get()
        assert isinstance(first, tuple)  # start comes before any epoch
        header, attempt, started = first
        client, experiment = open_store(self._root, header.data.name)
        run_id = _make_run(client, self._root, experiment, self._run_id, header, attempt, started)
        seen, end = now(), None
        while end is None:
            rows, end = self._take()
            log_metrics(client, run_id, [metric for row in rows for metric in epoch_metrics(row)])
            if now() - seen >= BEAT_SECONDS * 1000:
                seen = now()
                client.set_tag(run_id, SEEN, seen)
        _end_run(client, run_id, end)

    def _take(self) -> tuple[list[Epoch], _End | None]:
        """Return the epochs that have ended since the last call, and the end; wait for them, but not for long."""
        rows: list[Epoch] = []
        with suppress(queue.Empty):
            message = self._queue.get(timeout=BEAT_SECONDS)
            while isinstance(message, Epoch):
                rows.append(message)
                message = self._queue.get_nowait()
            assert isinstance(message, _End)  # start comes but once
            return rows, message
        return rows, None


def _make_run(
    client: MlflowClient, root: Path, experiment: str, run_id: str | None, header: Header, attempt: str, started: int
) -> str:
    """Make the live run of a training, in the place of a former one with the same key."""
    from lineup.tracking.runs import ATTEMPT, KEY, describe, end_dead_runs, find_runs, log_params, process_tags

    end_dead_runs(client, experiment, root)
    tags = describe(header, this_machine()) | {ATTEMPT: attempt} | process_tags()
    for former in find_runs(client, KEY, header.key):
        if former.info.run_id != run_id:
            client.delete_run(former.info.run_id)
    if run_id is None:
        run_id = client.create_run(experiment, start_time=started, run_name=header.label, tags=tags).info.run_id
    else:
        for name, value in tags.items():
            client.set_tag(run_id, name, value)
    log_params(client, run_id, header.parameters)
    return run_id


def _end_run(client: MlflowClient, run_id: str, end: _End) -> None:
    """Log the final metrics if there are some, and end a run."""
    from lineup.tracking.runs import final_metrics, log_metrics

    if end.record is not None:
        log_metrics(client, run_id, final_metrics(end.record))
    client.set_terminated(run_id, end.status, end.ended)
