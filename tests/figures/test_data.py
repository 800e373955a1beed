"""The figures of the images and labels of a dataset."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lineup.data.dataset import Dataset
from lineup.data.datasets import TRAIN_IMAGES
from lineup.data.idx import read_idx
from lineup.errors import LineupError
from lineup.figures.balance import class_balance
from lineup.figures.classes import mean_images, sample_grid
from lineup.figures.dataset import data_figures
from lineup.figures.pictures import draw_pictures
from lineup.figures.pixels import pixel_histogram, pixel_statistics
from lineup.figures.style import new_figure

from .test_figures import CLASSES, images, texts

KINDS = np.array([2, 0, 1, 0, 2, 0, 0])
"""Four images of the first class, one of the second, and two of the third."""


def pictures(axes: Axes) -> list[np.ndarray]:
    """Return the pixels of each image in a plot."""
    return [np.asarray(picture.get_array()) for picture in axes.images]


def cell(axes: Axes, number: int) -> tuple[int, int]:
    """Return the row and column of an image, from the place of its upper left corner."""
    left, _, _, top = axes.images[number].get_extent()
    return round(top / 1.08), round(left / 1.08)


def test_sample_grid_shows_the_first_images_of_each_class() -> None:
    pixels = images(7)
    (axes,) = sample_grid(pixels, KINDS, CLASSES, title="data", per_class=3).axes
    expected = [1, 3, 5, 2, 0, 4]
    for shown, index in zip(pictures(axes), expected, strict=True):
        np.testing.assert_array_equal(shown, pixels[index])
    assert [cell(axes, number) for number in range(6)] == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1)]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    assert (np.asarray(axes.get_yticks()) / 1.08).astype(int).tolist() == [0, 1, 2]
    # Zero is white, as on paper.
    assert axes.images[0].to_rgba(np.array([[0, 255]])).tolist() == [[[1, 1, 1, 1], [0, 0, 0, 1]]]


def test_sample_grid_leaves_the_row_of_a_class_without_images_empty() -> None:
    (axes,) = sample_grid(images(2), np.array([0, 1]), CLASSES, title="data", per_class=2).axes
    assert [cell(axes, number) for number in range(2)] == [(0, 0), (1, 0)]
    assert axes.get_ylim()[0] > 3


def test_sample_grid_refuses_labels_that_do_not_match() -> None:
    with pytest.raises(LineupError, match="sample grid: expected 2 labels, one per image, found the shape"):
        sample_grid(images(2), np.array([0]), CLASSES, title="data")
    with pytest.raises(LineupError, match="sample grid: expected labels 0 to 2, found 3"):
        sample_grid(images(2), np.array([0, 3]), CLASSES, title="data")
    with pytest.raises(LineupError, match="expected images of n x height x width"):
        sample_grid(images(0), np.array([], dtype=int), CLASSES, title="data")
    with pytest.raises(LineupError, match="at least 1 image per class, found 0"):
        sample_grid(images(2), np.array([0, 1]), CLASSES, title="data", per_class=0)


def test_colour_images_are_shown_in_colour_and_other_channels_as_their_mean() -> None:
    axes = new_figure(2, 2, title="data").add_subplot()
    colours = np.array([[[[255, 0, 51]]]], np.uint8)
    draw_pictures(axes, colours, columns=1)
    assert pictures(axes)[0].ravel().tolist() == pytest.approx([1, 0, 0.2])
    draw_pictures(axes, np.array([[[[10, 30]]]], np.uint8), columns=1)
    assert pictures(axes)[1].tolist() == [[20]]


def test_mean_images_are_the_means_of_their_classes() -> None:
    pixels = images(7)
    (axes,) = mean_images(pixels, KINDS, CLASSES, title="data").axes
    for label, shown in enumerate(pictures(axes)):
        np.testing.assert_allclose(shown, pixels[label == KINDS].astype(float).mean(axis=0))
    assert [text.get_text() for text in axes.texts] == list(CLASSES)


def test_mean_images_leave_out_a_class_without_images() -> None:
    (axes,) = mean_images(images(2), np.array([0, 2]), CLASSES, title="data").axes
    assert [text.get_text() for text in axes.texts] == ["T-shirt/top", "Bag"]


def test_class_balance_has_a_bar_and_a_number_per_class() -> None:
    counts = {"training": np.array([4_800, 90, 0]), "test": np.array([10, 9, 8])}
    figure = class_balance(counts, CLASSES, title="data")
    assert [axes.get_title() for axes in figure.axes] == ["training: 4,890 images", "test: 27 images"]
    for axes, numbers in zip(figure.axes, counts.values(), strict=True):
        widths = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
        assert widths == numbers.tolist()
        assert [text.get_text() for text in axes.texts] == [f"{number:,}" for number in numbers]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(CLASSES)
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first class is at the top


def test_class_balance_needs_a_number_per_class() -> None:
    with pytest.raises(LineupError, match=r"class balance: test: expected 3 numbers, found \(2,\)"):
        class_balance({"test": np.array([1, 2])}, CLASSES, title="data")
    with pytest.raises(LineupError, match="class balance: there are no images to count"):
        class_balance({}, CLASSES, title="data")


@pytest.mark.parametrize("count", [1, 2, 1001])
def test_pixel_statistics_are_those_of_numpy(count: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 5), dtype=np.uint8)
    statistics = pixel_statistics(pixels)
    assert statistics.counts.tolist() == np.bincount(pixels.ravel(), minlength=256).tolist()
    assert statistics.mean == pytest.approx(pixels.mean())
    assert statistics.median == np.median(pixels)
    assert statistics.deviation == pytest.approx(pixels.std())


def test_pixel_histogram_shows_counts_on_a_log_scale_and_its_statistics() -> None:
    pixels = np.array([[[0, 0, 0], [10, 20, 255]]], np.uint8)
    figure = pixel_histogram(pixels, title="data")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    band, steps = axes.patches
    assert steps.get_data().values[[0, 10, 20, 255, 1]].tolist() == [3, 1, 1, 1, 0]  # type: ignore[attr-defined]
    mean, median = (float(np.asarray(line.get_xdata())[0]) for line in axes.lines)
    assert (mean, median) == pytest.approx((pixels.mean(), 5))
    assert band.get_extents().width > 0
    written = texts(figure)
    assert {"mean 47.50", "median 5"} <= set(written)
    assert any(text.startswith(f"standard deviation {pixels.std():.2f} ") for text in written)


def test_pixel_histogram_refuses_other_types() -> None:
    with pytest.raises(LineupError, match="pixels: expected images of type uint8, found float64"):
        pixel_histogram(np.zeros((1, 2, 2)), title="data")  # type: ignore[arg-type]
    with pytest.raises(LineupError, match="found uint8 of shape"):
        pixel_histogram(np.zeros((0, 2, 2), np.uint8), title="data")


def test_the_pixels_of_fashion_mnist_have_the_published_statistics() -> None:
    folder = os.environ.get("FASHION_MNIST_DIR")
    if not folder:
        pytest.skip("FASHION_MNIST_DIR is not set: no folder with the real files")
    pixels = read_idx(Path(folder) / TRAIN_IMAGES)
    assert len(pixels) == 60_000
    written = texts(pixel_histogram(pixels, title="data"))
    assert {"mean 72.94", "median 0"} <= set(written)
    assert any(text.startswith("standard deviation 90.02 ") for text in written)


def dataset(*, generated: bool = True) -> Dataset:
    labels = np.arange(30, dtype=np.uint8) % 3
    pixels, order = images(30), np.arange(30, dtype=np.int32)
    name = "synthetic" if generated else "fashion_mnist"
    return Dataset(name, generated, CLASSES, pixels, labels, pixels[:9], labels[:9], order, "")


def test_figures_of_a_dataset_name_the_data_and_count_the_split() -> None:
    figures = data_figures(dataset(), validation=0.2)
    assert list(figures) == ["samples", "class_balance", "pixels", "mean_images"]
    for figure in figures.values():
        assert any(text.startswith("GENERATED DATA, 30 training images") for text in texts(figure))
    balance = figures["class_balance"]
    assert [axes.get_title() for axes in balance.axes] == [
        "training: 24 images",
        "validation: 6 images",
        "test: 9 images",
    ]
    assert "GENERATED DATA, 30 training images, of which 20 % are for validation" in texts(balance)


def test_figures_of_real_data_do_not_say_generated() -> None:
    for figure in data_figures(dataset(generated=False), validation=0.2).values():
        written = texts(figure)
        assert any(text.startswith("Fashion-MNIST, 30 training images") for text in written)
        assert not any("GENERATED" in text for text in written)
