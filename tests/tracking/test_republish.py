"""Publish again after the records or the store have changed. Each record has one complete run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from lineup.explain.files import EXPLAINED, Source, source_of
from lineup.records.machine import this_machine
from lineup.schema import write_json
from lineup.tracking.contents import ATTEMPT, KEY, MEMBERS, epoch_metrics
from lineup.tracking.live import LiveRun
from lineup.tracking.locations import local_folder
from lineup.tracking.publish import publish
from lineup.tracking.reconcile import PUBLISHING, QUEUED
from lineup.tracking.runs import DIGEST, PROCESS, SEEN, log_metrics
from lineup.tracking.store import open_store
from tests.make_records import HISTORY, STARTED

from .conftest import store_in
from .published import Published, client_of, files_of, models_of, network_record, points, run_of, snapshot


def test_publishing_twice_changes_nothing(published: Published) -> None:
    before = snapshot(published.root, ids=True)
    lines: list[str] = []
    with store_in(published.root):
        publish(published.root, published.records.values(), log=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("MLflow: 0 new, 0 completed, 4 unchanged")
    assert snapshot(published.root, ids=True) == before


def test_a_deleted_store_is_created_again(published: Published, root: Path) -> None:
    lines: list[str] = []
    records = [published.records[name] for name in ("one", "two", "pair")]
    publish(root, records, log=lines.append)
    assert lines[-1].startswith("MLflow: 3 new")
    expected = snapshot(published.root)
    del expected[published.records["single"].header.key]
    found = snapshot(root)
    for entry in (*expected.values(), *found.values()):
        entry["tags"] = {name: value for name, value in entry["tags"].items() if name not in (PROCESS, SEEN)}
    assert found == expected


def test_a_changed_record_replaces_its_run(published: Published, copied: Path, tmp_path: Path) -> None:
    """Trained again with the same parameters: same key, different weights and predictions."""
    old = {name: run_of(copied, record).info.run_id for name, record in published.records.items()}
    changed = network_record(tmp_path / "one", seed=8)
    assert changed.header.key == published.records["one"].header.key
    lines: list[str] = []
    records = [changed, published.records["two"], published.records["pair"]]
    publish(copied, records, log=lines.append)
    assert lines[-1].startswith("MLflow: 1 new, 0 completed, 2 unchanged")
    run = run_of(copied, changed)
    assert run.info.run_id != old["one"]
    assert run.data.metrics["test_loss"] == changed.metrics["test_loss"]
    assert client_of(copied).get_run(old["one"]).info.lifecycle_stage == "deleted"
    for name in ("two", "pair", "single"):
        assert run_of(copied, published.records[name]).info.run_id == old[name]
    # The run of the committee has not changed, and links to the new run.
    members = json.loads(run_of(copied, published.records["pair"]).data.tags[MEMBERS])
    assert members["one_seed1"] == run.info.run_id

    # A committee with the former member is published without a model.
    client_of(copied).delete_run(old["pair"])
    lines.clear()
    publish(copied, records, log=lines.append)
    assert lines[0].endswith("without its model: one_seed1 was trained again or removed")
    pair = run_of(copied, published.records["pair"])
    assert pair.info.status == "FINISHED"
    assert pair.data.metrics["test_loss"] == published.records["pair"].metrics["test_loss"]
    assert models_of(pair) == []

    # It gets its model when the former member is restored.
    former = [published.records[name] for name in ("one", "two", "pair")]
    publish(copied, former, log=lines.append)
    assert lines[-1].startswith("MLflow: 1 new, 1 completed, 1 unchanged")
    assert len(models_of(run_of(copied, published.records["pair"]))) == 1


def test_figures_of_the_network_are_logged_once_and_again_if_they_change(published: Published, copied: Path) -> None:
    record, other = published.records["one"], published.records["two"]
    figure = copied / EXPLAINED / "one" / "gradcam.png"
    figure.parent.mkdir(parents=True)
    write_json(source_of(figure.parent), dataclasses.asdict(Source.of(record)))
    lines: list[str] = []
    for content in (b"first", b"later"):
        figure.write_bytes(content)
        for result in ("0 new, 1 completed, 1 unchanged", "0 new, 0 completed, 2 unchanged"):
            publish(copied, [record, other], log=lines.append)
            assert lines[-1].startswith(f"MLflow: {result}")
        client, run_id = client_of(copied), run_of(copied, record).info.run_id
        assert Path(client.download_artifacts(run_id, "figures/gradcam.png")).read_bytes() == content
        assert "figures/confusion_matrix.png" in files_of(client, run_id)
    assert "figures/gradcam.png" not in files_of(client, run_of(copied, other).info.run_id)
    shutil.rmtree(copied / EXPLAINED)  # a machine without the figures keeps those of the store
    publish(copied, [record, other], log=lines.append)
    assert lines[-1].startswith("MLflow: 0 new, 0 completed, 2 unchanged")


def test_a_killed_publish_is_completed(published: Published, root: Path) -> None:
    record = published.records["one"]
    client, experiment = open_store(root, "synthetic")
    half = client.create_run(
        experiment,
        start_time=STARTED,
        run_name="one",
        tags={
            KEY: record.header.key,
            PROCESS: f"{this_machine().host}:1:1",
            PUBLISHING: "true",
            ATTEMPT: record.runtime.attempt,
        },
    ).info.run_id
    log_metrics(client, half, epoch_metrics(HISTORY[0]))
    # Everything is logged, but the run is not marked as complete.
    almost = client.create_run(experiment, tags=dict(client.get_run(half).data.tags) | {DIGEST: record.digest()})
    client.set_terminated(almost.info.run_id, "FINISHED", 1)
    lines: list[str] = []
    publish(root, [record], log=lines.append)
    assert lines[-1].startswith("MLflow: 1 new, 0 completed, 0 unchanged")
    run = run_of(root, record)
    assert run.info.run_id not in (half, almost.info.run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.runtime.ended)
    assert len(models_of(run)) == 1
    assert "classification_report.txt" in files_of(client, run.info.run_id)


def test_a_run_without_artifacts_is_completed(published: Published, root: Path) -> None:
    """As after a process that was killed before it logged the artifacts: all other contents are in MLflow."""
    record = published.records["one"]
    publish(root, [record], log=lambda line: None)
    client, run = client_of(root), run_of(root, record)
    folder = local_folder(run.info.artifact_uri)
    assert folder is not None
    shutil.rmtree(folder)
    for tag, value in {PUBLISHING: QUEUED, PROCESS: f"{this_machine().host}:1:1"}.items():
        client.set_tag(run.info.run_id, tag, value)
    lines: list[str] = []
    publish(root, [record], log=lines.append)
    assert lines[-1].startswith("MLflow: 0 new, 1 completed, 0 unchanged")
    completed = run_of(root, record)
    assert completed.info.run_id == run.info.run_id
    assert not {PUBLISHING, PROCESS} & completed.data.tags.keys()
    assert models_of(completed) == models_of(run)
    assert "classification_report.txt" in files_of(client, run.info.run_id)


def test_a_live_run_is_completed(published: Published, root: Path) -> None:
    record = published.records["one"]
    with LiveRun(root) as live:
        live.start(record.header, record.runtime.attempt, record.runtime.started)
        for row in record.history[:-1]:  # the last epoch was lost on the way
            live.epoch(row)
        live.finish(record)
    begun = run_of(root, record)
    assert begun.info.status == "FINISHED"
    lines: list[str] = []
    publish(root, [record], log=lines.append)
    assert lines[0] == f"one_seed1: completed run {begun.info.run_id}"
    found = snapshot(root)
    expected = snapshot(published.root)[record.header.key]
    for entry in (found[record.header.key], expected):
        entry["tags"] = {name: value for name, value in entry["tags"].items() if name not in (PROCESS, SEEN)}
    assert found == {record.header.key: expected}


def test_a_live_run_of_another_training_run_is_replaced(published: Published, root: Path) -> None:
    """A training run with the same key left no record. Only the contents of the record are logged."""
    record = published.records["one"]
    with LiveRun(root) as live:
        live.start(record.header, "another attempt", STARTED - 9_000)
        live.epoch(dataclasses.replace(record.history[1], epoch=77))
    begun = run_of(root, record).info.run_id
    publish(root, [record], log=lambda line: None)
    run = run_of(root, record)
    assert run.info.run_id != begun
    assert [step for step, _, _ in points(client_of(root), run)["epoch/loss"]] == [1, 2]


def chosen_experiment(root: Path) -> str:
    """Create an experiment as ``mlflow run --experiment-name`` does, but with its artifacts in the project folder."""
    return client_of(root).create_experiment("chosen", artifact_location=(root / "chosen").as_uri())


def test_a_given_run_is_completed_and_keeps_its_parameters(published: Published, root: Path) -> None:
    """A run that ``mlflow run -P learning_rate=1e-3`` has created, in another experiment."""
    record = published.records["single"]
    client, _ = open_store(root, "synthetic")
    given = client.create_run(chosen_experiment(root), run_name="by mlflow run").info.run_id
    client.log_param(given, "learning_rate", "1e-3")
    lines: list[str] = []
    publish(root, [record], log=lines.append, run_id=given)
    assert lines[0] == f"one_seed1: completed run {given}"
    run = run_of(root, record)
    assert run.info.run_id == given
    assert run.data.params["learning_rate"] == "1e-3"
    assert run.data.params["epochs"] == "2"
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.runtime.ended)
    assert len(models_of(run)) == 1
    # `dvc repro` publishes all records afterwards: the run is found where it is.
    publish(root, [record], log=lines.append)
    assert lines[-1].startswith("MLflow: 0 new, 0 completed, 1 unchanged")
    assert run_of(root, record).info.run_id == given


def test_a_given_run_gets_the_committee_and_not_its_members(published: Published, copied: Path) -> None:
    records = {name: published.records[name] for name in ("one", "two", "pair")}
    old = {name: run_of(copied, record).info.run_id for name, record in records.items()}
    client = client_of(copied)
    given = client.create_run(chosen_experiment(copied)).info.run_id
    lines: list[str] = []
    publish(copied, records.values(), log=lines.append, run_id=given)
    assert lines == [f"pair_seed1: completed run {given}", lines[-1]]
    assert lines[-1].startswith("MLflow: 0 new, 1 completed, 2 unchanged")
    assert run_of(copied, records["pair"]).info.run_id == given
    for name in ("one", "two"):
        assert run_of(copied, records[name]).info.run_id == old[name]
