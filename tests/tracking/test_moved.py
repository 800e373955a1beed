"""Publish in a project that was moved, copied or cleaned up. Afterwards, the store contains all artifacts."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import mlflow
import numpy as np
import pytest

from lineup.committee.champion import Champion
from lineup.execution.doctor import _store
from lineup.paths import Project
from lineup.records.record import Record, read_record
from lineup.tracking.listing import files_in
from lineup.tracking.live import LiveRun
from lineup.tracking.publish import publish
from lineup.tracking.stamp import is_published
from tests.make_records import CLASSES, HEADER, STARTED

from .conftest import store_in
from .published import EXPERIMENT, IMAGES, Published, client_of, models_of, run_of, snapshot


def records_in(root: Path) -> list[Record]:
    """Return the records of a copy of the published project, members before their committee."""
    names = ("runs/models/one/seed_1", "runs/models/two/seed_1", "experiments/one", "runs/pair")
    return [read_record(root / name) for name in names]


def publish_in(root: Path, *, alone: bool = False) -> list[str]:
    """Publish a copy with its champion, the network ``two``, or only this network; return the printed lines."""
    lines: list[str] = []
    records = records_in(root)
    two = records[1]
    champion = Champion("two", two.header.key, "loss", 3, 6, {"two": 0.5}, 0.9, 0.85, 0.05)
    publish(root, [two] if alone else records, champion=champion, log=lines.append)
    return lines


def artifacts_of(root: Path) -> set[str]:
    """Return the names of the artifacts of a project."""
    return set(files_in(root / "mlartifacts"))


def assert_champion_predicts(root: Path) -> None:
    with store_in(root):
        mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
        model = mlflow.pyfunc.load_model(f"models:/{EXPERIMENT}@champion")
        answers = model.predict(IMAGES)[CLASSES]
    np.testing.assert_allclose(answers, records_in(root)[1].predictions().test.probabilities, rtol=0, atol=1e-6)


def dump(root: Path) -> str:
    """Return the contents of a store as SQL."""
    connection = sqlite3.connect(root / "mlflow.db")
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


@pytest.fixture
def project(published: Published, tmp_path: Path) -> Path:
    """A copy of the published project, whose store still names the original."""
    return Path(shutil.copytree(published.root, tmp_path / "a project of C# 1"))


def test_a_copy_shares_nothing_with_its_original(published: Published, project: Path) -> None:
    original = dump(published.root)
    with store_in(project):
        finding = _store(Project(project))
        assert not finding.fine
        assert finding.found.endswith(f"; its artifacts are in another folder ({published.root.as_uri()})")
        assert finding.remedy == "lineup publish"
        lines = publish_in(project)
        assert lines[-1].startswith("MLflow: 0 new, 0 completed, 4 unchanged")
        assert _store(Project(project)).fine
    assert str(published.root) not in dump(project)
    assert dump(published.root) == original
    assert_champion_predicts(project)


def test_a_copy_without_artifacts_gets_its_own(project: Path, tmp_path: Path) -> None:
    """The run and its model are kept, even if the copy is moved again."""
    before = snapshot(project, ids=True)
    shutil.rmtree(project / "mlartifacts")
    with store_in(project):
        lines = publish_in(project, alone=True)
        key = records_in(project)[1].header.key
        assert snapshot(project, ids=True)[key] == before[key]
    assert lines[-1].startswith("MLflow: 0 new, 1 completed, 0 unchanged")
    moved = project.rename(tmp_path / "moved")
    with store_in(moved):
        assert publish_in(moved, alone=True)[-1].startswith("MLflow: 0 new, 0 completed, 1 unchanged")
    assert_champion_predicts(moved)
    assert not project.exists()


def test_a_training_run_after_a_move_does_not_create_the_former_folder(project: Path, tmp_path: Path) -> None:
    moved = project.rename(tmp_path / "moved")
    with store_in(moved):
        with LiveRun(moved) as live:
            live.start(HEADER, "attempt", STARTED)
        (run,) = [run for run in client_of(moved).search_runs(["1"]) if run.info.run_name == HEADER.label]
        client_of(moved).log_text(run.info.run_id, "text", "a file.txt")
    assert run.info.artifact_uri.startswith((moved / "mlartifacts").as_uri())
    assert not project.exists()


@pytest.mark.parametrize("name", ["figures/roc.png", "model"])
def test_a_lost_artifact_is_logged_again(project: Path, name: str) -> None:
    with store_in(project):
        publish_in(project)
        records = records_in(project)
        client, run = client_of(project), run_of(project, records[1])
        (model,) = models_of(run)
        expected = artifacts_of(project)
        if name == "model":
            location = client.get_logged_model(model).artifact_location
            folder = Path(mlflow.artifacts.download_artifacts(location))
            (folder / "artifacts" / "model" / "network.keras").write_bytes(b"")
        else:
            (Path(client.download_artifacts(run.info.run_id, "")) / name).unlink()
        assert not is_published(project, [record.folder for record in records])
        assert _store(Project(project)).found.endswith("; 1 of 4 published runs lack artifacts")
        lines = publish_in(project)
        assert lines[0] == f"two_seed1: completed run {run.info.run_id}"
        assert lines[-1].startswith("MLflow: 0 new, 1 completed, 3 unchanged")
        assert artifacts_of(project) == expected
        assert models_of(run_of(project, records[1])) == [model]
    assert_champion_predicts(project)
