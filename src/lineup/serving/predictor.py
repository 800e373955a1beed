"""Predict with the ``model/`` folder of a record: one network or estimator, or a committee with its members.

This is the model that MLflow gets (models-from-code: MLflow runs this file, never a pickle), and what a record's
probabilities can be checked against. It takes raw images and needs no preprocessing by the caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from lineup.batches import in_batches
from lineup.committee.model import COMMITTEE, read_committee
from lineup.errors import LineupError, shortened

MAX_IMAGES = 10_000
"""Most images of one call of the served model."""
LABEL, AGREEMENT = "label", "agreement"
SHAPES = "(n, 28, 28), (n, 28, 28, 1) or (n, 784)"

Predictor = Callable[[np.ndarray], np.ndarray]
Answerer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def as_images(values: Any) -> np.ndarray:
    """Return images as uint8 (n, 28, 28).

    Parameters
    ----------
    values : array_like
        Grey pixels 0 to 255 of shape (n, 28, 28), (n, 28, 28, 1), (n, 784) or one image (28, 28), or an empty list;
        n is at most `MAX_IMAGES`. Whole numbers of another type are accepted, as JSON has no uint8.

    Raises
    ------
    LineupError
        If there are too many, it is no array of numbers, its shape is another one, or a value is no whole number from 0
        to 255.
    """
    if (count := _length(values)) > MAX_IMAGES:
        raise LineupError(f"images: expected at most {MAX_IMAGES:,} per request, found {count:,}; send them in parts")
    try:
        images = np.asarray(values)
    except ValueError as error:
        raise LineupError("images: expected an array of numbers, found lists of unequal lengths") from error
    if images.dtype.kind not in "biuf":
        raise LineupError(f"images: expected an array of numbers, found {shortened(images.dtype, 80)}")
    shape = images.shape
    if images.shape == (28, 28):
        images = images[None]
    if images.shape == (0,):
        images = images.reshape(0, 28, 28)
    if images.ndim == 4 and images.shape[1:] == (28, 28, 1):
        images = images[..., 0]
    if images.ndim == 2 and images.shape[1] == 784:
        images = images.reshape(-1, 28, 28)
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise LineupError(f"images of shape {shape}: expected {SHAPES}")
    if images.dtype == np.uint8:
        return images
    with np.errstate(invalid="ignore"):  # NaN and what is too large are refused in the next line
        whole = images.astype(np.uint8)
    if not np.array_equal(whole, images):
        raise LineupError("images: every pixel must be a whole number from 0 to 255")
    return whole


def _length(values: Any) -> int:
    try:
        return len(values)
    except TypeError:  # a number, or an array of no dimensions
        return 1


def load_predictor(folder: Path) -> Predictor:
    """Load what a ``model/`` folder answers with.

    Parameters
    ----------
    folder : Path
        Holds ``network.keras`` or ``estimator.skops``, or ``committee.json`` and the folders of its members.

    Returns
    -------
    callable
        uint8 images (n, 28, 28) to float32 probabilities (n, k).

    Raises
    ------
    LineupError
        If the folder holds none of these, or the file is not what it should be.
    """
    if (folder / COMMITTEE).is_file():
        answer = _load_committee(folder)
        return lambda images: answer(images)[0]
    for name, load in (("network.keras", _load_network), ("estimator.skops", _load_classical)):
        if (folder / name).is_file():
            return load(folder / name)
    raise LineupError(f"{folder}: no network.keras, estimator.skops or {COMMITTEE} here")


def load_answerer(folder: Path) -> Answerer:
    """Load what a ``model/`` folder answers with, and with what agreement.

    Parameters
    ----------
    folder : Path
        As of `load_predictor`.

    Returns
    -------
    callable
        uint8 images (n, 28, 28) to float32 probabilities (n, k), and the share of the members (n,) that put the same
        class first as the committee does: 1 of a single model.
    """
    if (folder / COMMITTEE).is_file():
        return _load_committee(folder)
    predict = load_predictor(folder)
    return lambda images: (predict(images), np.ones(len(images)))


def _load_network(path: Path) -> Predictor:
    from lineup.training.network import load_network

    network = load_network(path)

    def predict(images: np.ndarray) -> np.ndarray:
        return in_batches(lambda batch: np.asarray(network(batch, training=False)), images)

    return predict


def _load_classical(path: Path) -> Predictor:
    from lineup.training.estimator import predict_estimator
    from lineup.training.skops_file import load_estimator

    return partial(predict_estimator, load_estimator(path))


def _load_committee(folder: Path) -> Answerer:
    names, fitted = read_committee(folder)
    members = [load_predictor(folder / "members" / name) for name in names]

    def answer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        each = np.stack([member(images) for member in members])
        probabilities = fitted.apply(each)
        return probabilities, (each.argmax(axis=2) == probabilities.argmax(axis=1)).mean(axis=0)

    return answer


class InputError(MlflowException):
    """What is wrong with the images of a request, and nothing more.

    MLflow's server puts the whole input before the message of an exception: this one keeps the message that it was made
    with.
    """

    def __init__(self, message: str) -> None:
        self._message = message
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The first message."""
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        """Ignore a later message."""


class ServedModel(PythonModel):
    """A record's model as MLflow serves it: raw images in, a prediction for each out.

    Its artifacts are ``model``, the folder of `load_predictor`, and ``record``, the ``record.json`` that names the
    classes.
    """

    def load_context(self, context: Any) -> None:
        """Load the network, or the committee's members."""
        record = json.loads(Path(context.artifacts["record"]).read_text(encoding="utf-8"))
        self._classes = list(record["data"]["classes"])
        self._answer = load_answerer(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict the classes of at most `MAX_IMAGES` images, of any shape that `as_images` takes.

        Returns
        -------
        DataFrame
            A row for each image: ``label``, the name of the most probable class; ``agreement``, the share of the
            members that say the same, 1 of a single model; then the probability of each class, under its name.

        Raises
        ------
        InputError
            If these are no images, or too many. The server answers with its message and HTTP status 400.
        """
        try:
            images = as_images(model_input)
        except LineupError as error:
            raise InputError(str(error)) from error
        probabilities, agreement = self._answer(images)
        answers = pd.DataFrame(probabilities, columns=self._classes)
        answers.insert(0, LABEL, [self._classes[number] for number in probabilities.argmax(axis=1)])
        answers.insert(1, AGREEMENT, agreement)
        return answers


set_model(ServedModel())
