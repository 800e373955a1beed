"""Publish records in a real MLflow store. Check the content of the runs, and which records cannot be published."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from lineup.committee.model import COMMITTEE, read_analysis
from lineup.errors import LineupError
from lineup.records.record import CONFUSION, MODEL, PREDICTIONS, Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.contents import MEMBERS, dataset_input
from lineup.tracking.publish import publish, publish_folder
from lineup.tracking.reconcile import PUBLISHING
from lineup.tracking.runs import DIGEST
from lineup.tracking.store import open_store
from tests.make_records import CLASSES, DATA, RUNTIME, STARTED, TEST

from .conftest import store_in
from .published import IMAGES, Published, client_of, data_of, files_of, network_record, points, run_of, runs_of


def test_each_record_has_one_finished_run_with_its_times(published: Published) -> None:
    for record in published.records.values():
        run = run_of(published.root, record)
        assert run.info.status == "FINISHED"
        assert run.info.run_name == record.header.label
        assert (run.info.start_time, run.info.end_time) == (record.runtime.started, record.runtime.ended)
        assert run.data.tags[DIGEST] == record.digest()
        assert PUBLISHING not in run.data.tags
    assert run_of(published.root, published.records["one"]).info.start_time == STARTED
    assert [line.split(" run ")[0] for line in published.lines[:-1]] == [
        "one_seed1: new",
        "two_seed1: new",
        "one_seed1: new",
        "pair_seed1: new",
    ]
    assert published.lines[-1].startswith("MLflow: 4 new, 0 completed, 0 unchanged (sqlite:///")


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
    assert params["members"] == "one_seed1, two_seed1"
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
        "resources/images_per_second": 19.2,
        "resources/peak_memory_mib": 300.0,
    }
    assert final == {name: [(0, ended, value)] for name, value in expected.items()}


def test_tags_describe_the_model_and_the_machine(published: Published) -> None:
    tags = run_of(published.root, published.records["two"]).data.tags
    assert (tags["report"], tags["device_name"]) == ("A", "A processor")
    assert tags["machine"] == "elsewhere: A processor, 4 cores, Linux x86_64"
    own = [name for name in tags if name.startswith("lineup.")]
    assert sorted(own) == ["lineup.attempt", "lineup.digest", "lineup.key"]
    assert tags["git_commit"] == RUNTIME.git_commit
    assert tags["mlflow.source.git.commit"] == RUNTIME.git_commit.removesuffix("-dirty")
    assert tags["mlflow.note.content"] == (
        "Network `two_seed1`, report A. Synthetic garments, 9 test images."
        " **Generated data**: the results do not apply to real images."
    )


def test_the_note_gives_the_published_accuracy(root: Path) -> None:
    data = dataclasses.replace(DATA, name="fashion_mnist", generated=False)
    real = network_record(root / "runs" / "shallow_nn_seed2", seed=2, name="shallow_nn", data=data)
    generated = network_record(root / "runs" / "shallow_nn", seed=1, name="shallow_nn")
    publish(root, [real, generated], log=lambda line: None)
    assert "Published accuracy: 0.8760." in run_of(root, real).data.tags["mlflow.note.content"]
    assert "0.8760" not in run_of(root, generated).data.tags["mlflow.note.content"]


def test_committee_links_to_the_runs_of_its_members(published: Published) -> None:
    tags = run_of(published.root, published.records["pair"]).data.tags
    assert tags["members"] == "one_seed1, two_seed1"
    runs = {f"{name}_seed1": run_of(published.root, published.records[name]).info.run_id for name in ("one", "two")}
    assert json.loads(tags[MEMBERS]) == runs


def test_tags_of_an_earlier_version_are_replaced(published: Published, copied: Path) -> None:
    client, record = client_of(copied), published.records["pair"]
    run_id = run_of(copied, record).info.run_id
    expected = run_of(copied, record).data.tags
    for tag in ("host", "cores", "lineup.process", "member.one_seed1"):
        client.set_tag(run_id, tag, "of an earlier version")
    client.delete_tag(run_id, "machine")
    lines: list[str] = []
    publish(copied, published.records.values(), log=lines.append)
    assert lines == [f"MLflow: 0 new, 0 completed, 4 unchanged (sqlite:///{copied}/mlflow.db)"]
    assert (run_of(copied, record).info.run_id, run_of(copied, record).data.tags) == (run_id, expected)


def test_artifacts(published: Published, tmp_path: Path) -> None:
    client = client_of(published.root)
    record = published.records["one"]
    run_id = run_of(published.root, record).info.run_id
    small = ["confusion_matrix.csv", "history.csv", "metrics.json", "predictions.npz", "record.json", "runtime.json"]
    figures = ["confusion_matrix", "cutoff", "reliability", "roc", "selective_accuracy", "training_curves"]
    assert files_of(client, run_id) == [
        "artifacts.json",
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
    assert report.startswith("one_seed1: GENERATED DATA (synthetic), 9 test images, seed 1\n")
    assert f"accuracy {record.metrics['test_accuracy']:.4f} {TEST}" in " ".join(report.split())
    assert all(name in report for name in CLASSES)
    pair = run_of(published.root, published.records["pair"]).info.run_id
    assert "figures/training_curves.png" not in files_of(client, pair)  # it was trained in no epochs


def test_a_committee_has_its_analysis_as_artifacts(published: Published, tmp_path: Path) -> None:
    client = client_of(published.root)
    run_id = run_of(published.root, published.records["pair"]).info.run_id
    assert "figures/committee_members.png" in files_of(client, run_id)
    folder = Path(client.download_artifacts(run_id, "committee", str(tmp_path)))
    assert sorted(path.name for path in folder.iterdir()) == ["analysis.json", "members.csv", "pairs.csv"]
    analysis = read_analysis(published.records["pair"].folder / MODEL)
    assert read_analysis(folder) == analysis
    members = pd.read_csv(folder / "members.csv")
    assert members["name"].tolist() == ["one_seed1", "two_seed1"]
    assert members["weight"].tolist() == [0.5, 0.5]
    assert members["accuracy"].tolist() == [published.records[name].metrics["test_accuracy"] for name in ("one", "two")]
    assert members["change_without"].tolist() == [member.change_without for member in analysis.members]
    (pair,) = pd.read_csv(folder / "pairs.csv").to_dict("records")
    assert (pair["member"], pair["other"]) == ("one_seed1", "two_seed1")
    assert pair["disagreement"] == analysis.disagreement[0][1]
    assert pair["error_correlation"] == pytest.approx(analysis.error_correlation[0][1])


def test_dataset(published: Published) -> None:
    for record in published.records.values():
        (data,) = data_of(run_of(published.root, record))
        assert (data.dataset.name, data.dataset.digest) == ("synthetic", DATA.fingerprint[:36])
        assert data.dataset.source_type == "generated"
        assert '"images": "uint8 (n, 28, 28)"' in str(data.dataset.schema)
        assert f'"test_images": {TEST}' in str(data.dataset.profile)


def test_the_dataset_has_the_shape_of_the_record() -> None:
    colour = dataclasses.replace(DATA, shape=[20, 24, 3])
    assert '"images": "uint8 (n, 20, 24, 3)"' in str(dataset_input(colour).dataset.schema)


@pytest.mark.parametrize("name", ["two", "pair"])
def test_the_model_predicts_the_probabilities_of_the_record(published: Published, name: str) -> None:
    """The member ``one`` of the committee is not the single experiment with this name."""
    record = published.records[name]
    with store_in(published.root):
        open_store(published.root, "synthetic")
        run = run_of(published.root, record)
        model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
        answers = model.predict(IMAGES)
    expected = record.predictions().test.probabilities
    np.testing.assert_allclose(answers[CLASSES], expected, rtol=0, atol=1e-6)
    assert answers["label"].tolist() == [CLASSES[number] for number in expected.argmax(axis=1)]
    assert set(answers["agreement"]) <= ({1.0} if name == "two" else {0.0, 0.5, 1.0})
    assert model.metadata.signature.inputs is None
    assert model.metadata.signature.outputs.input_names() == list(answers)
    assert "(n, 784); at most 10,000 per request" in model.metadata.metadata["images"]


def test_the_model_names_the_packages_that_serving_needs(published: Published) -> None:
    needs = [path.read_text() for path in (published.root / "mlartifacts").rglob("requirements.txt")]
    assert len(needs) == len(published.records)
    for text in needs:
        named = {line.partition("==")[0].removesuffix("-cpu") for line in text.split()}
        assert named == {"mlflow", "numpy", "pandas", "pydantic", "keras", "tensorflow"}


def test_a_published_model_contains_no_pickle(published: Published) -> None:
    files = [path for path in (published.root / "mlartifacts").rglob("*") if path.is_file()]
    assert {path.name for path in files if path.suffix == ".keras"} == {"network.keras"}
    assert [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")] == []


def test_pages_of_an_evaluation_become_artifacts_of_a_run(root: Path, tmp_path: Path) -> None:
    client, experiment = open_store(root, "synthetic")
    run_id = client.create_run(experiment).info.run_id
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "leaderboard.md").write_text("| name |")
    publish_folder(root, "synthetic", run_id, tmp_path / "pages")
    assert files_of(client, run_id) == ["evaluation/leaderboard.md"]


def copy_of(record: Record, folder: Path) -> Record:
    """Copy a record into a folder."""
    copy = shutil.copytree(record.folder, folder / record.header.name)
    return dataclasses.replace(record, folder=copy)


@pytest.mark.parametrize("name", [MODEL, PREDICTIONS, CONFUSION])
def test_a_record_without_a_file_is_named(published: Published, root: Path, tmp_path: Path, name: str) -> None:
    """A fresh clone has only the small files, and one of them may be lost. The store is not opened."""
    record = copy_of(published.records["one"], tmp_path)
    if (record.folder / name).is_dir():
        shutil.rmtree(record.folder / name)
    else:
        (record.folder / name).unlink()
    with pytest.raises(LineupError, match=rf"one: no {name} here; make it again"):
        publish(root, [published.records["two"], record], log=lambda line: None)
    assert runs_of(root, published.records["two"]) == []


def test_an_unreadable_record_is_named(published: Published, root: Path, tmp_path: Path) -> None:
    one, pair = (copy_of(published.records[name], tmp_path) for name in ("one", "pair"))
    (pair.folder / MODEL / COMMITTEE).unlink()
    with pytest.raises(LineupError, match=rf"pair: no {MODEL}/{COMMITTEE} here; make it again"):
        publish(root, [pair], log=lambda line: None)
    (one.folder / CONFUSION).unlink()
    (one.folder / CONFUSION).mkdir()
    with pytest.raises(LineupError, match=rf"one/{CONFUSION}: cannot be read: not a regular file$"):
        publish(root, [one], log=lambda line: None)


def test_an_unreachable_store_gives_one_error(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    damaged = tmp_path / "mlflow.db"
    damaged.write_bytes(b"no database" * 500)
    for uri, shown, remedy in (
        (f"http://me:secret@{address}", f"http://{address}", "start the server, or unset MLFLOW_TRACKING_URI"),
        (
            sqlite_uri(damaged),
            sqlite_uri(damaged),
            f"delete {damaged}, and run lineup publish",
        ),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(LineupError, match=f"; {remedy}") as caught:
            publish(tmp_path, [published.records["one"]], log=lambda line: None)
        assert str(caught.value).startswith(f"MLflow store {shown}: ")
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_nothing_to_publish(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = sqlite_uri(root / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{uri}?password=secret")
    lines: list[str] = []
    publish(root, [], log=lines.append)
    assert lines == [f"MLflow: 0 new, 0 completed, 0 unchanged ({uri})"]
