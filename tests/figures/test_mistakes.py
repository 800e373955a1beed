"""The figures of misclassified images, and of images on which a committee and a member differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.figures.mistakes import committee_differences, misclassified
from lineup.figures.style import BLUE, VERMILLION
from lineup.records.compact import PredictedClasses

from .test_data import pictures
from .test_figures import CLASSES, images, texts


def found(labels: list[int], predicted: list[int], confidence: list[float], first: int = 0) -> PredictedClasses:
    """Return these predictions of images with consecutive numbers."""
    indices = np.arange(first, first + len(labels))
    return PredictedClasses(indices, np.array(labels), np.array(predicted), np.array(confidence))


def captions(axes_texts: list[str], lines: int) -> list[tuple[str, ...]]:
    """Return the caption of each image."""
    return [tuple(axes_texts[start : start + lines]) for start in range(0, len(axes_texts), lines)]


def test_misclassified_images_are_sorted_by_confidence() -> None:
    pixels = images(6)
    wrong = found([0, 1, 2, 0, 1, 2], [1, 1, 0, 2, 0, 2], [0.6, 1.0, 0.9999, 0.7, 0.7, 1.0], first=1_000)
    (axes,) = misclassified(pixels, wrong, CLASSES, title="cnn").axes
    for shown, index in zip(pictures(axes), [2, 3, 4, 0], strict=True):
        np.testing.assert_array_equal(shown, pixels[index])
    assert captions([text.get_text() for text in axes.texts], 3) == [
        ("predicted: T-shirt/top >0.999", "actual: Bag", "test image 1,002"),
        ("predicted: Bag 0.700", "actual: T-shirt/top", "test image 1,003"),
        ("predicted: T-shirt/top 0.700", "actual: Trouser", "test image 1,004"),
        ("predicted: Trouser 0.600", "actual: T-shirt/top", "test image 1,000"),
    ]
    assert axes.get_title(loc="left").startswith("4 of 6 images misclassified; 4 with the highest probability")


def test_only_the_most_confident_mistakes_are_shown() -> None:
    figure = misclassified(
        images(3),
        found([0, 0, 0], [1, 1, 1], [0.6, 0.8, 0.7]),
        CLASSES,
        title="cnn",
        subtitle="GENERATED DATA",
        most=2,
    )
    assert [text for text in texts(figure) if text.startswith("test image")] == ["test image 1", "test image 2"]
    assert "GENERATED DATA" in texts(figure)


def test_misclassified_images_need_mistakes_and_matching_images() -> None:
    right = found([0, 1], [0, 1], [0.9, 0.8])
    with pytest.raises(LineupError, match="all 2 images are classified correctly"):
        misclassified(images(2), right, CLASSES, title="cnn")
    with pytest.raises(LineupError, match="misclassified images: expected 3 labels"):
        misclassified(images(3), right, CLASSES, title="cnn")


LABELS = [0, 0, 1, 1, 2, 2]
COMMITTEE = found(LABELS, [0, 0, 1, 2, 0, 2], [0.5, 0.8, 0.9, 0.6, 0.7, 0.8])
MEMBER = found(LABELS, [1, 1, 1, 1, 1, 2], [0.6, 0.9, 0.9, 0.7, 0.5, 0.6])
"""Only the committee is right on the images 0 and 1, and only the member on 3. On 4 both are wrong."""


def test_differences_are_grouped_by_who_is_correct() -> None:
    pixels = images(6)
    figure = committee_differences(pixels, COMMITTEE, MEMBER, CLASSES, name="cnn_seed1", title="vote")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "only the committee is correct, cnn_seed1 is wrong: 2 images",
        "only cnn_seed1 is correct, the committee is wrong: 1 image",
        "both are wrong, with different classes: 1 image",
    ]
    for axes, expected in zip(figure.axes, ([1, 0], [3], [4]), strict=True):
        for shown, index in zip(pictures(axes), expected, strict=True):
            np.testing.assert_array_equal(shown, pixels[index])
    first = figure.axes[0].texts
    assert captions([text.get_text() for text in first], 4)[0] == (
        "committee: T-shirt/top 0.800",
        "member: Trouser 0.900",
        "actual: T-shirt/top",
        "test image 1",
    )
    assert [text.get_color() for text in first[:2]] == [BLUE, VERMILLION]
    assert [text.get_color() for text in figure.axes[1].texts[:2]] == [VERMILLION, BLUE]
    assert [text.get_color() for text in figure.axes[2].texts[:2]] == [VERMILLION, VERMILLION]


def test_a_panel_without_images_is_left_out_and_the_others_are_counted_in_full() -> None:
    (axes,) = committee_differences(
        images(2),
        found([0, 0], [0, 0], [0.6, 0.9]),
        found([0, 0], [1, 2], [0.9, 0.9]),
        CLASSES,
        name="cnn",
        title="",
        most=1,
    ).axes
    assert axes.get_title(loc="left") == "only the committee is correct, cnn is wrong: 2 images"
    assert [text.get_text() for text in axes.texts][3:] == ["test image 1"]


def test_differences_need_the_same_images_and_a_difference() -> None:
    with pytest.raises(LineupError, match="predict the same class for every image"):
        committee_differences(images(6), COMMITTEE, COMMITTEE, CLASSES, name="cnn", title="vote")
    shifted = dataclasses.replace(COMMITTEE, indices=COMMITTEE.indices + 1)
    with pytest.raises(LineupError, match="the committee and cnn have predictions for different images"):
        committee_differences(images(6), COMMITTEE, shifted, CLASSES, name="cnn", title="vote")
