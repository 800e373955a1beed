"""Send a training's curves to MLflow while it runs, without ever holding it up."""

from __future__ import annotations

import os
import queue
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.records.machine import this_machine
from lineup.records.record import Epoch, Header
from lineup.tracking.address import shown_uri
from lineup.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

CLOSE_SECONDS = 30.0


class LiveRun:
    """A listener of a training that keeps a live run in MLflow.

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
        self._queue: queue.SimpleQueue[tuple[Header, str, int] | Epoch | None] = queue.SimpleQueue()
        # A daemon: a server that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def start(self, header: Header, attempt: str, started: int) -> None:
        """Make the run; see `lineup.training.train.Listener`."""
        self._queue.put((header, attempt, started))
        self._thread.start()

    def epoch(self, row: Epoch) -> None:
        """Send one epoch's metrics."""
        self._queue.put(row)

    def close(self) -> None:
        """Wait, a limited time, until what was told has been sent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(CLOSE_SECONDS)

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
        from lineup.tracking.runs import epoch_metrics, log_metrics

        first = self._queue.get()
        assert isinstance(first, tuple)  # start comes before any epoch
        header, attempt, started = first
        client, experiment = open_store(self._root, header.data.name)
        run_id = _make_run(client, experiment, self._run_id, header, attempt, started)
        while isinstance(row := self._queue.get(), Epoch):
            log_metrics(client, run_id, epoch_metrics(row))


def _make_run(
    client: MlflowClient, experiment: str, run_id: str | None, header: Header, attempt: str, started: int
) -> str:
    """Make the live run of a training, in the place of a former one with the same key."""
    from lineup.tracking.runs import ATTEMPT, KEY, PROCESS, describe, end_dead_runs, find_runs, log_params, process_tag

    end_dead_runs(client, experiment)
    tags = describe(header, this_machine()) | {ATTEMPT: attempt, PROCESS: process_tag(os.getpid())}
    for former in find_runs(client, KEY, header.key):
        if former.info.run_id != run_id:
            client.delete_run(former.info.run_id)
    if run_id is None:
        run_id = client.create_run(experiment, start_time=started, run_name=header.name, tags=tags).info.run_id
    else:
        for name, value in tags.items():
            client.set_tag(run_id, name, value)
    log_params(client, run_id, header.parameters)
    return run_id
