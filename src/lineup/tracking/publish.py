"""Bring MLflow into line with the records: every record has exactly one finished run, with everything in it.

The store may be empty, half filled by live runs, or up to date; afterwards it is the same. A run is found by the key of
its record. A live run of the same training is completed, one that is finished with the same digest is left alone unless
artifacts of it are lost, anything else under that key is replaced.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.committee.model import ANALYSIS, COMMITTEE, read_analysis
from lineup.errors import LineupError
from lineup.evaluation.metrics import classification_report
from lineup.figures.render import caption, figures_of
from lineup.files import open_regular
from lineup.published.claims import load_claims
from lineup.records import record as files
from lineup.records.record import Record
from lineup.remedies import how_to_make
from lineup.tracking.address import shown_uri, tracking_uri
from lineup.tracking.artifacts import lacks_artifacts, local_folders, logged_model, note_artifacts
from lineup.tracking.errors import store_errors
from lineup.tracking.groups import publish_groups
from lineup.tracking.links import check_links, copy_files
from lineup.tracking.lock import publish_lock
from lineup.tracking.model import Models, absent_members, identity, log_model
from lineup.tracking.registry import register_champion
from lineup.tracking.runs import (
    ATTEMPT,
    DIGEST,
    KEY,
    describe,
    end_dead_runs,
    epoch_metrics,
    final_metrics,
    find_runs,
    is_alive,
    is_own,
    log_metrics,
    log_params,
    process_tags,
)
from lineup.tracking.stamp import is_published, note_published
from lineup.tracking.store import open_store
from lineup.tracking.verify import check_models

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from lineup.committee.champion import Champion

PUBLISHING = "lineup.publishing"
WAIT_SECONDS = 60.0
"""How long to wait for another machine that publishes the same record into the same server."""
RETRY_SECONDS = (2.0, 10.0)
"""How long to wait at most before each further try, when that machine has deleted the run."""

FILES = (files.HEADER, files.HISTORY, files.METRICS, files.PREDICTIONS, files.CONFUSION, files.RUNTIME)
"""What of a record goes into its run as it is."""


def publish(
    root: Path,
    records: Iterable[Record],
    *,
    tell: Callable[[str], None],
    champion: Champion | None = None,
    run_id: str | None = None,
) -> None:
    """Make or complete the runs of records.

    Parameters
    ----------
    root : Path
        Project folder; decides on the store.
    records : iterable of Record
        Members before the committees that they sit in, so that a committee can link to its members' runs.
    tell : callable
        Told one line a record that was not up to date, and a summary.
    champion : Champion, optional
        Whose model gets the alias ``champion`` in the model registry. Default: the registry stays as it is.
    run_id : str, optional
        The run that is to hold the last record, where ``mlflow run`` has made one already.

    Raises
    ------
    LineupError
        If a record lacks a file, or the store cannot be reached or refuses something.
    """
    records = list(records)
    counts = {"new": 0, "completed": 0, "unchanged": len(records)}

    def nothing_to_do() -> bool:
        return run_id is None and is_published(root, records, champion)

    _check_whole(records)
    if not nothing_to_do():
        for record in records:
            check_links(root, record.folder)
        check_models(records)
        with store_errors(root), publish_lock(root, tell):
            if not nothing_to_do():  # another process may have published all of it meanwhile
                counts = _publish_all(root, records, champion, run_id, tell)
    tell(_summary(root, counts))


def _publish_all(
    root: Path, records: list[Record], champion: Champion | None, run_id: str | None, tell: Callable[[str], None]
) -> dict[str, int]:
    """Publish records and champion, and return how many runs are ``new``, ``completed`` and ``unchanged``."""
    counts = {"new": 0, "completed": 0, "unchanged": 0}
    run_ids: dict[str, str] = {}
    models: Models = {}
    folders: list[Path] = []
    stores: dict[str, tuple[MlflowClient, str]] = {}
    for record in records:
        data = record.header.data.name
        if data not in stores:
            stores[data] = open_store(root, data)
            end_dead_runs(*stores[data], root)
        client, experiment = stores[data]
        given = run_id if record is records[-1] else None
        run, outcome = _publish_undisturbed(root, client, experiment, record, models, given)
        _link_members(client, run, record, run_ids)
        run_ids[record.header.key] = run.info.run_id
        models[identity(record)] = record.folder / files.MODEL
        folders += local_folders(client, run)
        counts[outcome] += 1
        if outcome != "unchanged":
            tell(f"{record.header.label}: {outcome} run {run.info.run_id}{_without(record, models)}")
    if records:
        publish_groups(client, records, run_ids)
        if champion is not None:
            register_champion(client, champion, tell=tell)
    note_published(root, records, champion, folders)
    return counts


def _summary(root: Path, counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"MLflow: {told} ({shown_uri(tracking_uri(root))})"


def publish_folder(root: Path, data: str, run_id: str, folder: Path) -> None:
    """Put the pages of an evaluation into a run that exists already, as its artifacts."""
    with store_errors(root), tempfile.TemporaryDirectory() as temporary:
        pages = copy_files(root, folder, Path(temporary, "pages"))
        client, _ = open_store(root, data)
        client.log_artifacts(run_id, str(pages), artifact_path="evaluation")


def _check_whole(records: Iterable[Record]) -> None:
    """Refuse records of which a file is missing or cannot be read: in a fresh clone the large ones, which git lacks.

    It is said before the store is opened, whose errors say that the records are whole.
    """
    for record in records:
        model = [f"{files.MODEL}/{name}" for name in (COMMITTEE, ANALYSIS)] if record.header.members else [files.MODEL]
        absent = [name for name in (*FILES, *model) if not (record.folder / name).exists()]
        if absent:
            advice = how_to_make(record.folder / absent[0])
            raise LineupError(f"{record.folder}: no {' and no '.join(absent)} here; {advice}")
        for path in (record.folder / name for name in FILES):
            try:
                open_regular(path).close()
            except OSError as error:
                raise LineupError(f"{path}: cannot be read ({error.strerror})") from error
        files.read_confusion(record)


def _without(record: Record, models: Models) -> str:
    """Return the words that say which members a committee was published without, or none."""
    gone = absent_members(record, models)
    return f", without its model: {', '.join(gone)} trained anew or removed since it was combined" if gone else ""


def _publish_undisturbed(
    root: Path, client: MlflowClient, experiment: str, record: Record, models: Models, run_id: str | None
) -> tuple[Run, str]:
    """Do as `_publish_record`, and again if another machine that publishes the same record has deleted the run."""
    from mlflow.exceptions import MlflowException

    for wait in RETRY_SECONDS:
        try:
            return _publish_record(root, client, experiment, record, models, run_id)
        except MlflowException as error:
            if "deleted" not in str(error):
                raise
            time.sleep(random.uniform(wait / 2, wait))
    return _publish_record(root, client, experiment, record, models, run_id)


def _find_runs(client: MlflowClient, key: str) -> list[Run]:
    """Return the runs of a record, once no other process is at work on one of them, or after a limited time."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        runs = find_runs(client, KEY, key)
        others = [run for run in runs if PUBLISHING in run.data.tags and is_alive(run) and not is_own(run)]
        if not others or time.monotonic() > end:
            return runs
        time.sleep(1)


