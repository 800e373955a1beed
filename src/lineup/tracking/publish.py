"""Publish records so that MLflow contains exactly one finished run for each record.

The result is the same for an empty store, an incomplete store and a complete store.

Examples
--------
>>> with tempfile.TemporaryDirectory() as folder:
...     Path(folder, "mlflow.db").touch()
...     save_stamp(Path(folder), records=[])
...     publish(Path(folder), [], log=print)  # doctest: +ELLIPSIS
MLflow: 0 new, 0 completed, 0 unchanged (sqlite:///.../mlflow.db)
"""

from __future__ import annotations

import dataclasses
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.explain.files import explained_figures, figures_sha256
from lineup.records.imported import is_imported
from lineup.records.record import MODEL, Header, Record
from lineup.tracking.artifact_files import write_artifact_files
from lineup.tracking.artifacts import local_folders, log_listing, logged_model
from lineup.tracking.check import check_records
from lineup.tracking.contents import (
    FORMER_TAGS,
    KEY,
    MEMBERS,
    dataset_input,
    epoch_metrics,
    experiment_note,
    final_metrics,
    label,
    record_params,
    record_tags,
)
from lineup.tracking.errors import store_errors
from lineup.tracking.groups import publish_groups
from lineup.tracking.links import copy_files
from lineup.tracking.lock import publish_lock
from lineup.tracking.model import Models, absent_members, identity, log_model
from lineup.tracking.reconcile import PUBLISHING, is_complete, match_runs
from lineup.tracking.registry import register_champion
from lineup.tracking.runs import DIGEST, PROCESS, SEEN, end_dead_runs, log_metrics, log_params, name_run, process_tags
from lineup.tracking.stamp import is_published, save_stamp, summary
from lineup.tracking.store import open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from lineup.committee.champion import Champion

FIGURES = "lineup.figures"
"""Tag with a hash of the figures of the stage ``explain``."""
RETRY_SECONDS = (2.0, 10.0)
"""Longest time, in seconds, to wait before each new attempt after another machine has deleted the run."""


def publish(
    root: Path,
    records: Iterable[Record],
    *,
    log: Callable[[str], None],
    champion: Champion | None = None,
    name_of: Callable[[Header], str] = label,
    run_id: str | None = None,
) -> None:
    """Create an MLflow run for each record, or complete the existing run.

    Parameters
    ----------
    root : Path
        Project folder, which determines the store.
    records : iterable of Record
        Records to publish. Members must precede their committees, so that a committee can link to the runs of its
        members.
    log : callable
        Called with one line for each new or completed run, and with a summary.
    champion : Champion, optional
        The champion. Its model gets the alias ``champion`` in the model registry. Default: do not change the registry.
    name_of : callable, optional
        Returns the name of a new run. Default: the label of the record.
    run_id : str, optional
        Run for the last record, if ``mlflow run`` has created one. Default: use the live run, or create a new run.

    Raises
    ------
    LineupError
        If a record is incomplete or damaged, or if the store cannot be reached or rejects a request.
    """
    records = list(records)
    folders, chosen = [record.folder for record in records], champion and dataclasses.asdict(champion)
    counts = {"new": 0, "completed": 0, "unchanged": len(records)}

    def nothing_to_do() -> bool:
        return run_id is None and is_published(root, folders, chosen)

    if not nothing_to_do():
        check_records(root, records)
        with store_errors(root), publish_lock(root, log):
            if not nothing_to_do():  # another process may have published them in the meantime
                counts = _publish_all(_Publisher(root, name_of), records, champion, run_id, log)
    log(summary(root, **counts))


def publish_folder(root: Path, data: str, run_id: str, folder: Path) -> None:
    """Log the pages of an evaluation as artifacts of an existing run."""
    with store_errors(root), tempfile.TemporaryDirectory() as temporary:
        pages = copy_files(root, folder, Path(temporary, "pages"))
        client, _ = open_store(root, data)
        client.log_artifacts(run_id, str(pages), artifact_path="evaluation")


