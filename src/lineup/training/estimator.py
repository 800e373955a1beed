"""Train models of the family ``classical``, which are scikit-learn estimators.

Examples
--------
>>> pixels(np.zeros((5, 20, 24, 3), np.uint8)).shape
(5, 1440)
"""

from __future__ import annotations

import importlib.util
import math
import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.batches import in_batches
from lineup.errors import LineupError
from lineup.records.header import Weights
from lineup.records.machine import library_version
from lineup.training.fitted import Fitted
from lineup.training.skops_file import arrays_sha256, save_estimator

if TYPE_CHECKING:
    from lineup.models.registry import Architecture
    from lineup.models.settings import ClassicalRecipe
    from lineup.training.backup import Backup
    from lineup.training.fitted import OnEpoch, TrainingData

FILE = "estimator.skops"

Array = np.ndarray[Any, Any]


def fit_estimator(estimator: Any, images: Array, labels: Array, seed: int) -> Any:
    """Fit an estimator in place and return it.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        Unfitted estimator, as returned by a builder of the family ``classical``.
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
    labels : ndarray of int, shape (n,)
        Classes of the images. Every class from 0 to k - 1 must occur, because scikit-learn predicts only classes that
        occur.
    seed : int
        Value of every parameter ``random_state``.
    """
    from sklearn.exceptions import ConvergenceWarning

    names = [name for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"]
    estimator.set_params(**dict.fromkeys(names, seed))
    with warnings.catch_warnings():
        # The fixed number of epochs of the perceptron is intended.
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations", ConvergenceWarning)
        return estimator.fit(pixels(images), labels)


def predict_estimator(fitted: Any, images: Array) -> Array:
    """Predict the class probabilities of uint8 images in batches. The result is float32 of shape (n, k)."""
    import joblib

    with joblib.parallel_config(n_jobs=1):  # parallel trees are summed in the order in which they finish
        return in_batches(lambda batch: fitted.predict_proba(pixels(batch)), images).astype(np.float32)


def pixels(images: Array) -> Array:
    """Convert uint8 images to a float32 array with one row per image. The values are not scaled."""
    return images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)


@dataclass(frozen=True)
class Classical:
    """A fitted scikit-learn estimator that implements `lineup.training.fitted.Model`."""

    estimator: Any

    def predict(self, images: Array) -> Array:
        """See `Model`."""
        return predict_estimator(self.estimator, images)

    def save(self, folder: Path) -> None:
        """See `Model`."""
        save_estimator(folder / FILE, self.estimator)

    @cached_property
    def weights(self) -> Weights:
        """The hash of the fitted arrays.

        The numbers of parameters are set to 0, because a comparison with networks would be misleading.
        """
        return Weights(0, 0, 0, arrays_sha256(self.estimator))


def fit_model(
    entry: Architecture, recipe: ClassicalRecipe, data: TrainingData, on_epoch: OnEpoch, backup: Backup
) -> Fitted:
    """Build an estimator and fit it to the training images.

    The arguments are described in `lineup.training.trainers.Trainer`.

    Raises
    ------
    LineupError
        If the recipe has class weights, which the estimator does not support.
    """
    started = time.perf_counter()
    estimator = entry.make(data.shape, data.classes, recipe.options)
    if recipe.class_weight is not None:
        _set_class_weight(estimator, entry.name, recipe.class_weight)
    estimator = fit_estimator(estimator, data.images, data.labels, recipe.seed)
    return Fitted(Classical(estimator), [], {"fit": time.perf_counter() - started})


def _set_class_weight(estimator: Any, name: str, value: str) -> None:
    """Set the parameter ``class_weight`` of an estimator or of a step of a pipeline."""
    parameters = [key for key in estimator.get_params() if key.rpartition("__")[2] == "class_weight"]
    if not parameters:
        raise LineupError(f"class_weight = {value!r}: not supported by {name}; remove the setting")
    estimator.set_params(**dict.fromkeys(parameters, value))


def libraries() -> dict[str, str]:
    """Return the names and versions of the libraries that the estimators use."""
    names = ["scikit-learn"]
    if importlib.util.find_spec("sklearnex"):
        names.append("scikit-learn-intelex")
    return {name: library_version(name) for name in names}
