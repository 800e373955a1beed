"""Imported records have their own runs in MLflow. Records of the project with the same key do not replace them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lineup.paths import Project
from lineup.records.archive import write_archive
from lineup.records.importing import import_archive
from lineup.records.record import Record
from lineup.tracking.contents import IMPORTED
from lineup.tracking.publish import publish
from lineup.tracking.stamp import save_stamp
from lineup.tracking.views import TOP_RUNS
from tests.make_records import MACHINE, RUNTIME, make_record, model_folder, random_predictions

from .published import client_of, models_of, runs_of


def imported(root: Path, folder: Path, seed: int) -> Record:
    """Import a run of another machine without its model."""
    runtime = dataclasses.replace(RUNTIME, attempt=f"there-{seed}", machine=dataclasses.replace(MACHINE, host="gpu"))
    record = make_record(folder / str(seed), random_predictions(seed), runtime=runtime, name="one", seed=seed)
    write_archive([record], folder / "x.zip", models=False)
    return import_archive(folder / "x.zip", Project(root))[0].record


def own_run(folder: Path, seed: int) -> Record:
    """Write a record with a file in place of its model, which is only copied."""
    (model_folder(folder) / "network.keras").write_bytes(b"weights")
    runtime = dataclasses.replace(RUNTIME, attempt=f"here-{seed}")
    return make_record(folder, random_predictions(seed + 10), runtime=runtime, name="one", seed=seed)


def test_own_and_imported_runs_of_the_same_key(root: Path, tmp_path: Path) -> None:
    own = [own_run(root / "runs" / "models" / "one" / f"seed_{seed}", seed) for seed in (1, 2)]
    others = [imported(root, tmp_path, seed) for seed in (1, 2)]
    lines: list[str] = []
    publish(root, [*own, *others], log=lines.append)
    assert lines[-1].startswith("MLflow: 4 new, 0 completed, 0 unchanged")
    before = {run.info.run_id for record in (*own, *others) for run in runs_of(root, record)}
    (run,) = [run for run in runs_of(root, others[0]) if run.data.tags.get(IMPORTED)]
    assert run.info.run_name == "one_seed1 on gpu"
    assert run.data.tags["machine"].startswith("gpu: ")
    assert (run.info.start_time, run.info.end_time) == (others[0].runtime.started, others[0].runtime.ended)
    assert run.data.metrics["test_accuracy"] == others[0].metrics["test_accuracy"]
    assert models_of(run) == []

    client = client_of(root)
    experiments = [item.experiment_id for item in client.search_experiments()]
    parents = client.search_runs(experiments, "tags.`lineup.seeds_of` = 'one'")
    assert [parent.data.params["seeds"] for parent in parents] == ["1, 2"]
    assert [top.info.run_id for top in client.search_runs(experiments, TOP_RUNS)] == [parents[0].info.run_id]

    save_stamp(root, [])  # otherwise nothing would be compared
    publish(root, [*own, *others], log=lines.append)
    assert lines[-1].startswith("MLflow: 0 new, 0 completed, 4 unchanged")
    assert {run.info.run_id for record in (*own, *others) for run in runs_of(root, record)} == before
