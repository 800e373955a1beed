"""Train a model on the training images and score it on the validation images. Test images are not used."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineup.evaluation.metrics import log_loss
from lineup.models.registry import architecture
from lineup.training.backup import Backup
from lineup.training.devices import prepare
from lineup.training.fitted import OnEpoch, TrainingData
from lineup.training.trainers import trainer_of

if TYPE_CHECKING:
    from lineup.models.settings import AnyRecipe


@dataclass(frozen=True)
class Result:
    """Validation scores of a trained model.

    Parameters
    ----------
    accuracy, loss : float
        Accuracy and log loss on the validation images.
    seconds : float
        Time of the training.
    """

    accuracy: float
    loss: float
    seconds: float


def train(recipe: AnyRecipe, data: TrainingData, threads: int, on_epoch: OnEpoch) -> Result:
    """Train a model with the first of its seeds.

    Parameters
    ----------
    recipe : NetworkRecipe or ClassicalRecipe
    data : TrainingData
    threads : int
        Number of threads of TensorFlow or scikit-learn.
    on_epoch : callable
        Called after each epoch. If it raises an exception, the training ends.

    Examples
    --------
    >>> import numpy as np
    >>> from lineup.models.settings import ClassicalRecipe
    >>> images, labels = np.zeros((6, 4, 4), np.uint8), np.array([0, 1] * 3, np.uint8)
    >>> images[1::2] = 255
    >>> data = TrainingData(images, labels, images, labels, classes=2)
    >>> recipe = ClassicalRecipe(family="classical", architecture="knn", validation=0.5, options={"neighbours": 1})
    >>> train(recipe, data, 1, lambda row: None).accuracy
    1.0
    """
    entry = architecture(recipe.family, recipe.architecture)
    prepare(entry.kind, threads, recipe.seed)
    started = time.perf_counter()
    fitted = trainer_of(entry).fit(entry, recipe, data, on_epoch, Backup(None))
    probabilities = fitted.model.predict(data.val_images)
    accuracy = float((probabilities.argmax(axis=1) == data.val_labels).mean())
    return Result(accuracy, log_loss(probabilities, data.val_labels), time.perf_counter() - started)
