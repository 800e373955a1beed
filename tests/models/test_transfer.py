"""Networks with pretrained weights from a file: frozen and fine-tuned networks, and invalid files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.files import file_sha256
from lineup.models.layers import classifier
from lineup.models.registry import Architecture, architecture, list_architectures
from lineup.models.settings import NetworkRecipe
from lineup.serving.predictor import load_predictor
from lineup.training.backup import Backup
from lineup.training.fitted import TrainingData
from lineup.training.network import Network
from lineup.training.trainers import trainer_of

pytestmark = pytest.mark.slow

ENTRY = architecture("transfer", "mobilenet_v2")
IMAGES = np.random.default_rng(1).integers(0, 256, (12, 20, 24, 3), dtype=np.uint8)
DATA = TrainingData(IMAGES, np.arange(12, dtype=np.uint8) % 3, IMAGES[:6], np.arange(6, dtype=np.uint8) % 3, 3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that was made with another seed."""
    import keras

    keras.utils.set_random_seed(99)
    path = tmp_path_factory.mktemp("weights") / "mobilenet_v2.weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3)).save_weights(path)
    return path


def fit(project: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Network:
    """Train one step in a project folder."""
    (project / "params.yaml").write_text("")
    (project / "dvc.yaml").write_text("")
    monkeypatch.chdir(project)
    recipe = NetworkRecipe(
        family="transfer",
        architecture="mobilenet_v2",
        validation=0.5,
        epochs=1,
        batch_size=12,
        learning_rate=0.01,
        options=options,
    )
    model = trainer_of(ENTRY).fit(ENTRY, recipe, DATA, lambda row: None, Backup(None)).model
    assert isinstance(model, Network)
    return model


def backbone_of(model: Network) -> list[np.ndarray]:
    return model.keras_model.get_layer("mobilenetv2_1.00_32").get_weights()  # type: ignore[no-any-return]


def saved_in(path: Path) -> list[np.ndarray]:
    import keras

    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.load_weights(path)
    return network.get_weights()  # type: ignore[no-any-return]


def test_a_frozen_network_keeps_the_weights_of_the_file(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit(tmp_path, monkeypatch, weights=str(weights), sha256=file_sha256(weights), trainable=False, size=32)
    for found, expected in zip(backbone_of(model), saved_in(weights), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert model.weights.trainable == 1280 * 3 + 3
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    np.testing.assert_array_equal(load_predictor(folder, (20, 24, 3))(IMAGES), model.predict(IMAGES))


def test_finetuning_starts_from_the_weights_of_the_file(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.weights.h5").write_bytes(weights.read_bytes())
    model = fit(tmp_path, monkeypatch, weights="own.weights.h5", sha256=file_sha256(weights))
    assert model.weights.trainable > 2_000_000
    steps = [np.abs(one - other).max() for one, other in zip(backbone_of(model), saved_in(weights), strict=True)]
    assert 0 < max(steps[:1]) <= 0.0101  # Adam changes a weight by at most the learning rate in the first step


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "no.h5"}, r"weights: .*no\.h5: no such file"),
        ({"weights": "text.h5"}, r"sha256 of .*text\.h5: missing; add sha256: [0-9a-f]{64}$"),
        ({"weights": "text.h5", "sha256": "0123"}, r"sha256 of .*text\.h5: expected 0123, found [0-9a-f]{64}$"),
        ({"trainable": False}, r"weights: missing; a network with trainable: false requires pretrained weights$"),
        ({"size": 16}, r"size: expected 0 or at least 32, found 16$"),
    ],
)
def test_invalid_options_give_one_line(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(LineupError, match=r"^options of mobilenet_v2 \(.*\): " + message):
        fit(tmp_path, monkeypatch, **options)


def test_a_file_with_other_content_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.h5"
    path.write_text("no weights")
    with pytest.raises(LineupError, match=r"weights: .*text\.h5: expected weights of mobilenetv2_1\.00_32: [^\n]+$"):
        fit(tmp_path, monkeypatch, weights="text.h5", sha256=file_sha256(path))


def test_weights_of_another_network_give_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(LineupError, match=r"other\.weights\.h5: expected weights of mobilenetv2_1\.00_32: [^\n]+$"):
        fit(tmp_path, monkeypatch, weights=path.name, sha256=file_sha256(path))


@pytest.mark.parametrize("entry", list_architectures("transfer"), ids=lambda entry: entry.name)
def test_parameter_count_is_the_registered_one(entry: Architecture) -> None:
    network = classifier(entry.name, "unit", entry.make((28, 28, 1), 10, {}), (28, 28, 1))
    assert network.count_params() == entry.parameters


def test_two_channels_are_refused() -> None:
    with pytest.raises(LineupError, match=r"^mobilenet_v2: expected images with 1 or 3 channels, found 2$"):
        ENTRY.make((32, 32, 2), 3, {})


def test_images_keep_their_proportions() -> None:
    *_, resize, _, backbone, _, _, _ = ENTRY.make((40, 60, 3), 3, {"size": 64})
    assert (resize.height, resize.width) == (64, 96)
    assert backbone.input_shape[1:] == (64, 96, 3)
    assert len(ENTRY.make((40, 60, 3), 3, {})) == len(ENTRY.make((40, 60, 3), 3, {"size": 64})) - 1
