"""Fit the models of the family ``classical``: estimators of scikit-learn on raw pixels."""

from __future__ import annotations

import importlib.util
import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.batches import in_batches
from lineup.records.machine import library_version
from lineup.records.record import Weights
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
    """Fit an estimator of a builder in place and return it.

    Parameters
    ----------
    estimator : sklearn.base.BaseEstimator
        Of a builder of this module.
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of int, shape (n,)
        Of every class, 0 to k - 1, so that the columns of the probabilities are the classes.
    seed : int
        Every parameter ``random_state`` in it is set to this.
    """
    from sklearn.exceptions import ConvergenceWarning

    names = [name for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"]
    estimator.set_params(**dict.fromkeys(names, seed))
    with warnings.catch_warnings():
        # A perceptron is meant to stop after its epochs.
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations", ConvergenceWarning)
        return estimator.fit(_pixels(images), labels)


def predict_estimator(fitted: Any, images: Array) -> Array:
    """Return a fitted estimator's probabilities, float32 (n, k), of uint8 images (n, 28, 28), batch by batch."""
    import joblib

    with joblib.parallel_config(n_jobs=1):  # trees side by side add up in the order in which they are done
        return in_batches(lambda batch: fitted.predict_proba(_pixels(batch)), images).astype(np.float32)


def _pixels(images: Array) -> Array:
    """Return uint8 images (n, 28, 28) as scikit-learn takes them: float32 (n, 784), still 0 to 255."""
    return images.reshape(-1, 28 * 28).astype(np.float32)


@dataclass(frozen=True)
class Classical:
    """A fitted estimator as a `lineup.training.fitted.Model`."""

    estimator: Any

    def predict(self, images: Array) -> Array:
        """See `Model`."""
        return predict_estimator(self.estimator, images)

    def save(self, folder: Path) -> None:
        """See `Model`."""
        save_estimator(folder / FILE, self.estimator)

    @cached_property
    def weights(self) -> Weights:
        """Without a count: what a forest or a list of neighbours keeps does not compare with weights."""
        return Weights(0, 0, 0, arrays_sha256(self.estimator))


def fit_model(
    entry: Architecture, recipe: ClassicalRecipe, data: TrainingData, on_epoch: OnEpoch, backup: Backup
) -> Fitted:
    """Build an architecture and fit it on the training images; there are no epochs to tell of or to back up."""
    started = time.perf_counter()
    estimator = fit_estimator(entry.make(recipe.options), data.images, data.labels, recipe.seed)
    return Fitted(Classical(estimator), [], {"fit": time.perf_counter() - started})


def libraries() -> dict[str, str]:
    """Return the versions of what computes here."""
    names = ["scikit-learn"]
    if importlib.util.find_spec("sklearnex"):
        names.append("scikit-learn-intelex")
    return {name: library_version(name) for name in names}
