"""Describe a stage for a worker of a cluster, and check the records that the worker returns.

The worker runs the stage with DVC, and returns the records and the entry of the stage in ``dvc.lock``. The main machine
computes this entry again, and accepts the records only if both entries are equal.

Examples
--------
>>> is_remote("train@basic_cnn"), is_remote("committee@best_five"), is_remote("evaluate")
(True, True, False)
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lineup.code.stages import CODE
from lineup.committee.select import read_selection
from lineup.errors import LineupError, shortened
from lineup.execution.worker import StageTask, records_folder, versions
from lineup.files import file_sha256, replacing_folder
from lineup.params import load_params
from lineup.paths import FILES, Project, seed_folder
from lineup.records.archive import open_archive
from lineup.records.check import RECORD_FILES, check_content
from lineup.records.machine import this_machine
from lineup.records.record import MODEL, Record, read_record
from lineup.records.summary import write_summary
from lineup.training.finished import keep, remove_others
from lineup.training.train import training_identity

REMOTE = ("train", "committee")
"""Stages that run on workers. All other stages are short, or need all records."""

LOCK_SECONDS = 60.0
"""Longest time to wait for the lock of DVC, in seconds. DVC does not hold it while a stage runs."""


@dataclass(frozen=True)
class Prepared:
    """A stage that has to run.

    Parameters
    ----------
    task : StageTask
        What the worker gets.
    entry : dict
        Command, dependencies and parameters of the stage, as in ``dvc.lock``.
    """

    task: StageTask
    entry: Mapping[str, Any]


def is_remote(stage: str) -> bool:
    """Return whether a stage can run on a worker."""
    group, at, _ = stage.partition("@")
    return bool(at) and group in REMOTE


def prepare_stage(project: Project, name: str) -> Prepared | None:
    """Describe a stage for a worker.

    Return None if DVC can skip the stage on this machine. DVC skips a stage that is up to date. DVC also skips a stage
    if an earlier run had the same inputs and its outputs can be restored.

    Raises
    ------
    LineupError
        If an input file is missing.
    """
    with _loaded(project, name) as stage:
        if not stage.changed() or _is_in_run_cache(stage):
            return None
        entry = _entry(stage)
        dependencies = [Path(dep.fs_path) for dep in stage.deps if dep.hash_name == "md5" and dep.fs_path]
    files = [file for path in dependencies for file in _files(path)]
    files += _further_inputs(project, name)
    texts = {file: (project.root / file).read_bytes() for file in (*FILES, CODE)}
    with suppress(FileNotFoundError):  # a project without own architectures
        texts["models.py"] = (project.root / "models.py").read_bytes()
    hashes = {path.relative_to(project.root).as_posix(): _sha256(path, path.stat().st_mtime_ns) for path in files}
    task = StageTask(name, _project_name(project), texts, hashes, _code_keys(project, name), versions())
    return Prepared(task, {key: value for key, value in entry.items() if key != "outs"})


def accept(project: Project, prepared: Prepared, entry: Mapping[str, Any], archive: Path) -> None:
    """Check the records of a stage, add them to the project, and update ``dvc.lock``.

    Parameters
    ----------
    project : Project
        The project.
    prepared : Prepared
        The stage, as it was sent.
    entry : dict
        Entry of the stage in the worker's ``dvc.lock``.
    archive : Path
        File with the records, which may be damaged or hostile.

    Raises
    ------
    LineupError
        If the inputs on the worker or the current inputs differ from those that were sent, or if the records are
        damaged or belong to another stage. ``dvc.lock`` is then unchanged, and the stage is still out of date.
    """
    stage_name = prepared.task.stage
    entry = json.loads(json.dumps(entry))  # the types of values are those of `_entry`
    _check_inputs("the worker", entry, prepared.entry)
    staging = project.root / ".dvc" / "tmp" / "lineup" / stage_name
    shutil.rmtree(staging, ignore_errors=True)
    try:
        records = _unpacked(archive, staging, stage_name.partition("@")[2])
        with _loaded(project, stage_name) as stage:
            stage.save_deps()
            _check_inputs("the project", _entry(stage), prepared.entry)
            _place(project, stage_name, records)
            stage.save(run_cache=False)
            _check_outputs(project, stage, entry)
            stage.repo.stage_cache.save(stage)
            stage.commit()
            stage.dump(update_pipeline=False)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _keep(project, stage_name)


@contextmanager
def _loaded(project: Project, name: str) -> Iterator[Any]:
    """Hold the lock of DVC, and yield a stage."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(project.root)) as repo, _locked(repo):
            yield repo.stage.load_one(str(project.root / "dvc.yaml"), name)
    except DvcException as error:
        raise LineupError(f"{name}: {shortened(error)}") from error


@contextmanager
def _locked(repo: Any) -> Iterator[None]:
    """Hold the lock of DVC. Unlike ``repo.lock``, the function prints nothing while it waits."""
    from dvc.lock import LockError, make_lock

    hard_link = repo.config["core"].get("hardlink_lock", False)
    repo.lock = make_lock(str(Path(repo.tmp_dir) / "lock"), tmp_dir=repo.tmp_dir, hardlink_lock=hard_link)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            repo.lock.lock()
            break
        except LockError:
            if time.monotonic() > deadline:
                raise
    try:
        yield
    finally:
        repo.lock.unlock()


