"""`lineup tune`: real trials in a new project, without and with an interruption, and in two processes."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from lineup.cli.app import app
from lineup.cli.tune import _changed
from lineup.data.dataset import load_dataset
from lineup.errors import LineupError
from lineup.params import load_params
from lineup.tracking.address import sqlite_uri
from lineup.tuning.study import Budget
from lineup.tuning.tune import Request, tune
from tests.fork_server import python_folder

pytestmark = pytest.mark.slow

PARAMS = """\
data:
  name: synthetic
  train_images: 200
  test_images: 50
  seed: 1
split:
  seed: 1
training:
  threads: 1
models:
  knn:
    family: classical
    architecture: knn
    validation: 0.2
  # A small network.
  small_cnn:
    family: project
    architecture: small_cnn
    epochs: 2
    batch_size: 32
    learning_rate: 0.001
    validation: 0.2
    options: {filters: 2}
committees: {}
champion:
  metric: loss
"""


def run(*arguments: str) -> str:
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a few images and without any records."""
    root = tmp_path / "shoes? #1 {x}"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run("init", str(root))
    (root / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(root)
    run("download")
    run("split")
    return root


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start ``lineup tune`` in another process."""
    command = [str(python_folder() / "python"), "-m", "lineup", "tune", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def trials(root: Path, model: str) -> pd.DataFrame:
    return pd.read_csv(root / "tuning" / model / "trials.csv").sort_values("trial").reset_index(drop=True)


def test_a_study_of_a_classical_model(project: Path) -> None:
    output = run("tune", "knn", "--trials", "3", "--new-seeds", "2", "--write")
    found = trials(project, "knn")
    assert found["state"].tolist() == ["complete"] * 3
    best = found.iloc[found["accuracy"].argmax()]
    settings = yaml.safe_load((project / "params.yaml").read_text())["models"]["knn_tuned"]
    assert settings["options"] == {"neighbours": best["options.neighbours"]}
    assert (project / "params.yaml").read_text().replace("  # A small", "# A small") != PARAMS
    page = (project / "tuning" / "knn" / "tuning.md").read_text()
    assert "GENERATED DATA" in page
    assert "The test images were not used." in page
    assert "With 2 new seeds, the mean validation accuracy is" in output
    assert run("check").startswith("params.yaml: 3 models")
    assert "already contains knn_tuned" in str(CliRunner().invoke(app, ["tune", "knn", "--write"]).exception)

    # The next call continues the study.
    assert "3 of 4 trials finished" in run("tune", "knn", "--trials", "4", "--new-seeds", "0")
    later = trials(project, "knn")
    pd.testing.assert_frame_equal(later.head(3), found, check_dtype=False)
    assert len(later) == 4


def test_the_trials_are_child_runs_in_mlflow(project: Path) -> None:
    run("tune", "knn", "--trials", "2", "--new-seeds", "1")
    from mlflow import MlflowClient

    client = MlflowClient(sqlite_uri(project / "mlflow.db"))
    experiment = client.get_experiment_by_name("lineup-synthetic-tuning")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    assert parent.info.run_name == "tune knn"
    assert parent.info.status == "FINISHED"
    assert {"best_trial_val_accuracy", "new_seeds_val_accuracy"} <= set(parent.data.metrics)
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"tuning.md", "trials.png"}
    children = {one.info.run_name: one for one in runs if one is not parent}
    assert set(children) == {"trial 1", "trial 2", "current settings, seed 101", "best settings, seed 101"}
    assert all(one.data.tags["mlflow.parentRunId"] == parent.info.run_id for one in children.values())
    assert children["trial 2"].data.metrics["val_accuracy"] == trials(project, "knn")["accuracy"][1]
    assert not any("test" in name for one in runs for name in one.data.metrics)


def test_the_test_images_are_not_used(project: Path, tmp_path: Path) -> None:
    """The same trials and the same result with noise as test images and with shuffled test labels."""
    params, dataset = load_params(project / "params.yaml"), load_dataset(project / "data" / "splits" / "dataset.npz")
    noise = np.random.default_rng(1).integers(0, 256, dataset.test_images.shape, np.uint8)
    other = dataclasses.replace(dataset, test_images=noise, test_labels=dataset.test_labels[::-1].copy())
    request, recipe = Request("knn", "accuracy", Budget(3), 0, None, 1), params.models["knn"]
    found = []
    for number, one in enumerate((dataset, other)):
        root = tmp_path / str(number)
        tune(root, request, recipe, {}, partial(_changed, params, "knn"), params.tuning.space("classical"), one)
        found.append(trials(root, "knn").drop(columns="seconds"))
    first, second = found
    pd.testing.assert_frame_equal(first, second)


def test_a_study_with_pruned_trials_continues_after_an_interruption(project: Path) -> None:
    params = (project / "params.yaml").read_text()
    space = "tuning:\n  spaces:\n    project:\n      learning_rate: [0.003, 0.0000001]\n"
    (project / "params.yaml").write_text(params + space)
    process = start("small_cnn", "--trials", "9")
    assert process.stdout
    for line in process.stdout:
        if line.startswith("2 of 9: trial 2, "):
            process.terminate()
    assert process.wait(60) == 143
    assert not (project / "tuning" / "small_cnn" / "tuning.md").exists()
    continued = start("small_cnn", "--trials", "9", "--new-seeds", "1")
    output = continued.communicate(timeout=300)[0]
    assert continued.returncode == 0
    assert re.search("[23] of 9 trials finished", output)
    # The interrupted trial has a number, but does not count.
    assert re.search("^9 of 9: trial (9|10), ", output, re.MULTILINE)
    found = trials(project, "small_cnn")
    assert len(found) == 9
    assert found["learning_rate"].iloc[found["accuracy"].argmax()] == 0.003
    assert set(found["state"]) == {"complete", "pruned"}
    assert set(found[found["state"] == "pruned"]["learning_rate"]) == {1e-7}


def test_two_processes_share_a_study(project: Path) -> None:
    both = [start("knn", "--trials", "6", "--new-seeds", "0") for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert 6 <= len(trials(project, "knn")) <= 7  # both may start the last trial
    assert all("accuracy" in output for output in outputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kn",), "unknown model 'kn'; did you mean 'knn'"),
        (("knn", "--trials", "0"), "--trials 0: expected at least 1"),
        (("knn", "--minutes", "-1"), "--minutes -1: expected above 0"),
        (("knn", "--storage", "nowhere"), "nowhere: cannot open the study: "),
        (("knn", "--storage", "none://me:s3cret@host/x"), "none://host/x: cannot open the study: "),
    ],
)
def test_mistakes_of_the_user_give_one_line(arguments: tuple[str, ...], message: str, project: Path) -> None:
    found = CliRunner().invoke(app, ["tune", *arguments])
    assert isinstance(found.exception, LineupError)
    assert "\n" not in str(found.exception)
    assert "s3cret" not in str(found.exception)
    assert message in str(found.exception)


def test_without_optuna_the_error_says_how_to_install_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    found = CliRunner().invoke(app, ["tune", "knn"])
    assert str(found.exception).endswith(f"run {sys.executable} -m pip install optuna=={version('optuna')}")
