"""Create figures that show how the network of a record classifies images.

Examples
--------
>>> list(PLOTS)
['gradcam', 'filters', 'maps', 'latent']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError, count
from lineup.evaluation.scores import Scores
from lineup.explain.network import (
    UnsuitableModelError,
    feature_maps,
    first_filters,
    grad_cam,
    latent_vectors,
    open_network,
    resize_maps,
)
from lineup.records.record import Record

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from lineup.data.dataset import Dataset

WRONG, RIGHT = 6, 12
"""Largest numbers of misclassified and of correctly classified images with heat maps."""
POINTS = 1000
"""Largest number of images in a plot of the latent space."""


def network_figures(record: Record, dataset: Dataset) -> dict[str, Figure]:
    """Create all figures that are available for the model of a record.

    Parameters
    ----------
    record : Record
        Record of a single model.
    dataset : Dataset
        Dataset from which the record was made.

    Returns
    -------
    dict of str to Figure
        The figures by the names in `PLOTS`. A model without convolutions has no heat maps, filters and feature maps,
        and only the models of an autoencoder have a latent space. Of a model that is not a network, there are none.

    Raises
    ------
    LineupError
        If the network cannot be loaded, or if its last layer has no softmax.
    """
    try:
        network = open_network(record)
    except UnsuitableModelError:
        return {}
    figures = {}
    for name, plot in PLOTS.items():
        try:
            figures[name] = plot(record, dataset, network)
        except UnsuitableModelError:
            continue
    return figures


def gradcam(record: Record, dataset: Dataset, network: keras.Model) -> Figure:
    """Plot Grad-CAM maps for misclassified and correctly classified test images.

    Misclassified images are sorted by the probability of the wrong class, from high to low. For each class, the first
    correctly classified image is also plotted.
    """
    from lineup.figures.heat_maps import heat_maps

    scores = record.predictions().test
    chosen = _examples(scores, len(dataset.classes))
    shown = Scores(scores.indices[chosen], scores.labels[chosen], scores.probabilities[chosen])
    images = dataset.test_images[shown.indices]
    cells = grad_cam(network, images, shown.probabilities.argmax(axis=1))
    size = f"{' x '.join(map(str, cells.shape[1:]))} {'rows' if cells.ndim == 2 else 'positions'}"
    return heat_maps(
        images,
        resize_maps(cells, images.shape[1:3]),
        shown,
        dataset.classes,
        title=f"{record.header.label}: regions that matter for the prediction (Grad-CAM)",
        subtitle=f"{data_line(record)}, heat maps of {size}",
    )


def filters(record: Record, dataset: Dataset, network: keras.Model) -> Figure:
    """Plot the filters of the first convolution."""
    from lineup.figures.filters import filters as plot

    weights = first_filters(network)
    size = " x ".join(map(str, weights.shape[1:]))
    title = f"{record.header.label}: filters of the first convolution"
    subtitle = f"{_data(record)}, {count(len(weights), 'filter')} of {size} weights"
    return plot(weights, title=title, subtitle=subtitle)


def maps(record: Record, dataset: Dataset, network: keras.Model) -> Figure:
    """Plot the feature maps of each convolution for the first test image of each class."""
    from lineup.figures.feature_maps import MOST
    from lineup.figures.feature_maps import feature_maps as plot

    labels = dataset.test_labels
    present = np.unique(labels)[:MOST]
    images = dataset.test_images[[np.flatnonzero(labels == label)[0] for label in present]]
    subtitle = f"{_data(record)}, the first test image of each class; light cells have high values"
    if len(dataset.classes) > MOST:
        subtitle = f"{_data(record)}, the first test image of {MOST} of {len(dataset.classes)} classes"
    title = f"{record.header.label}: feature maps"
    names = [dataset.classes[label] for label in present]
    return plot(images, feature_maps(network, images), names, title=title, subtitle=subtitle)


def latent(record: Record, dataset: Dataset, network: keras.Model) -> Figure:
    """Plot the latent vectors of the first test images, projected to two dimensions."""
    from lineup.explain.projection import projections
    from lineup.figures.latent import latent_space

    vectors = latent_vectors(network, dataset.test_images[:POINTS])
    subtitle = f"{_data(record)}, {count(len(vectors), 'test image')}; each name is at the median of its class"
    return latent_space(
        projections(vectors),
        dataset.test_labels[:POINTS],
        dataset.classes,
        title=f"{record.header.label}: latent space of {vectors.shape[1]} dimensions",
        subtitle=subtitle,
    )


Plot = Callable[[Record, "Dataset", "keras.Model"], "Figure"]

PLOTS: Mapping[str, Plot] = {"gradcam": gradcam, "filters": filters, "maps": maps, "latent": latent}
"""The figures by name. Each raises `UnsuitableModelError` for a network for which it does not exist."""


def check_dataset(record: Record, dataset: Dataset) -> None:
    """Check that a record was made from the given dataset.

    Raises
    ------
    LineupError
        If the images or the split differ.
    """
    if dataset.fingerprint != record.header.data.fingerprint:
        raise LineupError(f"{record.header.label} was made from other images or another split; run dvc repro")


def _examples(scores: Scores, classes: int) -> NDArray[np.intp]:
    """Return the indices of the images to explain. Misclassified images come first."""
    predicted, confidence = scores.probabilities.argmax(axis=1), scores.probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != scores.labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    right = predicted == scores.labels
    firsts = [np.flatnonzero(right & (scores.labels == label))[:1] for label in range(classes)]
    return np.concatenate([wrong[:WRONG], *firsts[:RIGHT]])


def _data(record: Record) -> str:
    """Return a subtitle that names the data."""
    data = record.header.data
    return "GENERATED DATA" if data.generated else data.title


def data_line(record: Record) -> str:
    """Return a subtitle with the name of the data and the number of test images."""
    return f"{_data(record)}, {count(record.header.data.test_images, 'test image')}"