def _is_in_run_cache(stage: Any) -> bool:
    """Return whether DVC has stored the outputs of an earlier run with the same inputs."""
    from dvc.stage.cache import RunCacheNotFoundError
    from dvc_data.hashfile.hash_info import HashInfo

    stage.save_deps()
    for out in stage.outs:  # these are the outputs of the last run, and DVC would take them for those of this one
        out.hash_info = HashInfo()
    try:
        stage.repo.stage_cache.restore(stage, dry=True)
    except RunCacheNotFoundError:
        return False
    return True


def _entry(stage: Any) -> dict[str, Any]:
    """Return the entry of a stage with the same structure as in ``dvc.lock``."""
    from dvc.stage.serialize import to_single_stage_lockfile

    entry: dict[str, Any] = json.loads(json.dumps(to_single_stage_lockfile(stage)))
    return entry


def _check_inputs(who: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for part in ("cmd", "deps", "params"):
        if found.get(part) != expected.get(part):
            raise LineupError(f"{who} has another {part} for this stage than the one that was sent; result refused")


def _check_outputs(project: Project, stage: Any, entry: Mapping[str, Any]) -> None:
    """Compare the hashes of the outputs with the hashes from the worker. Remove outputs that differ."""
    if _entry(stage) != entry:
        shutil.rmtree(records_folder(project, stage.name), ignore_errors=True)
        raise LineupError("the outputs differ from those in the worker's dvc.lock; result refused")


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _further_inputs(project: Project, stage: str) -> list[Path]:
    """Return input files that ``dvc.yaml`` does not list.

    A committee stage reads the predictions of the members. The selection file contains the hashes of these predictions.
    If the rule considers the prediction time, the stage also loads the models of the members. A training stage reuses
    finished seeds.
    """
    group, _, name = stage.partition("@")
    if group == "train":
        return _files(project.finished / name) if (project.finished / name).is_dir() else []
    selection = read_selection(project.selection / f"{name}.json")
    members = dict.fromkeys((member.name, member.seed) for run in selection.runs for member in run)
    folders = [seed_folder(project.models / model, seed) for model, seed in members]
    models = [file for folder in folders for file in _files(folder / MODEL)] if selection.committee.needs_times else []
    return [folder / file for folder in folders for file in RECORD_FILES] + models


@cache
def _sha256(path: Path, changed: int) -> str:
    """Return the SHA-256 of a file. Most stages read the same large file, so the hash of this file is cached."""
    return file_sha256(path)


def _project_name(project: Project) -> str:
    return hashlib.sha256(f"{this_machine().host}:{project.root}".encode()).hexdigest()[:12]


def _code_keys(project: Project, stage: str) -> tuple[str, ...]:
    group, _, name = stage.partition("@")
    if group != "train":
        return (group,)
    recipe = load_params(project.params).recipe(name)
    return (f"train.{recipe.family}", f"models.{recipe.family}.{recipe.architecture}")


def _unpacked(archive: Path, staging: Path, name: str) -> list[Record]:
    """Unpack and check the records of a model or committee."""
    records = []
    with open_archive(archive) as packed:
        for number, folder in enumerate(packed.records):
            packed.unpack(folder, staging / str(number))
            record = read_record(staging / str(number))
            check_content(record)
            records.append(record)
    wrong = [record.header.label for record in records if record.header.name != name or record.header.experiment]
    if wrong or len({record.header.seed for record in records}) < len(records):
        raise LineupError(f"the worker sent the records of another stage: {shortened(', '.join(wrong)) or 'twice'}")
    return records


def _place(project: Project, stage: str, records: Sequence[Record]) -> None:
    """Replace the outputs of a stage with new records."""
    target, name = records_folder(project, stage), stage.partition("@")[2]
    with replacing_folder(target) as partial:
        for record in records:
            record.folder.rename(seed_folder(partial, record.header.seed))
    write_summary(project.metrics / f"{name}.json", _records_in_order(project, stage))


def _records_in_order(project: Project, stage: str) -> list[Record]:
    """Read the records of a stage, in the order of the seeds in ``params.yaml``."""
    group, _, name = stage.partition("@")
    folder, params = records_folder(project, stage), load_params(project.params)
    seeds = params.recipe(name).seeds if group == "train" else range(1, params.committee(name).seeds + 1)
    return [read_record(seed_folder(folder, seed)) for seed in seeds]


def _keep(project: Project, stage: str) -> None:
    """Copy the records of a worker to ``runs/finished``.

    This folder contains copies of finished training runs.
    """
    group, _, name = stage.partition("@")
    if group != "train":
        return
    records = _records_in_order(project, stage)
    identities = [training_identity(record.header) for record in records]
    for record, identity in zip(records, identities, strict=True):
        keep(record.folder, project.finished / name / identity)
    remove_others(project.finished / name, identities)
