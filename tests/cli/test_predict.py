"""``lineup predict``: predictions of real networks for real files, and one line for each unreadable file."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lineup.cli.app import app
from lineup.committee.fitting import FittedRule
from lineup.committee.model import write_committee
from lineup.data.dataset import Dataset, save_dataset
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.paths import seed_folder
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, Record
from lineup.serving.answers import answer_of, describe, sure_threshold
from tests.make_records import CLASSES, DATA, make_record, member_of, random_predictions
from tests.networks import random_images, save_network, tiny_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without records, with one picture that needs no preparation, and one unreadable file."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    Image.fromarray(random_images(1)[0]).save(tmp_path / "picture.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add_network(project: Path, name: str, seed: int = 1) -> Record:
    """Add a model with the weights of a seed."""
    folder = seed_folder(project / "runs" / "models" / name, 1)
    save_network(folder / MODEL, seed)
    return make_record(folder, random_predictions(seed))


def add_committee(project: Path, *members: Record) -> Record:
    folder = seed_folder(project / "runs" / "committees" / "best_five", 1)
    (folder / MODEL).mkdir(parents=True)
    labels = [record.header.label for record in members]
    write_committee(folder / MODEL, labels, FittedRule("average", len(members), len(CLASSES)))
    described = [member_of(record) for record in members]
    return make_record(
        folder, random_predictions(9), kind="committee", family="committee", architecture="average", members=described
    )


def add_dataset(project: Path) -> Dataset:
    """Write a dataset of noise with the classes of the records."""
    labels = (np.arange(90) % len(CLASSES)).astype(np.uint8)
    project.joinpath("data", "splits").mkdir(parents=True)
    arrays = {
        "train_images": random_images(90, seed=5),
        "train_labels": labels,
        "test_images": random_images(9, seed=6),
        "test_labels": labels[:9],
        "order": np.random.default_rng(1).permutation(90).astype(np.int32),
    }
    described = {"name": "synthetic", "generated": True, "classes": CLASSES}
    return save_dataset(project / "data" / "splits" / "dataset.npz", described, arrays, seed=1)


def crown(project: Path, name: str) -> None:
    """Write a champion."""
    values = {"name": name, "key": "k", "metric": "loss", "candidates": 1, "images": 6, "validation": {name: 0.1}}
    accuracies = {"val_accuracy": 0.9, "test_accuracy": 0.9, "optimism": 0.0}
    (project / "reports").mkdir()
    (project / "reports" / "champion.json").write_text(json.dumps(values | accuracies))


def run(*arguments: str) -> tuple[int, str, str]:
    """Call the command; return its status, its output and its errors."""
    done = CliRunner().invoke(app, ["predict", *arguments])
    if isinstance(done.exception, LineupError):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_network_answers_for_a_picture(project: Path) -> None:
    add_network(project, "basic_cnn", seed=3)
    status, output, errors = run("picture.png", "--model", "basic_cnn", "--accuracy", "0")
    heading, _, line = output.splitlines()
    (row,) = np.asarray(tiny_network(3)(random_images(1)))
    expected = ", ".join(f"{CLASSES[k]} {row[k]:.3f}" for k in np.argsort(-row))
    assert (status, errors) == (0, "")
    assert line == f"picture.png: {expected}".replace("1.000", ">0.999").replace(" 0.000", " <0.001")
    assert heading.startswith(
        "basic_cnn_seed1, trained on Synthetic garments. It is sure if the probability is at least 0.000"
    )
    assert heading.endswith("The data are generated, so the results do not apply to real images.")


def test_pictures_unlike_the_training_images_are_flagged(project: Path) -> None:
    """Real images and real weights; random training images are all alike, and an empty one is far from them."""
    dataset = add_dataset(project)
    folder = seed_folder(project / "runs" / "models" / "basic_cnn", 1)
    network = save_network(folder / MODEL, 1)
    indices = dataset.order[:20]
    images = dataset.train_images[indices]
    val = Scores(indices, dataset.train_labels[indices], np.asarray(network(images)))
    data = dataclasses.replace(DATA, fingerprint=dataset.fingerprint, validation_images=20)
    make_record(folder, Predictions(val, random_predictions(1).test), data=data)
    Image.new("L", (28, 28), 0).save(project / "empty.png")
    Image.fromarray(images[0]).save(project / "known.png")
    _, output, _ = run("empty.png", "known.png", "--model", "basic_cnn", "--accuracy", "0", "--show", "seen.png")
    _, empty, known, _ = output.splitlines()
    assert empty.startswith("empty.png: unlike the training images: ")
    assert known.startswith("known.png: ")
    assert "unlike" not in known


def test_without_the_dataset_the_reason_is_printed(project: Path) -> None:
    add_network(project, "basic_cnn")
    _, output, _ = run("picture.png", "--model", "basic_cnn")
    (line,) = [line for line in output.splitlines() if line.startswith("Pictures unlike")]
    assert line.endswith("no images yet; run dvc repro split")
    add_dataset(project)
    _, output, _ = run("picture.png", "--model", "basic_cnn")
    (line,) = [line for line in output.splitlines() if line.startswith("Pictures unlike")]
    assert line.endswith("basic_cnn_seed1 was made from other images or another split; run dvc repro")


def test_a_bad_file_is_one_line_and_the_rest_go_on(project: Path) -> None:
    add_network(project, "basic_cnn")
    status, output, errors = run("bad.jpg", "picture.png", "gone.png", "--model", "basic_cnn")
    assert status == 1
    assert [line.partition(":")[0] for line in output.splitlines()[2:]] == ["picture.png"]
    first, second = errors.splitlines()
    assert first.startswith("error: bad.jpg: ")
    assert second == "error: gone.png: no such file"


def test_only_bad_files_load_no_model(project: Path) -> None:
    record = add_network(project, "basic_cnn")
    shutil.rmtree(record.folder / MODEL)
    assert run("bad.jpg", "--model", "basic_cnn")[:2] == (1, "")


def test_the_champion_answers_by_default_with_the_agreement_of_its_members(project: Path) -> None:
    add_committee(
        project, *(add_network(project, name, k) for k, name in enumerate(("basic_cnn", "depth_2", "resnet")))
    )
    crown(project, "best_five_seed1")
    _, output, _ = run("picture.png")
    votes = [int(np.asarray(tiny_network(k)(random_images(1))).argmax()) for k in range(3)]
    mean = np.mean([np.asarray(tiny_network(k)(random_images(1)))[0] for k in range(3)], axis=0)
    heading, _, line = output.splitlines()
    assert heading.startswith("best_five_seed1, trained on Synthetic garments.")
    assert line.endswith(f"({votes.count(int(mean.argmax()))} of 3 members agree)")
    assert f"{CLASSES[int(mean.argmax())]} {mean.max():.3f}" in line


def test_the_figure_shows_every_picture(project: Path) -> None:
    add_network(project, "basic_cnn")
    Image.new("RGB", (90, 60), (250, 250, 250)).save(project / "empty.webp")
    status, output, _ = run("picture.png", "empty.webp", "--model", "basic_cnn", "--show", "seen.png")
    assert status == 0
    assert output.splitlines()[-1] == "seen.png"
    with Image.open(project / "seen.png") as figure:
        assert figure.width > 700
        assert figure.height > 380


def test_plain_pictures_are_only_resized(project: Path) -> None:
    add_network(project, "basic_cnn")
    Image.fromarray(random_images(1)[0]).resize((280, 280), Image.Resampling.NEAREST).save(project / "large.png")
    answers = [run(name, "--model", "basic_cnn", "--plain")[1].splitlines()[2] for name in ("picture.png", "large.png")]
    assert answers[0].partition(":")[2] == answers[1].partition(":")[2]


def test_mistakes_of_the_user_are_one_line(project: Path) -> None:
    members = [add_network(project, "basic_cnn"), add_network(project, "depth_2", seed=2)]
    add_committee(project, *members)
    for arguments, message in (
        (["picture.png"], "no champion yet; run dvc repro, or choose a model with --model"),
        (["picture.png", "--model", "basic_cnm"], "unknown model 'basic_cnm'"),
        (
            ["picture.png", "--model", "basic_cnn", "--show", "seen.jpg"],
            "expected the name of a file that ends in .png",
        ),
    ):
        with pytest.raises(LineupError, match=message):
            run(*arguments)
    make_record(members[1].folder, random_predictions(5))
    with pytest.raises(LineupError, match="depth_2_seed1 was trained again after best_five_seed1 was made"):
        run("picture.png", "--model", "best_five")
    shutil.rmtree(members[0].folder)
    with pytest.raises(LineupError, match="no record of basic_cnn_seed1, a member of best_five_seed1"):
        run("picture.png", "--model", "best_five")


def test_predictions_need_no_mlflow(project: Path) -> None:
    add_network(project, "basic_cnn")
    code = (
        "import sys; sys.modules['mlflow'] = None; from pathlib import Path; from lineup.cli.predict import predict\n"
        "predict([Path('picture.png')], model='basic_cnn', show=Path('seen.png'))\n"
        "assert 'sklearn' not in sys.modules  # which Keras imports if it can"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (project / "seen.png").is_file()


def scores(*rows: tuple[float, bool]) -> Scores:
    """Return predictions of two classes, from their confidences and whether they are right."""
    confidences = np.array([confidence for confidence, _ in rows])
    labels = np.array([0 if right else 1 for _, right in rows])
    return Scores(np.arange(len(rows)), labels, np.stack([confidences, 1 - confidences], axis=1))


def test_the_threshold_keeps_the_accuracy_on_as_many_images_as_possible() -> None:
    validation = scores((0.95, False), (0.9, True), (0.8, True), (0.7, True), (0.6, False))
    found = sure_threshold(validation, 0.75)
    assert (found.probability, found.accuracy, found.coverage) == (0.7, 0.75, 0.8)
    assert sure_threshold(validation, 0.6).probability == 0
    assert sure_threshold(validation, 0.99).probability == np.inf
    assert sure_threshold(validation, 0.99).coverage == 0


def test_the_test_images_do_not_choose_the_threshold(project: Path) -> None:
    predictions = random_predictions(1)
    worse = Predictions(predictions.val, Scores(*random_predictions(2).test.__dict__.values()))
    lines = []
    for one in (predictions, worse):
        folder = seed_folder(project / "runs" / "models" / "basic_cnn", 1)
        save_network(folder / MODEL, 1)
        make_record(folder, one)
        lines.append(run("picture.png", "--model", "basic_cnn", "--accuracy", "0.5")[1])
    assert lines[0] == lines[1]


def test_an_answer_below_the_threshold_is_not_sure() -> None:
    row = np.array([0.5, 0.3, 0.2])
    assert describe(answer_of(row, DATA.classes, 0.4)) == "T-shirt/top 0.500, Trouser 0.300, Ankle boot 0.200"
    assert describe(answer_of(row, DATA.classes, 0.6, agreement=2 / 3, members=3)) == (
        "not sure: T-shirt/top 0.500, Trouser 0.300, Ankle boot 0.200 (2 of 3 members agree)"
    )
    assert describe(answer_of(row, DATA.classes, 0.6, unlike=True)).startswith(
        "unlike the training images, not sure: T-shirt/top 0.500"
    )
