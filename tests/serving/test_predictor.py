"""What answers for images: one network or a committee, for images as people have them."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

import lineup.serving.predictor
from lineup.batches import PREDICT_BATCH
from lineup.committee.fitting import FittedRule, Temperature, fit_rule
from lineup.committee.model import COMMITTEE, read_committee, write_committee
from lineup.committee.rules import RULES
from lineup.errors import LineupError
from lineup.models.classical import logistic_regression
from lineup.serving.predictor import MAX_IMAGES, ServedModel, as_images, load_answerer, load_predictor
from lineup.training.estimator import Classical, fit_estimator
from tests.make_records import CLASSES
from tests.networks import random_images, save_network

IMAGES = random_images(3)


def with_pixel(value: Any) -> np.ndarray:
    """Return an image of zeros with one other pixel."""
    image = np.zeros((1, 28, 28), dtype=np.asarray(value).dtype)
    image[0, 3, 4] = value
    return image


@pytest.mark.parametrize(
    "values",
    [
        IMAGES,
        IMAGES[..., None],
        IMAGES.reshape(3, 784),
        IMAGES.astype(np.int64),
        IMAGES.astype(np.float32),
        IMAGES.astype(np.float64).reshape(3, 784),
        IMAGES.tolist(),
        IMAGES[..., None].tolist(),
        np.asfortranarray(IMAGES),
    ],
    ids=["as it is", "channel", "flat", "int64", "float32", "flat float64", "lists", "lists channel", "fortran"],
)
def test_images_of_every_accepted_shape_are_the_same(values: Any) -> None:
    np.testing.assert_array_equal(as_images(values), IMAGES, strict=True)


def test_one_image_is_a_batch_of_one() -> None:
    np.testing.assert_array_equal(as_images(IMAGES[1]), IMAGES[1:2], strict=True)
    np.testing.assert_array_equal(as_images(IMAGES[1].tolist()), IMAGES[1:2], strict=True)


def test_extreme_pixels_are_taken() -> None:
    for value in (0, 255, 255.0, np.uint16(255), True):
        assert as_images(with_pixel(value))[0, 3, 4] == int(value)


@pytest.mark.parametrize(
    "shape", [(), (784,), (28,), (3, 28), (3, 27, 28), (28, 28, 3), (3, 28, 28, 3), (1, 3, 28, 28)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LineupError) as caught:
        as_images(np.zeros(shape, np.uint8))
    assert str(caught.value) == f"images of shape {shape}: expected (n, 28, 28), (n, 28, 28, 1) or (n, 784)"


@pytest.mark.parametrize("value", [256, -1, 0.5, 254.999, np.nan, np.inf, -np.inf, 1e300, 2**40], ids=str)
def test_pixels_that_are_no_grey_values_are_refused(value: float) -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(LineupError, match="every pixel must be a whole number from 0 to 255"),
    ):
        as_images(with_pixel(value))


@pytest.mark.parametrize(
    "values",
    [np.full((28, 28), "1"), np.full((28, 28), None), IMAGES * 1j, [[1, 2], [3]], [[[1] * 28] * 28, [[1] * 28] * 27]],
    ids=["text", "objects", "complex", "ragged rows", "ragged images"],
)
def test_what_is_no_array_of_numbers_is_refused(values: Any) -> None:
    with pytest.raises(LineupError, match="images: expected an array of numbers"):
        as_images(values)


def test_network_answers_as_it_did_before_it_was_saved(tmp_path: Path) -> None:
    network = save_network(tmp_path, seed=1)
    predict = load_predictor(tmp_path)
    found = predict(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(network(IMAGES)), atol=1e-7)


@pytest.mark.parametrize(
    "spoil",
    [lambda content: b"", lambda content: content[: len(content) // 2], lambda content: b"PK\x05\x06" + bytes(18)],
    ids=["empty", "half", "empty archive"],
)
def test_damaged_network_is_one_error(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    save_network(tmp_path, seed=1)
    path = tmp_path / "network.keras"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(LineupError, match=r"network\.keras: expected a network of Keras, found a damaged") as caught:
        load_predictor(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_any_number_of_images_is_answered(tmp_path: Path) -> None:
    save_network(tmp_path, seed=1)
    predict = load_predictor(tmp_path)
    many = random_images(PREDICT_BATCH + 1)
    found = predict(many)
    assert found.shape == (PREDICT_BATCH + 1, len(CLASSES))
    np.testing.assert_allclose(found[-1:], predict(many[-1:]), atol=1e-6)


def assert_predicts_no_images(folder: Path) -> None:
    """For no images: no rows, but the columns and the type of the others."""
    found, agreement = load_answerer(folder)(IMAGES[:0])
    assert found.shape == (0, len(CLASSES))
    assert found.dtype == np.float32
    assert agreement.shape == (0,)
    assert load_predictor(folder)(IMAGES[:0]).shape == found.shape


def test_no_images_are_no_predictions_of_a_network(tmp_path: Path) -> None:
    save_network(tmp_path, seed=1)
    assert_predicts_no_images(tmp_path)


def save_committee(folder: Path, rule: str = "average", temperature: Temperature = "none") -> list[np.ndarray]:
    """Save a committee of three tiny networks and return what each answers for `IMAGES`."""
    names = ["one", "two", "three"]
    networks = [save_network(folder / "members" / name, seed) for seed, name in enumerate(names)]
    random = np.random.default_rng(0)
    holdout = random.dirichlet(np.ones(len(CLASSES)), (len(names), 60)).astype(np.float32)
    fitted = fit_rule(rule, holdout, np.arange(60) % len(CLASSES), temperature=temperature)
    write_committee(folder, names, fitted)
    return [np.asarray(network(IMAGES)) for network in networks]


def test_committee_answers_the_mean_of_its_members(tmp_path: Path) -> None:
    single = save_committee(tmp_path)
    assert not np.allclose(single[0], single[1], atol=0.01)
    found = load_predictor(tmp_path)(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=1e-6)


@pytest.mark.parametrize("rule", ["voting_proportion", "stacking"])
def test_committee_answers_by_its_fitted_rule(tmp_path: Path, rule: str) -> None:
    single = np.stack(save_committee(tmp_path, rule, "both"))
    _, fitted = read_committee(tmp_path)
    probabilities, agreement = load_answerer(tmp_path)(IMAGES)
    np.testing.assert_allclose(probabilities, fitted.apply(single), atol=1e-6)
    for image, label in enumerate(probabilities.argmax(axis=1)):
        votes = [int(member[image].argmax() == label) for member in single]
        assert agreement[image] == pytest.approx(sum(votes) / 3)
    assert load_predictor(tmp_path)(IMAGES).tobytes() == probabilities.tobytes()


def test_committee_of_a_network_and_a_classical_model(tmp_path: Path) -> None:
    """They answer together, and the estimator as it did before it was saved."""
    labels = np.arange(30) % len(CLASSES)
    estimator = Classical(fit_estimator(logistic_regression(), random_images(30, seed=7), labels, seed=1))
    (tmp_path / "members" / "line").mkdir(parents=True)
    estimator.save(tmp_path / "members" / "line")
    network = save_network(tmp_path / "members" / "net", seed=1)
    write_committee(tmp_path, ["net", "line"], FittedRule("average", 2, len(CLASSES)))
    single = [np.asarray(network(IMAGES)), estimator.predict(IMAGES)]
    np.testing.assert_allclose(load_predictor(tmp_path)(IMAGES), np.mean(single, axis=0), atol=1e-6)
    assert_predicts_no_images(tmp_path)
    assert_predicts_no_images(tmp_path / "members" / "line")


@pytest.mark.parametrize("rule", RULES)
def test_no_images_are_no_predictions_of_a_committee(tmp_path: Path, rule: str) -> None:
    save_committee(tmp_path, rule, "both")
    assert_predicts_no_images(tmp_path)


def test_single_model_agrees_with_itself(tmp_path: Path) -> None:
    network = save_network(tmp_path, seed=1)
    probabilities, agreement = load_answerer(tmp_path)(IMAGES)
    np.testing.assert_allclose(probabilities, np.asarray(network(IMAGES)), atol=1e-7)
    assert agreement.tolist() == [1.0, 1.0, 1.0]


def served(folder: Path) -> ServedModel:
    """Return a folder's model as MLflow loads it."""
    record = folder / "record.json"
    record.write_text(json.dumps({"data": {"classes": CLASSES}}))
    model = ServedModel()
    model.load_context(SimpleNamespace(artifacts={"model": str(folder), "record": str(record)}))
    return model


