"""Decide which MLflow runs to keep and which MLflow runs to delete.

A run belongs to a record if the run and the record have the same key. If a run was created during training, the missing
parts of the run are logged. A finished run is kept if its digest equals the digest of the record. Missing artifacts of
a finished run are logged again. All other runs with the same key are deleted. The digest of a compact record equals the
digest of the full record. The full record therefore completes the MLflow run of the compact record.

Examples
--------
>>> new = Match(run=None, is_finished=False, outdated=[])  # a record that has no run yet
>>> new.is_finished, len(new.outdated)
(False, 0)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineup.records.compact import is_compact
from lineup.records.imported import is_imported
from lineup.records.record import Record
from lineup.tracking.artifacts import lacks_artifacts, logged_model
from lineup.tracking.contents import ATTEMPT, IMPORTED, KEY
from lineup.tracking.model import Models, absent_members, lacks_model
from lineup.tracking.runs import DIGEST, find_runs, is_alive, is_own

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PUBLISHING = "lineup.publishing"
"""Tag of a run that a process is publishing: `CONTENTS` or `ARTIFACTS`, the part that the process logs. In between, the
value is `QUEUED`, and another process can log the artifacts.
"""
CONTENTS, QUEUED, ARTIFACTS = "contents", "queued", "artifacts"
MISSING = "lineup.missing"
"""Tag of a run that was published from a compact record. It names the parts that are missing."""
WAIT_SECONDS = 60.0
"""Longest time, in seconds, to wait for another machine that publishes the same record to the same server."""


@dataclass(frozen=True)
class Match:
    """The runs of a record.

    Parameters
    ----------
    run : Run or None
        Run to keep, or None if there is no run yet.
    is_finished : bool
        Whether this run has all its contents. Its artifacts and its model may be missing.
    outdated : list of Run
        Runs to delete.
    """

    run: Run | None
    is_finished: bool
    outdated: list[Run]


def match_runs(client: MlflowClient, experiments: list[str], record: Record, run_id: str | None = None) -> Match:
    """Find the runs of a record, and decide which run to keep.

    Parameters
    ----------
    client : MlflowClient
    experiments : list of str
        Ids of the experiments to search.
    record : Record
        Record of a model or a committee.
    run_id : str, optional
        Run to use for the record, because ``mlflow run`` created it. Default: any run.
    """
    runs = [run for run in _settled_runs(client, experiments, record.header.key) if _can_belong(run, record)]
    # A run without all its contents is replaced. Missing artifacts are found by their list; see `is_complete`.
    whole = [run for run in runs if run.data.tags.get(PUBLISHING, ARTIFACTS) in (QUEUED, ARTIFACTS)]
    digest = record.digest()
    finished = [run for run in whole if run.data.tags.get(DIGEST) == digest and run.info.status == "FINISHED"]
    live = [run for run in whole if run.data.tags.get(ATTEMPT) == record.runtime.attempt]
    if run_id:
        live = [client.get_run(run_id)]
        finished = [run for run in finished if run.info.run_id == run_id]
    keep = next(iter(finished or live), None)
    outdated = [run for run in runs if keep is None or run.info.run_id != keep.info.run_id]
    return Match(keep, bool(finished), outdated)


def is_complete(client: MlflowClient, run: Run, record: Record, models: Models) -> bool:
    """Return whether a finished run has all its artifacts and its model.

    If the model of a member is missing, the model of the committee may also be missing. The model may also be missing
    if the record was imported without a model. If a run was published from a full record, a compact record cannot add
    anything to the run.
    """
    model = logged_model(client, run)
    if lacks_artifacts(client, run, model) or (MISSING in run.data.tags and not is_compact(record)):
        return False
    return model is not None or lacks_model(record) or bool(absent_members(record, models))


def _can_belong(run: Run, record: Record) -> bool:
    """Return whether an MLflow run can belong to a record. The run and the record have the same key.

    Two machines with the same device can make two records with the same key. If one of these records is imported, the
    runs of both records are kept.
    """
    if is_imported(record):
        return run.data.tags.get(ATTEMPT) == record.runtime.attempt
    return IMPORTED not in run.data.tags or run.data.tags.get(ATTEMPT) == record.runtime.attempt


def _settled_runs(client: MlflowClient, experiments: list[str], key: str) -> list[Run]:
    """Wait until no other process is writing the runs of a record, and return the runs.

    The waiting time is at most `WAIT_SECONDS` seconds.
    """
    end = time.monotonic() + WAIT_SECONDS
    while True:
        runs = find_runs(client, KEY, key, experiments)
        writing = [run for run in runs if run.data.tags.get(PUBLISHING, QUEUED) != QUEUED]
        others = [run for run in writing if is_alive(run) and not is_own(run)]
        if not others or time.monotonic() > end:
            return runs
        time.sleep(1)
