"""Plot the figures of a dataset.

Examples
--------
>>> from lineup.data.dataset import Dataset
>>> images, labels = np.zeros((8, 8, 8), np.uint8), np.array([0, 1] * 4, np.uint8)
>>> order = np.arange(8, dtype=np.int32)
>>> dataset = Dataset("synthetic", True, ("cat", "dog"), images, labels, images, labels, order, "")
>>> list(data_figures(dataset, validation=0.25)), training_line(dataset)
(['samples', 'class_balance', 'pixels', 'mean_images'], 'GENERATED DATA, 8 training images')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineup.errors import count
from lineup.figures.balance import class_balance
from lineup.figures.classes import mean_images, sample_grid
from lineup.figures.pixels import pixel_histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineup.data.dataset import Dataset


def data_figures(dataset: Dataset, *, validation: float) -> dict[str, Figure]:
    """Plot the images and labels of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Images, labels and their split.
    validation : float
        Fraction of the training images for validation, above 0 and at most 0.5.

    Returns
    -------
    dict of str to Figure
        The figures ``samples``, ``class_balance``, ``pixels`` and ``mean_images``. Samples, pixels and mean images are
        those of the training images, including the validation images. The test images are only counted.

    Raises
    ------
    LineupError
        See `lineup.data.dataset.Dataset.validation_indices`.
    """
    images, labels, classes = dataset.train_images, dataset.train_labels, dataset.classes
    line = training_line(dataset)
    parts = {
        "training": labels[dataset.training_indices(validation)],
        "validation": labels[dataset.validation_indices(validation)],
        "test": dataset.test_labels,
    }
    counts = {part: np.bincount(of_part, minlength=len(classes)) for part, of_part in parts.items()}
    split = f"{line}, of which {100 * validation:g} % are for validation"
    return {
        "samples": sample_grid(images, labels, classes, title="Images of each class", subtitle=line),
        "class_balance": class_balance(counts, classes, title="Images per class", subtitle=split),
        "pixels": pixel_histogram(images, title="Pixel values", subtitle=line),
        "mean_images": mean_images(images, labels, classes, title="Mean image of each class", subtitle=line),
    }


def training_line(dataset: Dataset) -> str:
    """Return a subtitle for figures of training images, with the name of the dataset."""
    kind = "GENERATED DATA" if dataset.generated else dataset.title
    return f"{kind}, {count(len(dataset.train_labels), 'training image')}"