def _publish_record(
    root: Path, client: MlflowClient, experiment: str, record: Record, models: Models, run_id: str | None
) -> tuple[Run, str]:
    """Return the run of a record and whether it was ``new``, ``completed`` or ``unchanged``."""
    digest = record.digest()
    runs = _find_runs(client, record.header.key)
    given = [client.get_run(run_id)] if run_id else []
    # A run that publishing itself began and did not finish may hold half its artifacts: it is made anew.
    whole = [run for run in runs if PUBLISHING not in run.data.tags]
    finished = [run for run in whole if run.data.tags.get(DIGEST) == digest and run.info.status == "FINISHED"]
    live = given or [run for run in whole if run.data.tags.get(ATTEMPT) == record.runtime.attempt]
    if given:
        finished = [run for run in finished if run.info.run_id == run_id]
    keep = next(iter(finished or live), None)
    for run in runs:
        if keep is None or run.info.run_id != keep.info.run_id:
            client.delete_run(run.info.run_id)
    if keep is not None and finished:
        if not lacks_artifacts(client, keep) and not _can_have_model(client, keep, record, models):
            return keep, "unchanged"
        _log_artifacts(root, client, keep, record, models)
        return keep, "completed"
    if keep is None:
        tags = {KEY: record.header.key, PUBLISHING: "true"} | process_tags()
        started = record.runtime.started
        keep = client.create_run(experiment, start_time=started, run_name=record.header.label, tags=tags)
    _complete(client, keep.info.run_id, record)
    _log_artifacts(root, client, keep, record, models)
    client.set_terminated(keep.info.run_id, "FINISHED", record.runtime.ended)
    client.set_tag(keep.info.run_id, DIGEST, digest)
    client.delete_tag(keep.info.run_id, PUBLISHING)
    return client.get_run(keep.info.run_id), "completed" if live else "new"


def _can_have_model(client: MlflowClient, run: Run, record: Record, models: Models) -> bool:
    """Return whether a run has no model and could have one: the members of its committee are there again."""
    return logged_model(client, run) is None and not absent_members(record, models)


def _complete(client: MlflowClient, run_id: str, record: Record) -> None:
    """Write everything that a record holds into its run, except for the artifacts."""
    from mlflow.entities import RunTag

    tags = _tags(record) | process_tags() | {PUBLISHING: "true"}
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    log_params(client, run_id, _params(record))
    log_metrics(client, run_id, (metric for row in record.history for metric in epoch_metrics(row)))
    log_metrics(client, run_id, final_metrics(record))
    _log_dataset(client, run_id, record)


