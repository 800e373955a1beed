"""The whole pipeline, small: what runs, what does not run again, and what stands in MLflow afterwards."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from lineup.records.record import read_record

from .conftest import FILES, LOG, MODELS, NAMES, PARAMS, ROOT, Checkout, ran

pytestmark = pytest.mark.slow

PAGES = ["evaluate", "reproduce", "champion", "publish"]
STAGES = ["code", "download", "split", *(f"train@{name}" for name in MODELS), "select", "committee@pair", *PAGES]


def snapshot(checkout: Checkout) -> dict[str, Any]:
    """Return everything that MLflow holds of each run, but for what it invents: ids and paths."""
    client = checkout.client()
    return {run.info.run_name: contents(client, run) for run in checkout.runs()}


def contents(client: MlflowClient, run: Any) -> dict[str, Any]:
    """Return what MLflow holds of one run."""
    run_id = run.info.run_id
    tags = {name: value for name, value in run.data.tags.items() if name not in ("lineup.process", "lineup.seen")}
    links = {name: client.get_run(value).info.run_name for name, value in tags.items() if name.startswith("member.")}
    points = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    folders = [item.path for item in client.list_artifacts(run_id)]
    return {
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": tags | links,
        "metrics": {name: sorted((p.step, p.timestamp, p.value) for p in found) for name, found in points.items()},
        "artifacts": {item.path for folder in folders for item in client.list_artifacts(run_id, folder)},
        "models": len(run.outputs.model_outputs),
        "data": [(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs],
    }


def test_every_stage_runs_once_and_the_checkout_stays(finished: Checkout) -> None:
    output = (finished.root / LOG).read_text()
    assert sorted(ran(output)) == sorted(STAGES)
    assert "make ui" in output
    assert "generated data: these figures say nothing about Fashion-MNIST" in output
    assert not (finished.root / "runs").exists()
    assert not (finished.root / "dvc.lock").exists()
    assert not (finished.root / "data").exists()
    for name in FILES:
        assert (finished.root / name).read_bytes() == (ROOT / name).read_bytes()


def test_every_run_is_whole_in_mlflow(finished: Checkout) -> None:
    runs = snapshot(finished)
    assert set(runs) == set(NAMES)
    for name, run in runs.items():
        record = finished.record(name)
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
    assert "figures/reconstructions.png" in runs["frozen_encoder"]["artifacts"]
    assert [point[0] for point in runs["frozen_encoder"]["metrics"]["autoencoder/loss"]] == [1, 2]
    assert [point[0] for point in runs["shallow_nn"]["metrics"]["epoch/val_accuracy"]] == [1, 2, 3]
    for member in ("shallow_nn", "basic_cnn"):
        assert runs["pair"]["tags"][f"member.{member}"] == member


def test_both_phases_of_the_encoder_are_timed_apart(finished: Checkout) -> None:
    seconds = finished.record("frozen_encoder").runtime.phase_seconds
    assert set(seconds) == {"autoencoder", "classifier"}
    assert min(seconds.values()) > 0


def test_committee_is_scored_on_what_all_members_held_out(finished: Checkout) -> None:
    pair = finished.record("pair")
    members = [finished.record(name).predictions() for name in ("shallow_nn", "basic_cnn")]
    assert [len(member.val_indices) for member in members] == [80, 40]
    np.testing.assert_array_equal(pair.predictions().val_indices, members[1].val_indices)
    mean = (members[0].test_probabilities + members[1].test_probabilities) / 2
    np.testing.assert_allclose(pair.predictions().test_probabilities, mean, atol=1e-6)


@pytest.mark.parametrize("name", ["frozen_encoder", "pair"])
def test_served_model_gives_the_probabilities_of_the_record(finished: Checkout, name: str) -> None:
    import mlflow

    from lineup.data.dataset import load_dataset

    mlflow.set_tracking_uri(finished.store)
    run = next(run for run in finished.runs() if run.info.run_name == name)
    model = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    record = finished.record(name)
    images = load_dataset(finished.demo / "data" / "splits" / "dataset.npz").test_images
    answers = model.predict(images.reshape(-1, 784))
    classes = record.header.data.classes
    np.testing.assert_allclose(answers[classes], record.predictions().test_probabilities, atol=1e-6)
    assert set(answers["label"]) <= set(classes)
    assert answers["agreement"].isin([0, 0.5, 1] if name == "pair" else [1]).all()


def test_a_repro_with_nothing_to_do_publishes_nothing_new(copy: Checkout) -> None:
    before = {run.info.run_name: run.info.run_id for run in copy.runs()}
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == ["code", "publish"]
    assert f"0 new, 0 completed, {len(NAMES)} unchanged" in done.stdout
    assert {run.info.run_name: run.info.run_id for run in copy.runs()} == before


def test_a_deleted_store_is_rebuilt(finished: Checkout, copy: Checkout) -> None:
    (copy.root / "mlflow.db").unlink()
    shutil.rmtree(copy.root / "mlartifacts")
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == ["code", "publish"]
    assert snapshot(copy) == snapshot(finished)


def test_a_changed_learning_rate_reruns_what_depends_on_it(copy: Checkout) -> None:
    copy.change(frozen_encoder={"learning_rate": 0.002})
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    # frozen_encoder sits in no committee: the selection is written again, the same, and no committee is combined.
    assert ran(done.stdout) == ["code", "train@frozen_encoder", "select", *PAGES]
    copy.change(shallow_nn={"learning_rate": 0.002})
    done = copy.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == ["code", "train@shallow_nn", "select", "committee@pair", *PAGES]
    # The former runs of the model and its committee stay beside the new ones: they were made otherwise.
    assert sorted(run.info.run_name for run in copy.runs()) == sorted([*NAMES, "frozen_encoder", "shallow_nn", "pair"])


def test_same_seed_same_bits(finished: Checkout, copy: Checkout) -> None:
    target = copy.demo / "again"
    done = copy.run("lineup", "train", "basic_cnn", "--record", str(target))
    assert done.returncode == 0, done.stderr
    first = finished.record("basic_cnn")
    again = read_record(target)
    assert (target / "predictions.npz").read_bytes() == (first.folder / "predictions.npz").read_bytes()
    assert again.header == first.header
    assert (again.header.seed, again.header.threads) == (PARAMS["models"]["basic_cnn"]["seed"], 1)
    done = copy.run("lineup", "train", "basic_cnn", "--record", str(target), "--seed", "2")
    assert done.returncode == 0, done.stderr
    assert (target / "predictions.npz").read_bytes() != (first.folder / "predictions.npz").read_bytes()


def test_a_missing_record_is_named(copy: Checkout) -> None:
    shutil.rmtree(copy.demo / "runs" / "models" / "basic_cnn")
    done = copy.run("lineup", "evaluate")
    assert done.returncode == 1
    assert done.stderr == "error: no record yet of basic_cnn; run dvc repro\n"


def test_metrics_are_flat_numbers(finished: Checkout) -> None:
    for path in (finished.demo / "runs").glob("*/*/metrics.json"):
        values = json.loads(path.read_text())
        assert {"test_accuracy", "val_accuracy", "test_loss", "test_macro_f1", "test_f1/shirt"} <= set(values)
        assert all(isinstance(value, float) for value in values.values())
