"""Run a small pipeline. Check which stages run, which stages do not run again, and the content of MLflow."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from lineup.records.record import read_record
from lineup.tracking.contents import MEMBERS

from .conftest import LABELS, LOG, MODELS, PARENTS, Folder, ran

pytestmark = pytest.mark.slow

PAGES = ["champion", "compact", "evaluate", "explain", "report", "reproduce"]
STAGES = ["code", "download", "split", *(f"train@{name}" for name in MODELS), "select", "committee@pair", *PAGES]


def snapshot(folder: Folder) -> dict[str, Any]:
    """Return everything that MLflow contains of each run, except for ids and paths, which MLflow chooses."""
    client = folder.client()
    return {run.info.run_name: contents(client, run) for run in folder.runs()}


def contents(client: MlflowClient, run: Any) -> dict[str, Any]:
    """Return what MLflow contains of one run."""
    run_id = run.info.run_id
    tags = {name: value for name, value in run.data.tags.items() if name != "mlflow.parentRunId"}
    members = json.loads(tags.pop(MEMBERS, "{}")).values()
    points = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    folders = [item.path for item in client.list_artifacts(run_id)]
    return {
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": tags,
        "members": [client.get_run(member).info.run_name for member in members],
        "metrics": {name: sorted((p.step, p.timestamp, p.value) for p in found) for name, found in points.items()},
        "artifacts": {item.path for folder in folders for item in client.list_artifacts(run_id, folder)},
        "models": len(run.outputs.model_outputs),
        "data": [(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs],
    }


def test_every_stage_runs_once(finished: Folder) -> None:
    output = (finished.root / LOG).read_text()
    stages = ran(output)
    assert sorted(stages) == sorted([*STAGES, "publish"])
    assert (stages[:3], stages[-1]) == (STAGES[:3], "publish")
    assert "[train@shallow_nn] shallow_nn epoch 3/3" in output


def test_dvc_shows_a_few_plots(finished: Folder) -> None:
    plots = json.loads(finished.run("dvc", "plots", "show", "--json").stdout)["data"]
    assert set(plots) == {"reports/leaderboard.csv", "reports/runs.csv", "reports/confusion_matrix.csv"}
    for (plot,) in plots.values():
        encoding = json.dumps(plot["content"])
        assert "DVC_METRIC" not in encoding  # every placeholder of the template has a value
        assert plot["content"]["data"]["values"]


def test_every_record_is_complete_in_mlflow(finished: Folder) -> None:
    runs = snapshot(finished)
    assert sorted(runs) == sorted(LABELS)
    assert finished.parents() == sorted(PARENTS)
    for label, run in runs.items():
        name, _, seed = label.rpartition("_seed")
        record = finished.record(name, int(seed))
        assert run["status"] == "FINISHED"
        assert run["times"] == (record.runtime.started, record.runtime.ended)
        assert run["tags"]["lineup.key"] == record.header.key
        assert run["tags"]["data"] == "synthetic"
        assert "Generated data" in run["tags"]["mlflow.note.content"]
        for parameter, value in record.header.parameters.items():
            assert run["params"][parameter] == str(value)
        for metric, value in record.metrics.items():
            assert [point[2] for point in run["metrics"][metric]] == [value]
        assert {"figures/confusion_matrix.png", "record/confusion_matrix.csv"} <= run["artifacts"]
        assert run["models"] == 1
        assert run["data"] == [("synthetic", record.header.data.fingerprint[:36])]
    encoder, cnn = runs["frozen_encoder_seed1"], runs["small_cnn_seed1"]
    assert {"figures/reconstructions.png", "figures/latent.png", "figures/gradcam.png"} <= encoder["artifacts"]
    assert {"figures/gradcam.png", "figures/filters.png", "figures/maps.png"} <= cnn["artifacts"]
    assert "figures/gradcam.png" not in runs["small_cnn_seed2"]["artifacts"]  # only the first seed has them
    assert [point[0] for point in encoder["metrics"]["autoencoder/loss"]] == [1, 2]
    assert [point[0] for point in runs["shallow_nn_seed2"]["metrics"]["epoch/val_accuracy"]] == [1, 2, 3]
    for member in ("shallow_nn", "small_cnn"):
        assert f"{member}_seed2" in runs["pair_seed2"]["members"]


def test_both_phases_of_the_encoder_are_timed(finished: Folder) -> None:
    seconds = finished.record("frozen_encoder").runtime.phase_seconds
    assert set(seconds) == {"autoencoder", "classifier"}
    assert min(seconds.values()) > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_committee_combines_the_members_with_its_seed(finished: Folder, seed: int) -> None:
    pair = finished.record("pair", seed)
    members = [finished.record(name, seed).predictions() for name in ("shallow_nn", "small_cnn")]
    assert [len(member.val.indices) for member in members] == [80, 40]
    np.testing.assert_array_equal(pair.predictions().val.indices, members[1].val.indices)
    mean = (members[0].test.probabilities + members[1].test.probabilities) / 2
    np.testing.assert_allclose(pair.predictions().test.probabilities, mean, atol=1e-6)


@pytest.mark.parametrize("name", ["small_cnn", "frozen_encoder", "pair"])
def test_a_served_model_predicts_what_its_record_says(finished: Folder, name: str) -> None:
    import mlflow

    from lineup.data.dataset import load_dataset

    mlflow.set_tracking_uri(finished.store)
    run = next(run for run in finished.runs() if run.info.run_name == f"{name}_seed1")
    model = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    record = finished.record(name)
    images = load_dataset(finished.root / "data" / "splits" / "dataset.npz").test_images
    predictions = model.predict(images.reshape(len(images), -1))
    classes = record.header.data.classes
    np.testing.assert_allclose(predictions[classes], record.predictions().test.probabilities, atol=1e-6)
    assert set(predictions["label"]) <= set(classes)
    assert predictions["agreement"].isin([0, 0.5, 1] if name == "pair" else [1]).all()


def test_a_repro_with_nothing_to_do_logs_no_new_run(copy: Folder) -> None:
    """After ``lineup repro``, which ran two stages at a time, ``dvc repro`` finds every stage up to date."""
    before = {run.info.run_name: run.info.run_id for run in copy.runs()}
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == ["code", "publish"]  # the copied store is in another folder
    assert f"0 new, 0 completed, {len(LABELS)} unchanged" in done.stdout
    assert ran(copy.run("dvc", "repro").stdout) == ["code"]
    assert {run.info.run_name: run.info.run_id for run in copy.runs()} == before


def test_a_deleted_store_is_created_again(finished: Folder, copy: Folder) -> None:
    (copy.root / "mlflow.db").unlink()
    shutil.rmtree(copy.root / "mlartifacts")
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == ["code", "publish"]
    assert snapshot(copy) == snapshot(finished)
    assert copy.parents() == finished.parents()


def test_only_what_depends_on_a_change_runs_again(copy: Folder) -> None:
    """After a stage fails, only dependent stages are skipped. After a repair, no finished model is trained again."""
    copy.change(shallow_nn={"validation": 0.02}, frozen_encoder={"learning_rate": 0.002})
    done = copy.run("lineup", "repro", "-j", "2")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    rest = error.removeprefix("error: failed: train@shallow_nn; not run: ").partition(";")[0].split(", ")
    assert sorted(rest) == sorted(["select", "committee@pair", *PAGES, "publish"])
    assert "validation: a share of 0.02 gives 8 images for validation" in done.stdout
    assert copy.record("frozen_encoder").header.parameters["learning_rate"] == 0.002
    assert not list((copy.root / "runs" / "models" / "shallow_nn").rglob("record.json"))

    copy.change(shallow_nn={"validation": 0.2})
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    # frozen_encoder is in no committee: the new selection is the same, and no committee is combined again.
    assert sorted(ran(done.stdout)) == sorted(["code", "select", *PAGES, "publish"])
    # The run with the former learning rate stays.
    assert sorted(run.info.run_name for run in copy.runs()) == sorted([*LABELS, "frozen_encoder_seed1"])


def test_the_same_seed_gives_the_same_bits(finished: Folder, copy: Folder) -> None:
    target = copy.root / "again"
    done = copy.run("lineup", "train", "small_cnn", "--seed", "2", "--record", str(target))
    assert done.returncode == 0, done.stderr
    again, first, other = read_record(target), finished.record("small_cnn", 2), finished.record("small_cnn", 1)
    assert again.header == first.header
    assert (target / "predictions.npz").read_bytes() == (first.folder / "predictions.npz").read_bytes()
    assert (target / "predictions.npz").read_bytes() != (other.folder / "predictions.npz").read_bytes()


def test_a_missing_record_is_named(copy: Folder) -> None:
    for records in ("models", "compact"):
        shutil.rmtree(copy.root / "runs" / records / "small_cnn" / "seed_2")
    done = copy.run("lineup", "evaluate")
    assert done.returncode == 1
    assert done.stderr == "error: no record yet for small_cnn; run dvc repro\n"


def test_metrics_are_numbers_and_dvc_shows_one_row_per_model(finished: Folder) -> None:
    for path in (finished.root / "runs").glob("*/*/*/metrics.json"):
        values = json.loads(path.read_text())
        assert {"test_accuracy", "val_accuracy", "test_loss", "test_macro_f1", "test_f1/shirt"} <= set(values)
        assert all(isinstance(value, float) for value in values.values())
    done = finished.run("dvc", "metrics", "show", "--md")
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:] if line.startswith("|")]
    assert sorted(rows) == sorted(f"runs/metrics/{name}.json" for name in (*MODELS, "pair"))
