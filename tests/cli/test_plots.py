"""``lineup plot``: the figures get the right records, and every mistake gives one line."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from lineup.cli import plots
from lineup.cli.common import open_project
from lineup.cli.named_records import existing_records, named_record
from lineup.data.dataset import save_dataset
from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.figures.save import save_png
from lineup.figures.side_by_side import roc_and_cutoff
from lineup.records.header import Member
from lineup.records.predictions import Predictions
from lineup.records.record import PREDICTIONS, Record
from lineup.training.devices import quiet_stderr
from tests.figures.test_figures import colours_of, headings_of, names_of_rows, panels_of, texts
from tests.make_records import CLASSES, DATA, TEST, TRAINING, VALIDATION, make_record, member_of, random_predictions
from tests.networks import save_network

ROOT = Path(__file__).parents[2]
LINE = "GENERATED DATA, 9 test images"


class Written(dict[Path, Figure]):
    """The figures that a test has written, by their files."""

    def only(self) -> Figure:
        (figure,) = self.values()
        return figure


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Keep each figure that is written to a file."""
    kept = Written()

    def save(figure: Figure, path: Path) -> None:
        kept[path] = figure
        save_png(figure, path)

    monkeypatch.setattr("lineup.figures.save.save_png", save)
    return kept


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the images of 30 training and 9 test images, and without records."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    pixels = np.random.default_rng(0).integers(0, 256, (39, 28, 28), dtype=np.uint8)
    labels = (np.arange(39) % 3).astype(np.uint8)
    order = np.arange(30, dtype=np.int32)
    arrays: dict[str, Any] = {"train_images": pixels[:30], "train_labels": labels[:30]}
    arrays |= {"test_images": pixels[30:], "test_labels": labels[30:], "order": order}
    described = {"name": "synthetic", "generated": True, "classes": CLASSES}
    save_dataset(tmp_path / "data" / "splits" / "dataset.npz", described, arrays, seed=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(project: Path, place: str, seed: int, predictions: Predictions | None = None, **header: object) -> Record:
    """Write the record of a model into a folder of the project; its data are those of the project."""
    from lineup.data.dataset import load_dataset

    fingerprint = load_dataset(project / "data" / "splits" / "dataset.npz").fingerprint
    fields: dict[str, Any] = {"data": dataclasses.replace(DATA, fingerprint=fingerprint), "seed": seed} | header
    return make_record(project / place, predictions or random_predictions(seed), **fields)


def vote(project: Path, members: Sequence[Member], predictions: Predictions | None = None) -> Record:
    """Write the record of a committee."""
    fields = {"kind": "committee", "architecture": "average", "family": "committee", "weights": None, "threads": None}
    return add(
        project, "runs/committees/report_a/seed_1", 1, predictions, members=list(members), parameters={}, **fields
    )


def with_labels(predicted: Sequence[int], seed: int = 1) -> Predictions:
    """Return predictions of these classes for the test images, which are correct for `right`."""
    probabilities = np.full((TEST, 3), 0.1, np.float32)
    probabilities[np.arange(TEST), predicted] = 0.8
    test = Scores(np.arange(TEST, dtype=np.int32), (np.arange(TEST) % 3).astype(np.uint8), probabilities)
    return Predictions(random_predictions(seed).val, test)


RIGHT = [0, 1, 2] * 3


def test_curves_are_those_of_the_first_seeds(
    project: Path, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    add(project, "runs/models/basic_cnn/seed_2", 2)
    add(project, "runs/models/shallow_nn/seed_1", 1)
    plots.curves(["basic_cnn", "shallow_nn"])
    labels = ("basic_cnn_seed2", "shallow_nn_seed1")  # seed 1 of the first model has no record
    path = project / "experiments" / "plots" / "curves-basic_cnn_seed2-shallow_nn_seed1.png"
    assert list(written) == [path]
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_bytes().startswith(b"\x89PNG")
    shown = texts(written.only())
    assert {f"{label}: best validation accuracy 0.6500, epoch 2" for label in labels} <= set(shown)
    assert f"GENERATED DATA, {TRAINING} training and {VALIDATION} validation images" in shown


def test_a_name_may_be_a_run_or_a_single_experiment(project: Path, written: Written, tmp_path: Path) -> None:
    add(project, "runs/models/basic_cnn/seed_2", 2)
    add(project, "experiments/basic_cnn-1a2b3c4d", 7, experiment="1a2b3c4d", name="basic_cnn")
    plots.curves(["basic_cnn_seed2", "basic_cnn-1a2b3c4d"], tmp_path / "new" / "mine.png")
    assert list(written) == [tmp_path / "new" / "mine.png"]
    legend = [text.partition(":")[0] for text in texts(written.only()) if "best validation" in text]
    assert legend == ["basic_cnn_seed2", "basic_cnn-1a2b3c4d"]


def test_confusion_is_the_first_matrix_minus_the_second(project: Path, written: Written) -> None:
    add(project, "runs/models/basic_cnn/seed_1", 1, with_labels(RIGHT))
    add(project, "runs/models/shallow_nn/seed_1", 1, with_labels([1, *RIGHT[1:]]))
    plots.confusion("basic_cnn", "shallow_nn")
    shown = np.asarray(colours_of(written.only().axes[0]).get_array())
    assert shown.tolist() == [[1, -1, 0], [0, 0, 0], [0, 0, 0]]
    assert {"basic_cnn_seed1 minus shallow_nn_seed1: confusion matrix", LINE} <= set(texts(written.only()))


def test_classes_are_those_of_all_models_with_a_record_or_of_the_named_ones(project: Path, written: Written) -> None:
    add(project, "runs/models/basic_cnn/seed_1", 1, with_labels([1, *RIGHT[1:]]))
    add(project, "runs/models/basic_cnn/seed_2", 2)
    add(project, "runs/models/shallow_nn/seed_1", 1, with_labels(RIGHT))
    plots.classes()
    axes = written.only().axes[0]
    assert names_of_rows(axes) == ["shallow_nn_seed1", "basic_cnn_seed1"]
    cells = [text.get_text() for text in axes.texts if text.get_text().replace(".", "").isdigit()]
    assert cells[:6] == ["1.000", "1.000", "1.000", "0.667", "1.000", "1.000"]
    assert LINE in texts(written.only())
    plots.classes(["basic_cnn"])
    assert (
        written[project / "experiments" / "plots" / "classes-basic_cnn_seed1.png"].axes[0].texts[0].get_text()
        == "0.667"
    )


def test_roc_has_one_column_for_each_model(project: Path, written: Written) -> None:
    add(project, "runs/models/basic_cnn/seed_1", 1, with_labels(RIGHT))
    add(project, "runs/models/shallow_nn/seed_1", 1, with_labels([1, *RIGHT[1:]]))
    plots.roc(["basic_cnn", "shallow_nn"])
    above, below = written.only().axes
    names = ("basic_cnn_seed1", "shallow_nn_seed1")
    assert [text for text in headings_of(above) if text in names] == [*names]
    assert "mean AUC 1.0000" in headings_of(above)
    assert {"accuracy", "precision", "recall"} <= set(texts(written.only()))
    # At threshold 0.5, the first model has a recall of 1, and the second one of 8/9. The axis ends at 1.01.
    correct, other = (lines[2][50, 1] for lines in panels_of(below))
    assert (correct - other) / (1 - correct) == pytest.approx((1 - 8 / 9) / 0.01)
    assert LINE in texts(written.only())
    with pytest.raises(LineupError, match=r"^roc: expected 1 to 6 models, found 7$"):
        roc_and_cutoff({str(number): random_predictions(1).test for number in range(7)}, title="")


def test_errors_are_the_misclassified_test_images(project: Path, written: Written) -> None:
    from lineup.data.dataset import load_dataset

    add(project, "runs/models/basic_cnn/seed_1", 1, with_labels([*RIGHT[:5], 1, *RIGHT[6:]]))
    plots.errors("basic_cnn")
    (axes,) = written.only().axes
    assert [text.get_text() for text in axes.texts] == [
        "predicted: Trouser 0.800",
        "actual: Ankle boot",
        "test image 5",
    ]
    images = load_dataset(project / "data" / "splits" / "dataset.npz").test_images
    np.testing.assert_array_equal(axes.images[0].get_array(), images[5])
    assert LINE in texts(written.only())


def test_differences_are_those_from_the_member_with_the_best_validation(project: Path, written: Written) -> None:
    members = [
        add(project, f"runs/models/{name}/seed_1", seed, with_labels([1, *RIGHT[1:]], seed))
        for seed, name in enumerate(("shallow_nn", "basic_cnn", "deeper_cnn"), 1)
    ]
    validation = [record.metrics["val_accuracy"] for record in members]
    assert len(set(validation)) > 1
    best = ("shallow_nn", "basic_cnn", "deeper_cnn")[int(np.argmax(validation))]
    vote(project, [dataclasses.replace(member_of(record), seed=1) for record in members], with_labels(RIGHT))
    plots.differences("report_a")
    shown = texts(written.only())
    label = members[int(np.argmax(validation))].header.label
    assert f"report_a_seed1 and its best member {label}: images on which they differ" in shown
    assert label.startswith(best)
    assert f"only the committee is correct, {label} is wrong: 1 image" in shown
    assert {"committee: T-shirt/top 0.800", "member: Trouser 0.800", "test image 0", LINE} <= set(shown)


def test_data_writes_four_figures_with_the_usual_split(
    project: Path, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    plots.data()
    folder = project / "experiments" / "plots"
    names = ["samples.png", "class_balance.png", "pixels.png", "mean_images.png"]
    assert list(written) == [folder / name for name in names]
    assert capsys.readouterr().out == f"{folder}: {', '.join(names)}\n"
    split = "GENERATED DATA, 30 training images, of which 20 % are for validation"
    assert split in texts(written[folder / "class_balance.png"])
    plots.data(validation=0.1, output=project / "other")
    assert any("10 % are for" in text for text in texts(written[project / "other" / "class_balance.png"]))


def refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(LineupError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_unknown_names_are_answered_with_similar_ones(project: Path) -> None:
    add(project, "experiments/basic_cnn-1a2b3c4d", 7, experiment="1a2b3c4d", name="basic_cnn")
    refused(lambda: plots.errors("basic_cnm"), "unknown model 'basic_cnm'; did you mean 'basic_cnn'")
    refused(lambda: plots.errors("basic_cnn-1a2b3c4e"), "did you mean 'basic_cnn-1a2b3c4d'")
    refused(lambda: plots.errors("../basic_cnn"), r"unknown model '\.\./basic_cnn'; ")
    refused(lambda: plots.errors("basic_cnn_seed9"), "basic_cnn has no seed 9; expected one of 1, 2, 3")
    refused(lambda: plots.errors("basic_cnn_seed2"), "no record yet for basic_cnn_seed2; run dvc repro")


def test_records_that_cannot_be_compared_are_refused(project: Path) -> None:
    add(project, "runs/models/basic_cnn/seed_1", 1)
    other = hashlib.sha256(b"other").hexdigest()
    add(project, "runs/models/shallow_nn/seed_1", 1, data=dataclasses.replace(DATA, fingerprint=other))
    refused(
        lambda: plots.confusion("basic_cnn", "shallow_nn"),
        "basic_cnn_seed1 and shallow_nn_seed1 were made from different data or splits",
    )
    refused(lambda: plots.curves(["basic_cnn", "basic_cnn_seed1"]), "basic_cnn_seed1: named twice")
    refused(lambda: plots.errors("shallow_nn"), "shallow_nn_seed1 was made from other images or another split")


def test_a_model_without_epochs_has_no_curves(project: Path) -> None:
    add(project, "runs/models/random_forest/seed_1", 1, kind="classical", parameters={})
    refused(lambda: plots.curves(["random_forest"]), "random_forest_seed1 has no epochs with an accuracy")


def test_a_model_is_no_committee_and_a_member_may_have_been_trained_again(project: Path) -> None:
    member = add(project, "runs/models/basic_cnn/seed_1", 1)
    refused(lambda: plots.differences("basic_cnn"), "basic_cnn_seed1 is not a committee")
    vote(project, [member_of(member)])
    add(project, "runs/models/basic_cnn/seed_1", 1, with_labels(RIGHT))
    refused(lambda: plots.differences("report_a"), "basic_cnn_seed1 was trained again after report_a_seed1 was made")
    (project / "runs" / "models" / "basic_cnn" / "seed_1" / PREDICTIONS).unlink()
    refused(lambda: plots.errors("basic_cnn"), r"predictions\.npz")


def test_a_figure_is_a_png_file(project: Path) -> None:
    add(project, "runs/models/basic_cnn/seed_1", 1)
    refused(
        lambda: plots.curves(["basic_cnn"], Path("a.pdf")), r"a\.pdf: expected the name of a file that ends in .png"
    )
    assert not (project / "a.pdf").exists()


def test_the_dataset_is_needed_only_for_images(project: Path, written: Written) -> None:
    add(project, "runs/models/basic_cnn/seed_1", 1)
    (project / "data" / "splits" / "dataset.npz").unlink()
    plots.curves(["basic_cnn"])
    assert written.only().axes
    for call in (plots.data, lambda: plots.errors("basic_cnn")):
        refused(call, r"dataset\.npz: no images yet; run dvc repro split")


def test_a_committee_is_found_by_its_name(project: Path) -> None:
    member = add(project, "runs/models/basic_cnn/seed_1", 1)
    record = vote(project, [member_of(member)])
    assert named_record(*open_project(), "report_a").folder == record.folder
    assert [found.folder for found in existing_records(*open_project())] == [member.folder, record.folder]


def test_figures_of_a_network_need_the_network_that_has_them(project: Path, written: Written) -> None:
    record = add(project, "runs/models/basic_cnn/seed_1", 1)
    with pytest.raises(LineupError, match=r"network\.keras"):
        plots.maps("basic_cnn")
    save_network(record.folder / "model", seed=1)
    for plot in (plots.gradcam, plots.filters, plots.maps):
        with pytest.raises(LineupError, match="this network has no convolutions"):
            plot("basic_cnn")
    with pytest.raises(LineupError, match="this network has no encoder"):
        plots.latent("basic_cnn")
    vote(project, [member_of(record)])
    with pytest.raises(LineupError, match="report_a_seed1: expected a network, found a committee model"):
        plots.gradcam("report_a")
    assert not written


def test_feature_maps_are_those_of_the_named_run(project: Path, written: Written) -> None:
    record = add(project, "runs/models/basic_cnn/seed_2", 2)
    with quiet_stderr():
        import keras
    layers = keras.layers
    inputs = [keras.Input((28, 28), dtype="uint8"), layers.Rescaling(1 / 255), layers.Reshape((28, 28, 1))]
    network = keras.Sequential(
        [*inputs, layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    )
    (record.folder / "model").mkdir()
    network.save(record.folder / "model" / "network.keras")
    for plot in (plots.gradcam, plots.filters, plots.maps):
        plot("basic_cnn_seed2")
    folder = project / "experiments" / "plots"
    assert list(written) == [folder / f"{name}-basic_cnn_seed2.png" for name in ("gradcam", "filters", "maps")]
    assert all(
        text.startswith("GENERATED DATA, ") for text in (figure.texts[1].get_text() for figure in written.values())
    )