def test_answer_is_a_table_with_a_row_for_each_image(tmp_path: Path) -> None:
    save_committee(tmp_path)
    probabilities, agreement = load_answerer(tmp_path)(IMAGES)
    given: list[Any] = [IMAGES, IMAGES[..., None].tolist(), pd.DataFrame(IMAGES.reshape(3, 784))]
    for images in given:
        answers = served(tmp_path).predict(None, images)
        assert list(answers) == ["label", "agreement", *CLASSES]
        assert answers["label"].tolist() == [CLASSES[number] for number in probabilities.argmax(axis=1)]
        assert answers["agreement"].tolist() == agreement.tolist()
        np.testing.assert_allclose(answers[CLASSES].to_numpy(), probabilities, atol=1e-6)
    assert served(tmp_path).predict(None, IMAGES[:0]).shape == (0, 2 + len(CLASSES))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network that MLflow has saved and loaded."""
    folder = tmp_path_factory.mktemp("served")
    save_network(folder / "model", seed=1)
    (folder / "record.json").write_text(json.dumps({"data": {"classes": CLASSES}}))
    mlflow.pyfunc.save_model(
        folder / "saved",
        python_model=lineup.serving.predictor.__file__,
        artifacts={"model": str(folder / "model"), "record": str(folder / "record.json")},
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder / "saved"))


def ask(model: Any, images: Any) -> tuple[int, dict[str, Any]]:
    """Send a request through the code of MLflow's server, and return the HTTP status and what it answers."""
    server: Any = scoring_server
    body = json.dumps({"inputs": images})
    try:
        answer = server.invocations(body, "application/json", model, model.metadata.get_input_schema())
    except MlflowException as error:
        refused: Any = error
        return refused.get_http_status_code(), json.loads(refused.serialize_as_json())
    return answer.status, json.loads(answer.response)


