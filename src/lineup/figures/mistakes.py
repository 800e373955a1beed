"""Plot misclassified images, and images on which a committee and one of its members disagree.

Examples
--------
>>> images = np.zeros((2, 8, 8), np.uint8)
>>> labels, predicted, confidence = np.array([0, 1]), np.array([0, 0]), np.array([0.9, 0.8])
>>> found = PredictedClasses(np.arange(2), labels, predicted, confidence)
>>> figure = misclassified(images, found, ["cat", "dog"], title="cnn")
>>> [text.get_text() for text in figure.axes[0].texts]
['predicted: cat 0.800', 'actual: dog', 'test image 1']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lineup.errors import LineupError, count
from lineup.figures import style
from lineup.figures.pictures import (
    check_images,
    class_text,
    draw_pictures,
    grid_size,
    prediction_text,
    write_caption,
    write_heading,
)
from lineup.records.compact import PredictedClasses


class NothingToShowError(LineupError):
    """The figure would show no images."""


_WIDTH = 1.62
"""Width of an image with its caption, in inches."""
_COLUMNS = 6
_CAPTION = {3: 0.32, 4: 0.4}
"""Space below an image, by the number of lines of its caption. The width of the image is 1."""


def misclassified(
    images: NDArray[np.uint8],
    found: PredictedClasses,
    classes: Sequence[str],
    *,
    title: str,
    subtitle: str = "",
    most: int = 24,
) -> Figure:
    """Plot the misclassified images for which the model has the highest confidence.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
        Images in the order of the predictions. In images with one channel, 0 is shown as white.
    found : PredictedClasses
        Predictions of one model.
    classes : sequence of str
        Class names.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.
    most : int, optional
        Largest number of images. Default 24.

    Returns
    -------
    Figure
        The image with the highest probability of a wrong class comes first; ties go to the first image. The caption
        gives the predicted class with its probability, the actual class, and the number of the image, from 0.

    Raises
    ------
    LineupError
        If the images do not match the predictions.
    NothingToShowError
        If no image is misclassified.
    """
    check_images("misclassified images", images, found.labels, classes)
    predicted, confidence = found.predicted, found.confidence
    wrong = np.flatnonzero(~found.correct())
    if not wrong.size:
        raise NothingToShowError(f"misclassified images: all {len(images):,} images are classified correctly")
    shown = _most_confident(wrong, confidence)[:most]
    width, height = grid_size(len(shown), images.shape[1:], columns=_COLUMNS, below=_CAPTION[3])
    figure = style.new_figure(0.2 + _WIDTH * width, 0.5 + _WIDTH * height, title=title, subtitle=subtitle)
    axes = figure.add_subplot()
    corners = draw_pictures(axes, images[shown], columns=_COLUMNS, below=_CAPTION[3])
    for index, corner in zip(shown, corners, strict=True):
        lines = [
            (f"predicted: {prediction_text(classes, predicted[index], confidence[index])}", style.VERMILLION),
            (f"actual: {class_text(classes, found.labels[index])}", style.INK),
            (f"test image {found.indices[index]:,}", style.MUTED),
        ]
        write_caption(axes, corner, lines)
    share = f"{len(wrong):,} of {count(len(images), 'image')} misclassified"
    write_heading(axes, f"{share}; {len(shown)} with the highest probability of the wrong class")
    return figure


def committee_differences(
    images: NDArray[np.uint8],
    committee: PredictedClasses,
    member: PredictedClasses,
    classes: Sequence[str],
    *,
    name: str,
    title: str,
    subtitle: str = "",
    most: int = 6,
) -> Figure:
    """Plot images on which a committee and one of its members disagree.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, channels)
        Images in the order of the predictions. In images with one channel, 0 is shown as white.
    committee, member : PredictedClasses
        Predictions of both for the same images.
    classes : sequence of str
        Class names.
    name : str
        Name of the member.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.
    most : int, optional
        Largest number of images per panel. Default 6.

    Returns
    -------
    Figure
        Figure with a panel for the images that only the committee classifies correctly, one for those that only the
        member classifies correctly, and one for those that both misclassify. A panel without images is left out. In
        each panel, the image with the highest probability of the committee comes first; ties go to the first image.

    Raises
    ------
    LineupError
        If the images do not match the predictions.
    NothingToShowError
        If the two predict the same class for every image.
    """
    check_images("differences", images, committee.labels, classes)
    if not np.array_equal(committee.indices, member.indices) or not np.array_equal(committee.labels, member.labels):
        raise LineupError(f"differences: the committee and {name} have predictions for different images")
    apart = committee.predicted != member.predicted
    right, other_right = committee.correct(), member.correct()
    panels = {
        f"only the committee is correct, {name} is wrong": apart & right,
        f"only {name} is correct, the committee is wrong": apart & other_right,
        "both are wrong, with different classes": apart & ~right & ~other_right,
    }
    panels = {heading: mask for heading, mask in panels.items() if mask.any()}
    if not panels:
        raise NothingToShowError(f"differences: the committee and {name} predict the same class for every image")
    shown = {what: _most_confident(np.flatnonzero(mask), committee.confidence)[:most] for what, mask in panels.items()}
    sizes = [grid_size(len(rows), images.shape[1:], columns=most, below=_CAPTION[4]) for rows in shown.values()]
    high = sum(_WIDTH * height + 0.4 for _, height in sizes)
    figure = style.new_figure(0.2 + _WIDTH * sizes[0][0], 0.2 + high, title=title, subtitle=subtitle)
    all_axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[height for _, height in sizes])
    for (axes,), (heading, rows) in zip(all_axes, shown.items(), strict=True):
        corners = draw_pictures(axes, images[rows], columns=most, below=_CAPTION[4])
        for index, corner in zip(rows, corners, strict=True):
            _write_both(axes, corner, index, committee, member, classes)
        write_heading(axes, f"{heading}: {count(int(panels[heading].sum()), 'image')}")
    return figure


def _write_both(
    axes: Axes,
    corner: tuple[float, float],
    index: int,
    committee: PredictedClasses,
    member: PredictedClasses,
    classes: Sequence[str],
) -> None:
    """Write the predictions of a committee and its member below an image. Wrong predictions are vermillion."""
    actual = committee.labels[index]
    lines = []
    for who, found in (("committee", committee), ("member", member)):
        label = int(found.predicted[index])
        text = f"{who}: {prediction_text(classes, label, found.confidence[index])}"
        lines.append((text, style.BLUE if label == actual else style.VERMILLION))
    lines += [
        (f"actual: {class_text(classes, actual)}", style.INK),
        (f"test image {committee.indices[index]:,}", style.MUTED),
    ]
    write_caption(axes, corner, lines)


def _most_confident(indices: NDArray[np.intp], confidence: NDArray[np.floating]) -> NDArray[np.intp]:
    """Sort images by decreasing confidence. Ties go to the first image."""
    return indices[np.argsort(-confidence[indices], kind="stable")]
