"""Records published into a real MLflow store: whole, once, and again after whatever happened to the store."""

from __future__ import annotations

import dataclasses
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Run

from lineup.committee.build import build_committee
from lineup.committee.model import COMMITTEE, read_analysis
from lineup.committee.select import select
from lineup.config import Committee
from lineup.errors import LineupError
from lineup.records.machine import this_machine
from lineup.records.record import CONFUSION, MODEL, PREDICTIONS, Record
from lineup.tracking.live import LiveRun
from lineup.tracking.publish import PUBLISHING, publish, publish_folder
from lineup.tracking.runs import ATTEMPT, DIGEST, KEY, PROCESS, epoch_metrics, log_metrics
from lineup.tracking.store import open_store
from tests.make_records import (
    CLASSES,
    DATA,
    HISTORY,
    RUNTIME,
    STARTED,
    TEST,
    VALIDATION,
    make_record,
    random_predictions,
)
from tests.networks import random_images, save_network

from .conftest import store_in

IMAGES = random_images(TEST)
EXPERIMENT = "lineup-synthetic"


def network_record(folder: Path, seed: int, **header: Any) -> Record:
    """Write the record of a tiny network: its probabilities are what it answers for `IMAGES`."""
    network = save_network(folder / MODEL, seed)
    predictions = dataclasses.replace(
        random_predictions(seed),
        val_probabilities=np.asarray(network(random_images(VALIDATION, seed=1))),
        test_probabilities=np.asarray(network(IMAGES)),
    )
    runtime = dataclasses.replace(RUNTIME, attempt=f"attempt-{folder.name}-{seed}")
    return make_record(folder, predictions, runtime=runtime, **header)


@dataclass(frozen=True)
class Published:
    """A project folder whose records are all in its store."""

    root: Path
    records: dict[str, Record]
    told: list[str]

    @property
    def store(self) -> Path:
        return self.root / "mlflow.db"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Published:
    """Two networks, a single experiment that has the name of one of them, and a committee. Only read it."""
    told: list[str] = []
    with store_in(tmp_path_factory.mktemp("published"), empty_store) as root:
        models = root / "runs" / "models"
        records = {
            "one": network_record(models / "one", seed=1),
            "two": network_record(models / "two", seed=2),
            "single": network_record(root / "experiments" / "one", seed=3, experiment="0a1b2c3d"),
        }
        pair = Committee(members=["one", "two"], rule="average", report="A")
        chosen = select("pair", pair, {}, models)
        records["pair"] = build_committee("pair", pair, chosen, models, root / "runs" / "pair")
        publish(root, records.values(), tell=told.append)
    return Published(root, records, told)


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> Iterator[Path]:
    """A project folder with a copy of the store in which everything is published."""
    with store_in(tmp_path / "copied", published.store) as folder:
        yield folder


