"""``mlflow run``: a single experiment has its own run and does not change the pipeline."""

from __future__ import annotations

import pytest

from .conftest import Folder, ran

pytestmark = pytest.mark.slow


def tree(folder: Folder) -> dict[str, bytes]:
    """Return the outputs of the pipeline, byte by byte."""
    paths = [folder.root / "dvc.lock", *(folder.root / "runs").rglob("*"), *(folder.root / "reports").rglob("*")]
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def mlflow_run(folder: Folder, entry: str, *parameters: str) -> str:
    """Run an entry point in the project and return what it printed."""
    given = [text for parameter in parameters for text in ("-P", parameter)]
    command = ("mlflow", "run", ".", "-e", entry, *given, "--env-manager", "local")
    done = folder.run(*command, "--experiment-name", "single", MLFLOW_TRACKING_URI=folder.store)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_training_run_with_its_own_parameters(copy: Folder) -> None:
    before = tree(copy)
    mlflow_run(copy, "train", "model=shallow_nn", "epochs=2")
    client = copy.client()
    experiment = client.get_experiment_by_name("single")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "shallow_nn epochs=2")
    assert run.data.params["epochs"] == "2"
    assert run.data.params["batch_size"] == "32"
    assert run.data.params["seed"] == "1"
    points = client.get_metric_history(run.info.run_id, "epoch/val_accuracy")
    assert [point.step for point in points] == [1, 2]
    assert run.data.metrics["test_accuracy"] > 0
    assert run.outputs is not None
    assert len(run.outputs.model_outputs) == 1
    assert tree(copy) == before
    assert len(list((copy.root / "experiments").glob("shallow_nn-*/record.json"))) == 1


def test_the_other_entry_points(copy: Folder) -> None:
    before = tree(copy)
    mlflow_run(copy, "committee", "name=pair")
    mlflow_run(copy, "evaluate")
    assert tree(copy) == before
    client = copy.client()
    experiment = client.get_experiment_by_name("single")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.status for run in runs) == ["FINISHED", "FINISHED"]
    scored = [run for run in runs if "test_accuracy" in run.data.metrics]
    assert [run.info.run_name for run in scored] == ["pair"]
    pages = [run for run in runs if client.list_artifacts(run.info.run_id, "evaluation")]
    assert len(pages) == 1


def test_the_pipeline_under_mlflow_run_keeps_its_runs_apart(copy: Folder) -> None:
    copy.remove("small_cnn", "frozen_encoder")  # fewer runs to publish
    copy.change(shallow_nn={"seeds": [1, 3]}, pair={"members": ["shallow_nn"]})
    # These stages log nothing in MLflow. They take a third of the time, and other tests run them.
    assert copy.run("dvc", "freeze", "explain", "report", "reproduce").returncode == 0
    before = {run.info.run_id for run in copy.runs()}
    output = mlflow_run(copy, "main")
    assert ran(output)[:2] == ["code", "train@shallow_nn"]
    client = copy.client()
    experiment = client.get_experiment_by_name("single")
    assert experiment is not None
    (outer,) = client.search_runs([experiment.experiment_id])
    assert not outer.data.metrics
    new = [run.info.run_name for run in copy.runs() if run.info.run_id not in before]
    assert sorted(new) == ["pair_seed1", "pair_seed2", "shallow_nn_seed3"]