def test_server_answers_a_request(model: Any) -> None:
    status, answer = ask(model, IMAGES.tolist())
    assert status == 200
    assert [row["label"] for row in answer["predictions"]] == model.predict(IMAGES)["label"].tolist()
    assert ask(model, []) == (200, {"predictions": []})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((1, 28, 28), 256), "images: every pixel must be a whole number from 0 to 255"),
        (IMAGES / 255, "images: every pixel must be a whole number from 0 to 255"),
        (np.zeros((2, 40, 40), int), "images of shape (2, 40, 40): expected (n, 28, 28), (n, 28, 28, 1) or (n, 784)"),
        (np.full((28, 28), "x" * 50), "images: expected an array of numbers, found <U50"),
        (
            np.zeros((MAX_IMAGES + 1, 1), int),
            "images: expected at most 10,000 per request, found 10,001; send them in parts",
        ),
    ],
    ids=["too light", "fractions", "shape", "text", "too many"],
)
def test_server_says_what_is_wrong_and_does_not_repeat_the_images(model: Any, images: np.ndarray, message: str) -> None:
    status, answer = ask(model, images.tolist())
    assert (status, answer["error_code"], answer["message"]) == (400, "INVALID_PARAMETER_VALUE", message)
    assert len(str(answer)) < 300


def test_too_many_images_are_refused_before_an_array_is_made() -> None:
    as_images(np.zeros((MAX_IMAGES, 784), np.uint8))
    image = [[0] * 28] * 28  # the same list ten thousand times, which an array would copy
    tracemalloc.start()
    try:
        with pytest.raises(LineupError, match="expected at most 10,000 per request"):
            as_images([image] * (MAX_IMAGES + 1))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_networks_are_served_without_scikit_learn(tmp_path: Path) -> None:
    """What fits a rule need not be installed where it answers."""
    save_committee(tmp_path, "stacking", "both")
    code = (
        "import sys, numpy; sys.modules['sklearn'] = sys.modules['scipy'] = None\n"
        "from pathlib import Path; from lineup.serving.predictor import load_answerer\n"
        f"answer = load_answerer(Path({str(tmp_path)!r}))\n"
        "print(*answer(numpy.zeros((2, 28, 28), numpy.uint8))[0].sum(axis=1).round(3))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.0", "1.0"]


def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"no network\.keras, estimator\.skops or committee\.json here") as caught:
        load_predictor(tmp_path)
    assert str(tmp_path) in str(caught.value)
    write_committee(tmp_path, ["one"], FittedRule("average", 1, len(CLASSES)))
    with pytest.raises(LineupError, match=r"members.one: no network\.keras"):
        load_predictor(tmp_path)
    (tmp_path / COMMITTEE).write_text('{"rule": "average", "members": ["one"]}')
    with pytest.raises(LineupError, match=r"committee\.json: expected the members and the fitted rule"):
        load_predictor(tmp_path)
