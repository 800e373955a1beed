"""The model as MLflow serves it: a table of predictions, and error messages with HTTP status 400."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

import lineup.serving.pyfunc
from lineup.serving.predictor import MAX_IMAGES, load_with_agreement
from lineup.serving.pyfunc import ServedModel
from tests.make_records import CLASSES
from tests.networks import random_images, save_network
from tests.serving.test_predictor import save_committee

SHAPE = (28, 28, 1)
IMAGES = random_images(3)


def served(folder: Path) -> ServedModel:
    """Return the model of a folder as MLflow loads it."""
    record = folder / "record.json"
    record.write_text(json.dumps({"data": {"classes": CLASSES, "shape": SHAPE}}))
    model = ServedModel()
    model.load_context(SimpleNamespace(artifacts={"model": str(folder), "record": str(record)}))
    return model


def test_the_prediction_is_a_table_with_one_row_per_image(tmp_path: Path) -> None:
    save_committee(tmp_path)
    probabilities, agreement = load_with_agreement(tmp_path, SHAPE)(IMAGES)
    given: list[Any] = [IMAGES, IMAGES[..., None].tolist(), pd.DataFrame(IMAGES.reshape(3, 784))]
    for images in given:
        rows = served(tmp_path).predict(None, images)
        assert list(rows) == ["label", "agreement", *CLASSES]
        assert rows["label"].tolist() == [CLASSES[number] for number in probabilities.argmax(axis=1)]
        assert rows["agreement"].tolist() == agreement.tolist()
        np.testing.assert_allclose(rows[CLASSES].to_numpy(), probabilities, atol=1e-6)
    assert served(tmp_path).predict(None, IMAGES[:0]).shape == (0, 2 + len(CLASSES))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network that MLflow has saved and loaded."""
    folder = tmp_path_factory.mktemp("served")
    save_network(folder / "model", seed=1)
    (folder / "record.json").write_text(json.dumps({"data": {"classes": CLASSES, "shape": SHAPE}}))
    mlflow.pyfunc.save_model(
        folder / "saved",
        python_model=lineup.serving.pyfunc.__file__,
        artifacts={"model": str(folder / "model"), "record": str(folder / "record.json")},
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder / "saved"))


def send(model: Any, images: Any) -> tuple[int, dict[str, Any]]:
    """Send a request through the code of MLflow's server, and return HTTP status and response."""
    server: Any = scoring_server
    body = json.dumps({"inputs": images})
    try:
        response = server.invocations(body, "application/json", model, model.metadata.get_input_schema())
    except MlflowException as error:
        refused: Any = error
        return refused.get_http_status_code(), json.loads(refused.serialize_as_json())
    return response.status, json.loads(response.response)


def test_the_server_responds_to_a_request(model: Any) -> None:
    status, response = send(model, IMAGES.tolist())
    assert status == 200
    assert [row["label"] for row in response["predictions"]] == model.predict(IMAGES)["label"].tolist()
    assert send(model, []) == (200, {"predictions": []})


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
def test_the_server_gives_the_reason_without_the_images(model: Any, images: np.ndarray, message: str) -> None:
    status, response = send(model, images.tolist())
    assert (status, response["error_code"], response["message"]) == (400, "INVALID_PARAMETER_VALUE", message)
    assert len(str(response)) < 300