def client_of(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def runs_of(folder: Path, record: Record) -> list[Run]:
    """Return the active runs of a record, wherever they are."""
    client = client_of(folder)
    experiments = [item.experiment_id for item in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`{KEY}` = '{record.header.key}'"))


def run_of(folder: Path, record: Record) -> Run:
    (run,) = runs_of(folder, record)
    return run


def points(client: MlflowClient, run: Run) -> dict[str, list[tuple[int, int, float]]]:
    """Return every metric's points: step, time, value."""
    return {
        name: [(point.step, point.timestamp, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def files_of(client: MlflowClient, run_id: str, path: str | None = None) -> list[str]:
    """Return the paths of all artifacts of a run."""
    found: list[str] = []
    for item in client.list_artifacts(run_id, path):
        found += files_of(client, run_id, item.path) if item.is_dir else [item.path]
    return sorted(found)


def models_of(run: Run) -> list[str]:
    """Return the ids of the models that a run has logged."""
    return [item.model_id for item in run.outputs.model_outputs] if run.outputs else []


def data_of(run: Run) -> list[DatasetInput]:
    """Return the datasets of a run."""
    return run.inputs.dataset_inputs if run.inputs else []


def snapshot(folder: Path, *, ids: bool = False) -> dict[str, dict[str, Any]]:
    """Return everything of every run of the experiment, by key: without what names runs and places, unless asked."""
    client = client_of(folder)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found: dict[str, dict[str, Any]] = {}
    for run in client.search_runs([experiment.experiment_id]):
        tags = {name: value for name, value in run.data.tags.items() if not name.startswith("member.")}
        found[run.data.tags[KEY]] = {
            "status": (run.info.status, run.info.run_name),
            "times": (run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "points": points(client, run),
            "tags": run.data.tags if ids else tags,
            "files": files_of(client, run.info.run_id),
            "inputs": [item.to_dictionary() for item in data_of(run)],
            "models": models_of(run) if ids else len(models_of(run)),
            "id": run.info.run_id if ids else None,
        }
    return found


def test_each_record_has_one_finished_run_at_its_times(published: Published) -> None:
    for record in published.records.values():
        run = run_of(published.root, record)
        assert run.info.status == "FINISHED"
        assert run.info.run_name == record.header.name
        assert (run.info.start_time, run.info.end_time) == (record.runtime.started, record.runtime.ended)
        assert run.data.tags[DIGEST] == record.digest()
        assert PUBLISHING not in run.data.tags
    assert run_of(published.root, published.records["one"]).info.start_time == STARTED
    assert [line.split(" run ")[0] for line in published.told[:-1]] == ["one: new", "two: new", "one: new", "pair: new"]
    assert published.told[-1].startswith("MLflow: 4 new, 0 completed, 0 unchanged (sqlite:///")


def test_parameters(published: Published) -> None:
    params = run_of(published.root, published.records["one"]).data.params
    assert params == {
        "epochs": "2",
        "learning_rate": "0.001",
        "scaling": "unit",
        "pretrain.epochs": "1",
        "data": "synthetic",
        "data_fingerprint": DATA.fingerprint,
        "onednn": "True",
        "parameters": "10",
        "parameters_trainable": "7",
        "parameters_frozen": "3",
        "weights_sha256": "0" * 64,
        "library.python": "3.11.9",
        "library.keras": "3.12.0",
    }
    params = run_of(published.root, published.records["pair"]).data.params
    assert params["rule"] == "average"
    assert params["members"] == "one, two"
    assert "weights_sha256" not in params


def test_metrics_have_their_original_times_and_steps(published: Published) -> None:
    record = published.records["one"]
    found = points(client_of(published.root), run_of(published.root, record))
    assert found.pop("autoencoder/loss") == [(1, STARTED + 1000, 0.25)]
    assert found.pop("epoch/val_accuracy") == [(1, STARTED + 2250, 0.5), (2, STARTED + 3500, 0.65)]
    assert found.pop("epoch/learning_rate") == [(1, STARTED + 2250, 0.001), (2, STARTED + 3500, 0.0005)]
    assert "autoencoder/accuracy" not in found
    final = {name: values for name, values in found.items() if not name.startswith(("epoch/", "autoencoder/"))}
    ended = record.runtime.ended
    expected = record.metrics | {
        "training_seconds": 3.5,
        "training_seconds/autoencoder": 1.0,
        "training_seconds/classifier": 2.5,
        "images_per_second": 19.2,
        "peak_memory_mib": 300.0,
    }
    assert final == {name: [(0, ended, value)] for name, value in expected.items()}


def test_tags_say_what_it_is_and_where_it_ran(published: Published) -> None:
    tags = run_of(published.root, published.records["two"]).data.tags
    assert (tags["report"], tags["device_name"], tags["host"]) == ("A", "A processor", "elsewhere")
    assert tags["git_commit"] == RUNTIME.git_commit
    assert tags["mlflow.source.git.commit"] == RUNTIME.git_commit.removesuffix("-dirty")
    assert "**Generated data** (synthetic)" in tags["mlflow.note.content"]
    # No report has a model of this name.
    assert "The report gives" not in tags["mlflow.note.content"]


def test_the_note_of_a_published_model_says_what_the_report_gives(root: Path) -> None:
    record = network_record(root / "runs" / "shallow_nn_seed2", seed=1, name="shallow_nn_seed2")
    publish(root, [record], tell=lambda line: None)
    assert "The report gives 0.8760." in run_of(root, record).data.tags["mlflow.note.content"]


def test_committee_links_to_the_runs_of_its_members(published: Published) -> None:
    tags = run_of(published.root, published.records["pair"]).data.tags
    assert tags["members"] == "one, two"
    for name in ("one", "two"):
        assert tags[f"member.{name}"] == run_of(published.root, published.records[name]).info.run_id


def test_artifacts(published: Published, tmp_path: Path) -> None:
    client = client_of(published.root)
    record = published.records["one"]
    run_id = run_of(published.root, record).info.run_id
    small = ["confusion_matrix.csv", "history.csv", "metrics.json", "predictions.npz", "record.json", "runtime.json"]
    figures = ["confusion_matrix", "cutoff", "reliability", "roc", "selective_accuracy", "training_curves"]
    assert files_of(client, run_id) == [
        "classification_report.txt",
        *(f"figures/{name}.png" for name in figures),
        *(f"record/{name}" for name in small),
    ]
    folder = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    for name in small:
        assert (folder / "record" / name).read_bytes() == (record.folder / name).read_bytes()
    for figure in folder.glob("figures/*.png"):
        assert figure.read_bytes().startswith(b"\x89PNG")
    report = (folder / "classification_report.txt").read_text()
    assert report.startswith("one: GENERATED DATA (synthetic), 9 test images, seed 1\n")
    assert f"accuracy {record.metrics['test_accuracy']:.4f} {TEST}" in " ".join(report.split())
    assert all(name in report for name in CLASSES)
    pair = run_of(published.root, published.records["pair"]).info.run_id
    assert "figures/training_curves.png" not in files_of(client, pair)  # it was trained in no epochs


def test_committee_says_why_it_works(published: Published, tmp_path: Path) -> None:
    client = client_of(published.root)
    run_id = run_of(published.root, published.records["pair"]).info.run_id
    assert "figures/committee_members.png" in files_of(client, run_id)
    folder = Path(client.download_artifacts(run_id, "committee", str(tmp_path)))
    assert sorted(path.name for path in folder.iterdir()) == ["analysis.json", "members.csv", "pairs.csv"]
    analysis = read_analysis(published.records["pair"].folder / MODEL)
    assert read_analysis(folder) == analysis
    members = pd.read_csv(folder / "members.csv")
    assert members["name"].tolist() == ["one", "two"]
    assert members["weight"].tolist() == [0.5, 0.5]
    assert members["accuracy"].tolist() == [published.records[name].metrics["test_accuracy"] for name in ("one", "two")]
    assert members["change_without"].tolist() == [member.change_without for member in analysis.members]
    (pair,) = pd.read_csv(folder / "pairs.csv").to_dict("records")
    assert (pair["member"], pair["other"]) == ("one", "two")
    assert pair["disagreement"] == analysis.disagreement[0][1]
    assert pair["error_correlation"] == pytest.approx(analysis.error_correlation[0][1])


def test_dataset(published: Published) -> None:
    for record in published.records.values():
        (entry,) = data_of(run_of(published.root, record))
        assert (entry.dataset.name, entry.dataset.digest) == ("synthetic", DATA.fingerprint[:36])
        assert entry.dataset.source_type == "generated"
        assert f'"test_images": {TEST}' in str(entry.dataset.profile)


@pytest.mark.parametrize("name", ["two", "pair"])
def test_model_answers_as_the_record_does(published: Published, name: str) -> None:
    """Raw images in, the record's probabilities out. The committee's member ``one`` is not the single experiment."""
    record = published.records[name]
    with store_in(published.root):
        open_store(published.root, "synthetic")
        run = run_of(published.root, record)
        model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
        answers = model.predict(IMAGES)
    expected = record.predictions().test_probabilities
    np.testing.assert_allclose(answers[CLASSES], expected, rtol=0, atol=1e-6)
    assert answers["label"].tolist() == [CLASSES[number] for number in expected.argmax(axis=1)]
    assert set(answers["agreement"]) <= ({1.0} if name == "two" else {0.0, 0.5, 1.0})
    assert model.metadata.signature.inputs is None
    assert model.metadata.signature.outputs.input_names() == list(answers)
    assert "(n, 784)" in model.metadata.metadata["images"]


def test_model_says_what_serving_it_needs(published: Published) -> None:
    needs = [path.read_text() for path in (published.root / "mlartifacts").rglob("requirements.txt")]
    assert len(needs) == len(published.records)
    for text in needs:
        named = {line.partition("==")[0].removesuffix("-cpu") for line in text.split()}
        assert named == {"mlflow", "numpy", "pandas", "pydantic", "keras", "tensorflow"}


def test_published_model_holds_no_pickle(published: Published) -> None:
    files = [path for path in (published.root / "mlartifacts").rglob("*") if path.is_file()]
    assert {path.name for path in files if path.suffix == ".keras"} == {"network.keras"}
    assert [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")] == []


def test_publishing_twice_changes_nothing(published: Published) -> None:
    before = snapshot(published.root, ids=True)
    told: list[str] = []
    with store_in(published.root):
        publish(published.root, published.records.values(), tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("MLflow: 0 new, 0 completed, 4 unchanged")
    assert snapshot(published.root, ids=True) == before


def test_deleted_store_is_built_again(published: Published, root: Path) -> None:
    told: list[str] = []
    records = [published.records[name] for name in ("one", "two", "pair")]
    publish(root, records, tell=told.append)
    assert told[-1].startswith("MLflow: 3 new")
    expected = snapshot(published.root)
    del expected[published.records["single"].header.key]
    found = snapshot(root)
    for entry in (*expected.values(), *found.values()):
        entry["tags"].pop(PROCESS, None)
    assert found == expected


def test_changed_record_takes_the_place_of_its_run(published: Published, copied: Path, tmp_path: Path) -> None:
    """Trained again with the same parameters: same key, other weights, other answers."""
    old = {name: run_of(copied, record).info.run_id for name, record in published.records.items()}
    changed = network_record(tmp_path / "one", seed=8)
    assert changed.header.key == published.records["one"].header.key
    told: list[str] = []
    records = [changed, published.records["two"], published.records["pair"]]
    publish(copied, records, tell=told.append)
    assert told[-1].startswith("MLflow: 1 new, 0 completed, 2 unchanged")
    run = run_of(copied, changed)
    assert run.info.run_id != old["one"]
    assert run.data.metrics["test_loss"] == changed.metrics["test_loss"]
    assert client_of(copied).get_run(old["one"]).info.lifecycle_stage == "deleted"
    for name in ("two", "pair", "single"):
        assert run_of(copied, published.records[name]).info.run_id == old[name]
    # The committee's own run is as it was, and links to the new run.
    assert run_of(copied, published.records["pair"]).data.tags["member.one"] == run.info.run_id

    # A committee of the former member is still published, but no other model answers for it.
    client_of(copied).delete_run(old["pair"])
    told.clear()
    publish(copied, records, tell=told.append)
    assert told[0].endswith("without its model: one trained anew or removed since it was combined")
    pair = run_of(copied, published.records["pair"])
    assert pair.info.status == "FINISHED"
    assert pair.data.metrics["test_loss"] == published.records["pair"].metrics["test_loss"]
    assert models_of(pair) == []


def test_publish_killed_in_the_middle_is_made_whole(published: Published, root: Path) -> None:
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
    # The last step but one: everything is there, but not yet called so.
    almost = client.create_run(experiment, tags=dict(client.get_run(half).data.tags) | {DIGEST: record.digest()})
    client.set_terminated(almost.info.run_id, "FINISHED", 1)
    told: list[str] = []
    publish(root, [record], tell=told.append)
    assert told[-1].startswith("MLflow: 1 new, 0 completed, 0 unchanged")
    run = run_of(root, record)
    assert run.info.run_id not in (half, almost.info.run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.runtime.ended)
    assert len(models_of(run)) == 1
    assert "classification_report.txt" in files_of(client, run.info.run_id)


def test_live_run_is_completed(published: Published, root: Path) -> None:
    record = published.records["one"]
    live = LiveRun(root)
    live.start(record.header, record.runtime.attempt, record.runtime.started)
    for row in record.history[:-1]:  # the last epoch was lost on the way
        live.epoch(row)
    live.close()
    begun = run_of(root, record)
    assert begun.info.status == "RUNNING"
    told: list[str] = []
    publish(root, [record], tell=told.append)
    assert told[0] == f"one: completed run {begun.info.run_id}"
    found = snapshot(root)
    expected = snapshot(published.root)[record.header.key]
    for entry in (found[record.header.key], expected):
        entry["tags"].pop(PROCESS, None)
    assert found == {record.header.key: expected}


def test_live_run_of_another_training_is_replaced(published: Published, root: Path) -> None:
    """A training under the same key that never came to a record: only what the record says is true."""
    record = published.records["one"]
    live = LiveRun(root)
    live.start(record.header, "another attempt", STARTED - 9_000)
    live.epoch(dataclasses.replace(record.history[1], epoch=77))
    live.close()
    begun = run_of(root, record).info.run_id
    publish(root, [record], tell=lambda line: None)
    run = run_of(root, record)
    assert run.info.run_id != begun
    assert [step for step, _, _ in points(client_of(root), run)["epoch/loss"]] == [1, 2]


def chosen_experiment(root: Path) -> str:
    """Make an experiment as ``mlflow run --experiment-name`` does, but with its artifacts in the project folder."""
    return client_of(root).create_experiment("chosen", artifact_location=(root / "chosen").as_uri())


def test_given_run_is_completed_and_keeps_its_spelling(published: Published, root: Path) -> None:
    """What ``mlflow run -P learning_rate=1e-3`` has made, in an experiment of its own choice."""
    record = published.records["single"]
    client, _ = open_store(root, "synthetic")
    given = client.create_run(chosen_experiment(root), run_name="by mlflow run").info.run_id
    client.log_param(given, "learning_rate", "1e-3")
    told: list[str] = []
    publish(root, [record], tell=told.append, run_id=given)
    assert told[0] == f"one: completed run {given}"
    run = run_of(root, record)
    assert run.info.run_id == given
    assert run.data.params["learning_rate"] == "1e-3"
    assert run.data.params["epochs"] == "2"
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.runtime.ended)
    assert len(models_of(run)) == 1
    # `dvc repro` publishes all records afterwards: the run is found where it is.
    publish(root, [record], tell=told.append)
    assert told[-1].startswith("MLflow: 0 new, 0 completed, 1 unchanged")
    assert run_of(root, record).info.run_id == given


def test_given_run_holds_the_committee_and_not_its_members(published: Published, copied: Path) -> None:
    records = {name: published.records[name] for name in ("one", "two", "pair")}
    old = {name: run_of(copied, record).info.run_id for name, record in records.items()}
    client = client_of(copied)
    given = client.create_run(chosen_experiment(copied)).info.run_id
    told: list[str] = []
    publish(copied, records.values(), tell=told.append, run_id=given)
    assert told == [f"pair: completed run {given}", told[-1]]
    assert told[-1].startswith("MLflow: 0 new, 1 completed, 2 unchanged")
    assert run_of(copied, records["pair"]).info.run_id == given
    for name in ("one", "two"):
        assert run_of(copied, records[name]).info.run_id == old[name]


def test_pages_of_an_evaluation_go_into_a_run(root: Path, tmp_path: Path) -> None:
    client, experiment = open_store(root, "synthetic")
    run_id = client.create_run(experiment).info.run_id
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "leaderboard.md").write_text("| name |")
    publish_folder(root, "synthetic", run_id, tmp_path / "pages")
    assert files_of(client, run_id) == ["evaluation/leaderboard.md"]


def copy_of(record: Record, folder: Path) -> Record:
    """Copy a record into a folder."""
    copy = shutil.copytree(record.folder, folder / record.folder.name)
    return dataclasses.replace(record, folder=copy)


@pytest.mark.parametrize("name", [MODEL, PREDICTIONS, CONFUSION])
def test_record_without_a_file_is_named(published: Published, root: Path, tmp_path: Path, name: str) -> None:
    """A fresh clone has the small files alone, and one of those may be lost. The store has no part in it."""
    record = copy_of(published.records["one"], tmp_path)
    if (record.folder / name).is_dir():
        shutil.rmtree(record.folder / name)
    else:
        (record.folder / name).unlink()
    with pytest.raises(LineupError, match=rf"one: no {name} here; make the record anew \(dvc repro\)"):
        publish(root, [published.records["two"], record], tell=lambda line: None)
    assert runs_of(root, published.records["two"]) == []


def test_record_that_cannot_be_read_is_named(published: Published, root: Path, tmp_path: Path) -> None:
    one, pair = (copy_of(published.records[name], tmp_path) for name in ("one", "pair"))
    (pair.folder / MODEL / COMMITTEE).unlink()
    with pytest.raises(LineupError, match=rf"pair: no {MODEL}/{COMMITTEE} here; make the record anew"):
        publish(root, [pair], tell=lambda line: None)
    (one.folder / CONFUSION).unlink()
    (one.folder / CONFUSION).mkdir()
    with pytest.raises(LineupError, match=rf"one/{CONFUSION}: cannot be read \(Is a directory\)$"):
        publish(root, [one], tell=lambda line: None)


def test_store_out_of_reach_is_one_error(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    damaged = tmp_path / "mlflow.db"
    damaged.write_bytes(b"no database" * 500)
    shown = {f"http://me:secret@{address}": f"http://{address}", f"sqlite:///{damaged}": f"sqlite:///{damaged}"}
    for uri in shown:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(LineupError, match="the records are whole, publish again later") as caught:
            publish(tmp_path, [published.records["one"]], tell=lambda line: None)
        assert str(caught.value).startswith(f"MLflow store {shown[uri]}: ")
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_nothing_to_publish(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{root / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{uri}?password=secret")
    told: list[str] = []
    publish(root, [], tell=told.append)
    assert told == [f"MLflow: 0 new, 0 completed, 0 unchanged ({uri})"]