@dataclass
class _Publisher:
    """Publish records one by one, and keep track of the published runs and models.

    Parameters
    ----------
    root : Path
        Project folder.
    name_of : callable
        Returns the name of a new run.
    stores : dict
        Client and id of the experiment, by name of the dataset.
    models : Models
        Models published so far.
    run_ids : dict of str to str
        Ids of the runs published so far, by the keys of their records.
    """

    root: Path
    name_of: Callable[[Header], str]
    stores: dict[str, tuple[MlflowClient, str]] = field(default_factory=dict)
    models: Models = field(default_factory=dict)
    run_ids: dict[str, str] = field(default_factory=dict)

    def store(self, record: Record) -> tuple[MlflowClient, str]:
        """Return the MLflow client and the id of the experiment for a record.

        The first call with a new dataset opens the MLflow store.
        """
        data = record.header.data
        if data.name not in self.stores:
            self.stores[data.name] = open_store(self.root, data.name, experiment_note(data))
            end_dead_runs(*self.stores[data.name], self.root)
        return self.stores[data.name]

    def name(self, record: Record) -> str:
        """Return the name of a new run. The name of an imported record ends with its host."""
        name = self.name_of(record.header)
        return f"{name} on {record.runtime.machine.host}" if is_imported(record) else name

    def publish(self, record: Record, run_id: str | None) -> tuple[Run, str]:
        """Publish a record, and try again if another machine has deleted the run.

        See `_publish` for the result.
        """
        from mlflow.exceptions import MlflowException

        for wait in RETRY_SECONDS:
            try:
                return self._publish(record, run_id)
            except MlflowException as error:
                if "deleted" not in str(error):
                    raise
                time.sleep(random.uniform(wait / 2, wait))
        return self._publish(record, run_id)

    def _publish(self, record: Record, run_id: str | None) -> tuple[Run, str]:
        """Publish a record, and return the run and its state.

        The state of the run is ``new``, ``completed`` or ``unchanged``.
        """
        client, experiment = self.store(record)
        match = match_runs(client, record, run_id)
        for outdated in match.outdated:
            client.delete_run(outdated.info.run_id)
        run = match.run
        if run is not None:
            _update_tags(client, run, record_tags(record))
        if run is not None and match.is_finished:
            if is_complete(client, run, record, self.models) and self._has_figures(run, record):
                return run, "unchanged"
            self._log_artifacts(client, run, record)
            return run, "completed"
        if run is None:
            tags = {KEY: record.header.key, PUBLISHING: "true"} | process_tags()
            started, name = record.runtime.started, self.name(record)
            run = client.create_run(experiment, start_time=started, run_name=name, tags=tags)
        name_run(client, run.info.run_id, self.name(record))
        _log_contents(client, run.info.run_id, record)
        self._log_artifacts(client, run, record)
        client.set_terminated(run.info.run_id, "FINISHED", record.runtime.ended)
        client.set_tag(run.info.run_id, DIGEST, record.digest())
        for tag in (PUBLISHING, PROCESS, SEEN):
            client.delete_tag(run.info.run_id, tag)
        return client.get_run(run.info.run_id), "completed" if match.run else "new"

    def _log_artifacts(self, client: MlflowClient, run: Run, record: Record) -> None:
        """Log the artifacts and the model of a record. Then log a list of these files."""
        run_id, logged = run.info.run_id, logged_model(client, run)
        explained = explained_figures(self.root, record)
        with tempfile.TemporaryDirectory() as temporary:
            write_artifact_files(record, Path(temporary), explained)
            client.log_artifacts(run_id, temporary)
        with tempfile.TemporaryDirectory() as temporary:
            model_id = logged.model_id if logged else None
            log_model(self.root, run_id, record, self.models, Path(temporary), model_id=model_id)
        log_listing(client, run_id)
        if explained:
            client.set_tag(run_id, FIGURES, figures_sha256(explained))

    def _has_figures(self, run: Run, record: Record) -> bool:
        """Return whether a run contains the current figures of the stage ``explain``, if there are any."""
        explained = explained_figures(self.root, record)
        return not explained or run.data.tags.get(FIGURES) == figures_sha256(explained)


def _publish_all(
    publisher: _Publisher,
    records: list[Record],
    champion: Champion | None,
    run_id: str | None,
    log: Callable[[str], None],
) -> dict[str, int]:
    """Publish records and the champion, and return the numbers of new, completed and unchanged runs."""
    counts = {"new": 0, "completed": 0, "unchanged": 0}
    folders: list[Path] = []

    def publish_one(record: Record) -> None:
        run, state = publisher.publish(record, run_id if record is records[-1] else None)
        client, _ = publisher.store(record)
        _link_members(client, run, record, publisher.run_ids)
        publisher.run_ids[record.header.key] = run.info.run_id
        publisher.models.setdefault(identity(record), record.folder / MODEL)
        folders.extend(local_folders(client, run))
        counts[state] += 1
        if state != "unchanged":
            log(f"{publisher.name(record)}: {state} run {run.info.run_id}{_without(record, publisher.models)}")

    own = [record for record in records if not is_imported(record)]
    for record in own:
        publish_one(record)
    if own:
        client, _ = publisher.store(own[-1])
        publish_groups(client, own, publisher.run_ids)
        if champion is not None:
            register_champion(client, champion, log=log)
    # After the groups, because an imported record can have the key of an own record. Members precede committees.
    for record in sorted(records, key=lambda record: bool(record.header.members)):
        if is_imported(record):
            publish_one(record)
    chosen = champion and dataclasses.asdict(champion)
    save_stamp(publisher.root, [record.folder for record in records], chosen, folders)
    return counts


def _log_contents(client: MlflowClient, run_id: str, record: Record) -> None:
    """Log the tags, parameters, metrics and dataset of a record."""
    from mlflow.entities import RunTag

    tags = record_tags(record) | process_tags() | {PUBLISHING: "true"}
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    log_params(client, run_id, record_params(record))
    log_metrics(client, run_id, (metric for row in record.history for metric in epoch_metrics(row)))
    log_metrics(client, run_id, final_metrics(record))
    client.log_inputs(run_id, [dataset_input(record.header.data)])


def _update_tags(client: MlflowClient, run: Run, tags: Mapping[str, str]) -> None:
    """Replace the tags of a run that an earlier version of lineup published."""
    for name in filter(FORMER_TAGS.fullmatch, run.data.tags):
        client.delete_tag(run.info.run_id, name)
    for name in tags.keys() - run.data.tags.keys():
        client.set_tag(run.info.run_id, name, tags[name])


def _link_members(client: MlflowClient, run: Run, record: Record, run_ids: Mapping[str, str]) -> None:
    """Log the run ids of the members in a tag of the committee's run.

    The run id of a member changes if a new run replaces the old run.
    """
    found = {member.label: run_ids[member.key] for member in record.header.members if member.key in run_ids}
    value = json.dumps(found)
    if found and run.data.tags.get(MEMBERS) != value:
        client.set_tag(run.info.run_id, MEMBERS, value)


def _without(record: Record, models: Models) -> str:
    """Explain why a committee was published without its model. Return an empty string if the model was published."""
    absent = absent_members(record, models)
    return f", without its model: {', '.join(absent)} was trained again or removed" if absent else ""
