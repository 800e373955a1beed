"""Define the MLflow model that makes predictions with the trained model of a record.

MLflow stores the source code of this module, so no objects are pickled.

Examples
--------
>>> error = InputError("images: every pixel must be a whole number from 0 to 255")
>>> error.message = f"{error.message}. Input: [[[0.5]]]"
>>> error.message
'images: every pixel must be a whole number from 0 to 255'
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from lineup.errors import LineupError
from lineup.serving.predictor import as_images, load_with_agreement

LABEL, AGREEMENT = "label", "agreement"
"""Names of the first two columns of a prediction."""


class InputError(MlflowException):
    """Raised if a request contains invalid images. The message contains only the reason.

    The MLflow server adds the whole input to the message of an exception. This class ignores the changed message.
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
        """Ignore any later message."""


class ServedModel(PythonModel):
    """Model that takes raw images and returns one prediction for each image.

    The artifact ``model`` is a folder that is loaded with `lineup.serving.predictor.load_predictor`. The artifact
    ``record`` is the file ``record.json``, which contains the image shape and the class names.
    """

    def load_context(self, context: Any) -> None:
        """Load the model. If the record belongs to a committee, load the models of all members."""
        data = json.loads(Path(context.artifacts["record"]).read_text(encoding="utf-8"))["data"]
        self._classes = list(data["classes"])
        height, width, channels = data["shape"]
        self._shape = (height, width, channels)
        self._predict = load_with_agreement(Path(context.artifacts["model"]), self._shape)

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict the classes of images.

        Parameters
        ----------
        context : object
            Not used.
        model_input : array_like
            Images; see `lineup.serving.predictor.as_images`.
        params : dict, optional
            Not used.

        Returns
        -------
        DataFrame
            One row per image. The column ``label`` is the name of the most probable class. The column ``agreement`` is
            the share of the evaluated members with the same most probable class, and 1 for a single model. The other
            columns are the probabilities of the classes.

        Raises
        ------
        InputError
            If the input does not contain valid images, or contains too many. The server returns the message with HTTP
            status 400.
        """
        try:
            images = as_images(model_input, self._shape)
        except LineupError as error:
            raise InputError(str(error)) from error
        probabilities, agreement = self._predict(images)
        rows = pd.DataFrame(probabilities, columns=self._classes)
        rows.insert(0, LABEL, [self._classes[number] for number in probabilities.argmax(axis=1)])
        rows.insert(1, AGREEMENT, agreement)
        return rows


set_model(ServedModel())