def _log_artifacts(root: Path, client: MlflowClient, run: Run, record: Record, models: Models) -> None:
    """Write all artifacts of a record into its run, its model among them; a list of them last."""
    run_id, logged = run.info.run_id, logged_model(client, run)
    with tempfile.TemporaryDirectory() as temporary:
        _write_artifacts(record, Path(temporary))
        client.log_artifacts(run_id, temporary)
    with tempfile.TemporaryDirectory() as temporary:
        log_model(root, run_id, record, models, Path(temporary), model_id=logged.model_id if logged else None)
    note_artifacts(client, run_id)


def _tags(record: Record) -> dict[str, str]:
    header, runtime = record.header, record.runtime
    tags = describe(header, runtime.machine) | {
        ATTEMPT: runtime.attempt,
        "git_commit": runtime.git_commit,
        "mlflow.source.git.commit": runtime.git_commit.removesuffix("-dirty"),
        "mlflow.source.name": "lineup",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _note(record),
    }
    if header.members:
        tags["members"] = ", ".join(member.label for member in header.members)
    return tags


def _note(record: Record) -> str:
    header = record.header
    data = f"{header.data.title}, {header.data.test_images:,} test images"
    if header.data.generated:
        data = f"**Generated data** ({header.data.name}): says nothing about a real dataset. {data}"
    claim = load_claims(header.data.name).get(header.name)
    published = f" Published accuracy: {claim.text}." if claim else ""
    return f"{header.kind} `{header.label}` of report {header.report}. {data}.{published}"


def _params(record: Record) -> dict[str, object]:
    header = record.header
    values: dict[str, object] = {
        **header.parameters,
        "data": header.data.name,
        "data_fingerprint": header.data.fingerprint,
        "onednn": header.onednn,
    }
    if header.weights:
        values |= {
            "parameters": header.weights.parameters,
            "parameters_trainable": header.weights.trainable,
            "parameters_frozen": header.weights.frozen,
            "weights_sha256": header.weights.sha256,
        }
    return values | {f"library.{name}": version for name, version in header.libraries.items()}


def _log_dataset(client: MlflowClient, run_id: str, record: Record) -> None:
    import json

    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = record.header.data
    profile = {
        "training_images": data.training_images,
        "validation_images": data.validation_images,
        "test_images": data.test_images,
    }
    dataset = Dataset(
        name=data.name,
        digest=data.fingerprint[:36],
        source_type="generated" if data.generated else "download",
        source=json.dumps({"name": data.name, "title": data.title}),
        schema=json.dumps({"images": "uint8 (n, 28, 28)", "classes": data.classes}),
        profile=json.dumps(profile),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train, validation, test")])])


def _write_artifacts(record: Record, folder: Path) -> None:
    from lineup.figures.save import save_png  # imports matplotlib, which takes a second

    (folder / "record").mkdir()
    for name in FILES:
        (folder / "record" / name).write_bytes((record.folder / name).read_bytes())
    (folder / "classification_report.txt").write_text(_classification_report(record), encoding="utf-8")
    for name, figure in figures_of(record).items():
        save_png(figure, folder / "figures" / f"{name}.png")
    if record.header.members:
        _write_members(record, folder / "committee")


def _write_members(record: Record, folder: Path) -> None:
    """Write why a committee works: a table of its members, one of each pair of them, and all of it as JSON."""
    import pandas as pd

    analysis = read_analysis(record.folder / files.MODEL)
    folder.mkdir()
    shutil.copy(record.folder / files.MODEL / ANALYSIS, folder)
    pd.DataFrame([asdict(member) for member in analysis.members]).to_csv(folder / "members.csv", index=False)
    pairs = [
        (one.name, other.name, analysis.disagreement[row][column], analysis.error_correlation[row][column])
        for (row, one), (column, other) in combinations(enumerate(analysis.members), 2)
    ]
    columns = ["member", "other", "disagreement", "error_correlation"]
    pd.DataFrame(pairs, columns=columns).to_csv(folder / "pairs.csv", index=False)


def _classification_report(record: Record) -> str:
    """Return scikit-learn's report on the test images, below a line that names model and data."""
    predictions = record.predictions()
    report = classification_report(predictions.test_probabilities, predictions.test_labels, record.header.data.classes)
    return f"{record.header.label}: {caption(record.header)}\n\n{report}"


def _link_members(client: MlflowClient, run: Run, record: Record, run_ids: Mapping[str, str]) -> None:
    """Tag a committee's run with its members' runs; they may have new ids even if the committee is unchanged."""
    for member in record.header.members:
        tag, member_run = f"member.{member.label}", run_ids.get(member.key)
        if member_run and run.data.tags.get(tag) != member_run:
            client.set_tag(run.info.run_id, tag, member_run)
