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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lineup.errors import count
from lineup.explain.files import explained_figures, figures_sha256
from lineup.records.compact import is_compact
from lineup.records.header import Header
from lineup.records.imported import is_imported
from lineup.records.record import MODEL, Record
from lineup.tracking.artifact_files import write_artifact_files
from lineup.tracking.artifacts import local_folders, log_listing, logged_model
from lineup.tracking.check import check_records
from lineup.tracking.contents import (
    FORMER_TAGS,
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
from lineup.tracking.model import (
    Models,
    absent_members,
    can_log_model,
    create_model,
    identity,
    lacks_model,
    log_model,
)
from lineup.tracking.plotting import Figures, Plots
from lineup.tracking.reconcile import ARTIFACTS, CONTENTS, MISSING, PUBLISHING, QUEUED, is_complete, match_runs
from lineup.tracking.registry import register_champion
from lineup.tracking.runs import (
    DIGEST,
    PROCESS,
    SEEN,
    all_experiments,
    end_dead_runs,
    log_values,
    name_run,
    process_tags,
)
from lineup.tracking.stamp import is_published, save_stamp, summary
from lineup.tracking.store import open_store

Result = TypeVar("Result")

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

    from lineup.committee.champion import Champion

FIGURES = "lineup.figures"
"""Tag with a hash of the figures of the stage ``explain``."""
MISSING_PARTS = "predictions, model"
"""Value of the tag `MISSING` of a run that was published from a compact record."""
MOST_LINES = 20
"""Largest number of new and completed runs that are listed one by one."""
PROGRESS_SECONDS = 10.0
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
        Called with one line for each new or completed run, or with the progress if there are many, and with a summary.
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
    """Publish records, and keep track of the published runs and models.

    Parameters
    ----------
    root : Path
        Project folder.
    name_of : callable
        Returns the name of a new run.
    stores : dict
        Client and id of the experiment, by name of the dataset.
    experiments : list of str
        Ids of all experiments of the store. A run of the same record can be in another experiment.
    models : Models
        Models of the records so far.
    run_ids : dict of str to str
        Ids of the runs so far, by the keys of their records.
    """

    root: Path
    name_of: Callable[[Header], str]
    stores: dict[str, tuple[MlflowClient, str]] = field(default_factory=dict)
    experiments: list[str] = field(default_factory=list)
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
            self.experiments = all_experiments(self.stores[data.name][0])
        return self.stores[data.name]

    def name(self, record: Record) -> str:
        """Return the name of a new run. If the record was imported, the host is appended to the name."""
        name = self.name_of(record.header)
        return f"{name} on {record.runtime.machine.host}" if is_imported(record) else name

    def log_contents(self, record: Record, run_id: str | None = None) -> tuple[Run, str]:
        """Create or complete the run of a record, but do not log artifacts or the files of the model.

        Returns
        -------
        run : Run
        state : str
            ``new``, ``completed``, or ``unchanged`` if the run also has its artifacts and its model.
        """
        run, state = _retry(lambda: self._log_contents(record, run_id))
        client, _ = self.store(record)
        _link_members(client, run, record, self.run_ids)
        self.run_ids[record.header.key] = run.info.run_id
        if not lacks_model(record):
            self.models.setdefault(identity(record), record.folder / MODEL)
        return run, state

    def _log_contents(self, record: Record, run_id: str | None) -> tuple[Run, str]:
        client, experiment = self.store(record)
        match = match_runs(client, self.experiments, record, run_id)
        for outdated in match.outdated:
            client.delete_run(outdated.info.run_id)
        run = match.run
        if run is not None:
            _update_tags(client, run, record_tags(record))
        if run is not None and match.is_finished:
            if not is_complete(client, run, record, self.models) or not self._has_figures(run, record):
                return run, "completed"
            if PUBLISHING in run.data.tags:  # of a process that was killed after the last artifact
                _release(client, run.info.run_id)
            return run, "unchanged"
        if run is None:
            tags = record_tags(record) | {PUBLISHING: CONTENTS} | process_tags()
            started, name = record.runtime.started, self.name(record)
            run = client.create_run(experiment, start_time=started, run_name=name, tags=tags)
        else:
            name_run(client, run, self.name(record))
            _claim(client, run.info.run_id, CONTENTS, record_tags(record))
        client.log_inputs(run.info.run_id, [dataset_input(record.header.data)])
        # A clock that was set back during the training must not give a negative duration.
        ended = max(record.runtime.started, record.runtime.ended)
        client.set_terminated(run.info.run_id, "FINISHED", ended)
        # One request logs the metrics of the run and of its model, because MLflow is slower if a metric already exists.
        model = logged_model(client, run)
        if model is None and can_log_model(record, self.models):
            model = create_model(client, run, record)
        metrics = [metric for row in record.history for metric in epoch_metrics(row)]
        metrics += final_metrics(record, model.model_id if model else None)
        log_values(client, run, record_params(record), metrics, {DIGEST: record.digest(), PUBLISHING: QUEUED})
        return run, "completed" if match.run else "new"

    def log_artifacts(self, record: Record, run_id: str | None, figures: Figures) -> tuple[Run, LoggedModel | None]:
        """Log the artifacts and the model of a record, and return its run and its model in MLflow.

        Before this call, another machine may have deleted, replaced or completed the run.
        """

        def attempt() -> tuple[Run, LoggedModel | None]:
            run, state = self._log_contents(record, run_id)
            client, _ = self.store(record)
            model = logged_model(client, run)
            if state != "unchanged":
                _claim(client, run.info.run_id, ARTIFACTS)
                model = self._log_artifacts(client, run, model, record, figures)
                _release(client, run.info.run_id)
            return run, model

        return _retry(attempt)

    def _log_artifacts(
        self, client: MlflowClient, run: Run, model: LoggedModel | None, record: Record, figures: Figures
    ) -> LoggedModel | None:
        """Log the artifacts and the model of a record. At the end, log a list of these files, and return the model."""
        run_id = run.info.run_id
        explained = explained_figures(self.root, record)
        with tempfile.TemporaryDirectory() as temporary:
            write_artifact_files(record, Path(temporary), figures, explained)
            client.log_artifacts(run_id, temporary)
        with tempfile.TemporaryDirectory() as temporary:
            model = log_model(self.root, client, run, record, self.models, Path(temporary), model)
        if is_compact(record):
            client.set_tag(run_id, MISSING, MISSING_PARTS)
        log_listing(client, run, model)
        if MISSING in run.data.tags and not is_compact(record):
            client.delete_tag(run_id, MISSING)
        if explained:
            client.set_tag(run_id, FIGURES, figures_sha256(explained))
        return model

    def _has_figures(self, run: Run, record: Record) -> bool:
        """Return whether a run contains the current figures of the stage ``explain``. If no figures exist,
        return true.
        """
        explained = explained_figures(self.root, record)
        return not explained or run.data.tags.get(FIGURES) == figures_sha256(explained)


def _publish_all(
    publisher: _Publisher,
    records: list[Record],
    champion: Champion | None,
    run_id: str | None,
    log: Callable[[str], None],
) -> dict[str, int]:
    """Publish records and the champion, and return the numbers of new, completed and unchanged runs.

    The first pass logs the values that MLflow shows in the leaderboard and in charts. Meanwhile, other processes plot
    the figures. The second pass logs figures and models.
    """
    with Plots() as plots:
        found = _log_contents(publisher, records, run_id, plots, log)
        folders = _complete(publisher, found, run_id, plots, log)
    own = [record for record in records if not is_imported(record)]
    without_model = {record.header.key for record in own if is_compact(record)}
    if own and champion is not None and champion.key not in without_model:
        client, _ = publisher.store(own[-1])
        register_champion(client, champion, log=log)
    chosen = champion and dataclasses.asdict(champion)
    save_stamp(publisher.root, [record.folder for record in records], chosen, folders)
    states = [state for _, _, state in found]
    return {state: states.count(state) for state in ("new", "completed", "unchanged")}


def _log_contents(
    publisher: _Publisher, records: list[Record], run_id: str | None, plots: Plots, log: Callable[[str], None]
) -> list[tuple[Record, Run, str]]:
    """Log the values of all records and start to plot the figures that are missing in MLflow.

    Returns
    -------
    list of tuple
        For each record: the record, its run and its state, see `_Publisher.log_contents`.
    """
    found: list[tuple[Record, Run, str]] = []
    progress = _Progress(log, "parameters, curves and metrics", len(records))

    def log_contents(chosen: Iterable[Record]) -> None:
        for record in chosen:
            run, state = publisher.log_contents(record, run_id if record is records[-1] else None)
            found.append((record, run, state))
            if state != "unchanged":
                plots.add(record)
            progress.step()

    own = [record for record in records if not is_imported(record)]
    log_contents(own)
    if own:
        client, _ = publisher.store(own[-1])
        publish_groups(client, own, publisher.run_ids)
    # After the groups, because an imported record can have the key of an own record. Members precede committees.
    log_contents(sorted(filter(is_imported, records), key=lambda record: bool(record.header.members)))
    return found


def _complete(
    publisher: _Publisher,
    found: Sequence[tuple[Record, Run, str]],
    run_id: str | None,
    plots: Plots,
    log: Callable[[str], None],
) -> list[Path]:
    """Log the artifacts and models of all runs that are not complete yet.

    Returns
    -------
    list of Path
        Local folders with the artifacts and models of all runs.
    """
    pending = len(plots)
    if pending > MOST_LINES:
        log(f"MLflow: {count(pending, 'run')} with parameters, curves and metrics; figures and models follow")
    folders: list[Path] = []
    progress = _Progress(log, "figures and models", pending)
    for record, run, state in found:
        if state == "unchanged":
            client, _ = publisher.store(record)
            model = logged_model(client, run)
        else:
            given = run_id if run.info.run_id == run_id else None
            run, model = publisher.log_artifacts(record, given, plots.next())
            without = _without(record, publisher.models)
            if without or pending <= MOST_LINES:
                log(f"{publisher.name(record)}: {state} run {run.info.run_id}{without}")
            progress.step()
        folders += local_folders(run, model)
    return folders


@dataclass
class _Progress:
    """Log the progress every few seconds if there are many runs."""

    log: Callable[[str], None]
    what: str
    total: int
    done: int = 0
    last: float = field(default_factory=time.monotonic)

    def step(self) -> None:
        """Count one more run."""
        self.done += 1
        due = time.monotonic() - self.last > PROGRESS_SECONDS
        if due and MOST_LINES < self.total > self.done:
            self.last = time.monotonic()
            self.log(f"MLflow: {self.what} of {self.done} of {count(self.total, 'run')}")


def _claim(client: MlflowClient, run_id: str, part: str, tags: Mapping[str, str] | None = None) -> None:
    """Log tags. One of these tags makes other processes wait until this process has published the run."""
    from mlflow.entities import RunTag

    all_tags = {PUBLISHING: part} | process_tags() | dict(tags or {})
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in all_tags.items()])


def _release(client: MlflowClient, run_id: str) -> None:
    """Remove the mark of `_claim`."""
    for tag in (PUBLISHING, PROCESS, SEEN):
        client.delete_tag(run_id, tag)


def _retry(attempt: Callable[[], Result]) -> Result:
    """Return the result of a function. Try again if another machine has deleted the run."""
    from mlflow.exceptions import MlflowException

    for wait in RETRY_SECONDS:
        try:
            return attempt()
        except MlflowException as error:
            if "deleted" not in str(error):
                raise
            time.sleep(random.uniform(wait / 2, wait))
    return attempt()


def _update_tags(client: MlflowClient, run: Run, tags: Mapping[str, str]) -> None:
    """Update the tags of a run that an earlier version of lineup published."""
    # Without the tags of the process, an unfinished claim of an ended process would look like one of another program.
    kept = (PROCESS, SEEN) if PUBLISHING in run.data.tags else ()
    for name in filter(FORMER_TAGS.fullmatch, run.data.tags):
        if name not in kept:
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
    absent = [] if lacks_model(record) else absent_members(record, models)
    return f", without its model: {', '.join(absent)} was trained again or removed" if absent else ""
