"""Define the types of the objects that trainers receive and return.

The types are in a separate module, so that no trainer has to import another trainer.

Examples
--------
>>> images, labels = np.zeros((4, 20, 24, 3), np.uint8), np.array([0, 1, 0, 1])
>>> TrainingData(images, labels, images, labels, classes=2).shape
(20, 24, 3)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from lineup.records.header import Weights
from lineup.records.history import Epoch

if TYPE_CHECKING:
    from lineup.data.dataset import Dataset
    from lineup.models.layers import Shape

OnEpoch = Callable[[Epoch], None]


class Model(Protocol):
    """A trained model of any family."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict the class probabilities of raw uint8 images.

        The images have the same shape as `TrainingData.images`. The result is a float32 array of shape (n, classes).
        """

    def save(self, folder: Path) -> None:
        """Save the model to an existing folder.

        The function `lineup.serving.predictor.load_predictor` loads the saved model.
        """

    @property
    def weights(self) -> Weights:
        """Return the number of parameters and a hash of the parameter values."""


@dataclass(frozen=True)
class TrainingData:
    """Inputs and targets of one fit.

    Parameters
    ----------
    images, val_images : ndarray
        Network inputs. Raw uint8 images have the shape (n, height, width) for one channel, otherwise (n, height, width,
        channels). Latent vectors of an encoder are float32 of shape (n, size).
    labels, val_labels : ndarray
        Class numbers of shape (n,), or the raw images if the network is an autoencoder.
    classes : int
        Number of classes.
    """

    images: np.ndarray
    labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray
    classes: int

    @classmethod
    def from_dataset(cls, dataset: Dataset, share: float) -> Self:
        """Return the training images and the validation images of a dataset.

        Parameters
        ----------
        dataset : Dataset
        share : float
            Fraction of the training images that is used for validation; see `Dataset.validation_indices`.
        """
        fitting, validation = dataset.training_indices(share), dataset.validation_indices(share)
        return cls(
            dataset.train_images[fitting],
            dataset.train_labels[fitting],
            dataset.train_images[validation],
            dataset.train_labels[validation],
            len(dataset.classes),
        )

    @property
    def shape(self) -> Shape:
        """Return the height, the width and the number of channels of the raw images."""
        height, width, *channels = self.images.shape[1:]
        return height, width, channels[0] if channels else 1


@dataclass(frozen=True)
class Fitted:
    """Result of training.

    Parameters
    ----------
    model : Model
        Model that maps raw uint8 images to class probabilities.
    history : list of Epoch
        Epochs of all phases in order. Empty for models without epochs.
    phase_seconds : dict of str to float
        Wall time of each phase.
    arrays : dict of str to ndarray
        Arrays for figures, such as reconstructions. Default none.
    """

    model: Model
    history: list[Epoch]
    phase_seconds: dict[str, float]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def class_weights(labels: np.ndarray, classes: int, setting: str | None) -> np.ndarray | None:
    """For each class, return the weight of its images in training.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Classes of the training images. Every class occurs.
    classes : int
        Number of classes.
    setting : {"balanced"} or None
        Setting ``class_weight`` of a model.

    Returns
    -------
    ndarray of float32, shape (classes,), or None
        ``n / (classes * images of the class)``, as in scikit-learn, so that all classes have the same total weight.
        None if the setting is None.

    Examples
    --------
    >>> class_weights(np.array([0, 0, 0, 1]), 2, "balanced").astype(float).round(2).tolist()
    [0.67, 2.0]
    """
    if setting is None:
        return None
    return (len(labels) / (classes * np.bincount(labels, minlength=classes))).astype(np.float32)
