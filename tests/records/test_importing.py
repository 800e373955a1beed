"""Import records: their folders, repeated and interrupted imports, conflicts, and a DVC remote."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import zipfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from lineup.errors import LineupError
from lineup.files import folder_sha256
from lineup.paths import Project
from lineup.records.archive import write_archive
from lineup.records.imported import find_imported, imported_folders, imported_name, imported_records, is_imported
from lineup.records.importing import import_archive
from lineup.records.record import HEADER, METRICS, MODEL, RUNTIME, Record, read_record
from tests.make_records import MACHINE, make_record, model_folder, random_predictions
from tests.make_records import RUNTIME as RAN

REAL = Path(os.environ.get("LINEUP_GPU_RECORD", ""))
"""Folder of the record of ``basic_cnn`` that was trained on an NVIDIA H100."""


def make_run(folder: Path, seed: int = 1, host: str = "elsewhere", **header: Any) -> Record:
    machine = dataclasses.replace(MACHINE, host=host)
    runtime = dataclasses.replace(RAN, attempt=f"{host}-{seed}", machine=machine)
    return make_record(folder, random_predictions(seed), runtime=runtime, name="small", seed=seed, **header)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def packed(records: list[Record], path: Path, *, models: bool = False) -> Path:
    write_archive(records, path, models=models)
    return path


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the identity and the time of each file, which show whether it was written again."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_records_are_beside_the_own_records(project: Project, tmp_path: Path) -> None:
    own = make_run(project.models / "small" / "seed_1", host="here")
    records = [make_run(tmp_path / "gpu" / str(seed), seed, host="gpu") for seed in (1, 2)]
    done = import_archive(packed(records, tmp_path / "x.zip"), project)
    assert [one.state for one in done] == ["new", "new"]
    for one, record in zip(done, records, strict=True):
        assert one.record.folder.parent == project.root / "runs" / "imported" / "small"
        assert one.record.folder.name.startswith(f"{record.header.key}-")
        assert one.record.digest() == record.digest()
        assert (one.record.header, one.record.runtime) == (record.header, record.runtime)
        assert is_imported(one.record)
    assert not is_imported(own)
    assert read_record(own.folder).digest() == own.digest()
    assert [one.header.seed for one in imported_records(project)] == [1, 2]


def test_importing_twice_changes_nothing(project: Project, tmp_path: Path) -> None:
    path = packed([make_run(tmp_path / "gpu" / str(seed), seed) for seed in (1, 2)], tmp_path / "x.zip")
    import_archive(path, project)
    before = state(project.root)
    assert [one.state for one in import_archive(path, project)] == ["unchanged", "unchanged"]
    assert state(project.root) == before


@pytest.mark.parametrize("place", ["runs/models/small/seed_1", "experiments/small-0a1b2c3d"])
def test_the_own_records_are_not_imported(project: Project, tmp_path: Path, place: str) -> None:
    own = make_run(project.root / place)
    (done,) = import_archive(packed([own], tmp_path / "x.zip"), project)
    assert (done.state, done.record.folder) == ("unchanged", own.folder)
    assert imported_folders(project) == []


def test_machines_with_the_same_device_keep_their_own_records(project: Project, tmp_path: Path) -> None:
    one, other = make_run(tmp_path / "one", host="one"), make_run(tmp_path / "other", host="other")
    assert one.header.key == other.header.key
    for record in (one, other):
        import_archive(packed([record], tmp_path / "x.zip"), project)
    assert sorted(record.runtime.machine.host for record in imported_records(project)) == ["one", "other"]
    assert [found.runtime.machine.host for found in find_imported(project, "small@one")] == ["one"]


def test_a_conflict_is_named_and_nothing_is_imported(project: Project, tmp_path: Path) -> None:
    record, new = make_run(tmp_path / "gpu" / "1"), make_run(tmp_path / "gpu" / "2", seed=2)
    import_archive(packed([record], tmp_path / "x.zip"), project)
    metrics = json.loads((record.folder / METRICS).read_text())
    (record.folder / METRICS).write_text(json.dumps(metrics | {"test_loss": 0.5}))
    before = state(project.root)
    with pytest.raises(LineupError) as caught:
        import_archive(packed([new, read_record(record.folder)], tmp_path / "y.zip"), project)
    (folder,) = imported_folders(project)
    assert str(caught.value) == (
        f"{tmp_path / 'y.zip'}: small_seed1, trained on elsewhere, is in conflict with {folder}:"
        " the same training run with different files; nothing was imported"
    )
    assert state(project.root) == before


def test_a_model_completes_a_record(project: Project, tmp_path: Path) -> None:
    with zipfile.ZipFile(model_folder(tmp_path / "small") / "network.keras", "w") as file:
        file.writestr("config.json", "{}")
    record = make_run(tmp_path / "small")
    import_archive(packed([record], tmp_path / "x.zip"), project)
    with_model = packed([record], tmp_path / "y.zip", models=True)
    (done,) = import_archive(with_model, project)
    assert done.state == "completed"
    assert folder_sha256(done.record.folder / MODEL) == record.header.model_files
    for path in (with_model, tmp_path / "x.zip"):
        assert import_archive(path, project)[0].state == "unchanged"
    assert (done.record.folder / MODEL).is_dir()


def test_what_a_killed_import_leaves_is_removed(project: Project, tmp_path: Path) -> None:
    path = packed([make_run(tmp_path / "gpu")], tmp_path / "x.zip")
    left = project.root / "runs" / "imported" / ".import-999999999.partial"
    shutil.copytree(tmp_path / "gpu", left / "0")
    assert imported_folders(project) == []
    import_archive(path, project)
    assert [item.name for item in left.parent.iterdir()] == ["small"]


def test_a_full_disk_leaves_nothing(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed([make_run(tmp_path / "gpu")], tmp_path / "x.zip")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LineupError, match="of free space"):
        import_archive(path, project)
    assert list(project.root.iterdir()) == []


def test_names_of_imported_records(project: Project, tmp_path: Path) -> None:
    records = [make_run(tmp_path / str(seed), seed, host="gpu") for seed in (1, 2)]
    done = import_archive(packed(records, tmp_path / "x.zip"), project)
    assert [found.header.seed for found in find_imported(project, "small@gpu")] == [1, 2]
    for one in done:
        assert [found.folder for found in find_imported(project, imported_name(one.record))] == [one.record.folder]
    with pytest.raises(LineupError, match="no imported record 'small@cpu'; expected one of small_seed1@"):
        find_imported(project, "small@cpu")
    with pytest.raises(LineupError, match="no imported record 'small@'"):
        find_imported(project, "small@")


def test_a_record_of_schema_1_keeps_its_files(project: Project, tmp_path: Path) -> None:
    record = make_run(tmp_path / "gpu")
    values = json.loads((record.folder / HEADER).read_text())
    del values["model_files"], values["data"]["shape"]
    (record.folder / HEADER).write_text(json.dumps(values | {"schema": 1}))
    (done,) = import_archive(packed([read_record(record.folder)], tmp_path / "x.zip"), project)
    assert (done.record.folder / HEADER).read_bytes() == (record.folder / HEADER).read_bytes()
    assert done.record.header == record.header


@pytest.mark.skipif(not (REAL / HEADER).is_file(), reason="LINEUP_GPU_RECORD is not the folder of a record")
def test_a_real_record_of_a_gpu(project: Project, tmp_path: Path) -> None:
    path = packed([read_record(REAL)], tmp_path / "h100.zip", models=True)
    (done,) = import_archive(path, project)
    assert done.record.header.device.name == "NVIDIA H100 80GB HBM3"
    assert done.record.metrics["test_accuracy"] == 0.9134
    assert json.loads((done.record.folder / HEADER).read_text())["schema"] == 1
    assert folder_sha256(done.record.folder / MODEL) == folder_sha256(REAL / MODEL)
    assert import_archive(path, project)[0].state == "unchanged"


def dvc(*arguments: str) -> None:
    from dvc.cli import main

    assert main([*arguments, "--quiet"]) == 0


def test_imported_records_travel_through_a_dvc_remote(project: Project, tmp_path: Path) -> None:
    """The commands are those of docs/records.md, with a folder as the remote."""
    import_archive(packed([make_run(tmp_path / "gpu")], tmp_path / "x.zip"), project)
    with chdir(project.root):
        dvc("init", "--no-scm")
        dvc("remote", "add", "--default", "storage", str(tmp_path / "remote"))
        dvc("add", "runs/imported")
        dvc("push", "runs/imported")
    clone = Project(tmp_path / "clone")
    (clone.root / "runs").mkdir(parents=True)
    shutil.copytree(project.root / ".dvc", clone.root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(project.root / "runs" / "imported.dvc", clone.root / "runs")
    with chdir(clone.root):
        dvc("pull", "runs/imported")
    (mine,), (theirs,) = imported_records(project), imported_records(clone)
    assert mine.digest() == theirs.digest()
    assert os.path.relpath(mine.folder, project.root) == os.path.relpath(theirs.folder, clone.root)
    assert import_archive(tmp_path / "x.zip", clone)[0].state == "unchanged"
    assert (theirs.folder / RUNTIME).is_file()
