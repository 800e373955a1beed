"""The content of the figures of a network, for any number of images, channels and classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.evaluation.scores import Scores
from lineup.figures import style
from lineup.figures.feature_maps import feature_maps
from lineup.figures.filters import filters
from lineup.figures.heat_maps import heat_maps
from lineup.figures.latent import latent_space
from lineup.figures.save import save_png

from .test_figures import texts

CLASSES = ["T-shirt/top", "Trouser", "Ankle boot"]


def scores_of(predicted: list[int], actual: list[int]) -> Scores:
    probabilities = np.full((len(predicted), 3), 0.1)
    probabilities[np.arange(len(predicted)), predicted] = 0.8
    return Scores(np.arange(len(predicted)) + 7, np.array(actual), probabilities)


def test_heat_maps_show_the_image_the_map_and_both() -> None:
    images = np.zeros((2, 4, 4), np.uint8)
    images[1, 0, 0] = 255
    heat = np.zeros((2, 4, 4))
    heat[0, 3, 3], heat[1, 0, 0] = 5.0, 0.1
    figure = heat_maps(images, heat, scores_of([0, 1], [0, 2]), CLASSES, title="cnn", subtitle="Pets")
    wrong, right = figure.axes
    assert wrong.get_title(loc="left").startswith("misclassified images: the image, the heat map")
    assert [text.get_text() for text in wrong.texts] == ["predicted: Trouser 0.800, actual: Ankle boot", "test image 8"]
    assert [text.get_color() for text in wrong.texts] == [style.VERMILLION, style.MUTED]
    assert right.texts[0].get_color() == style.BLUE
    for axes, corner in ((wrong, (0, 0)), (right, (3, 3))):
        triple = np.asarray(axes.images[0].get_array())
        image, cold, over = triple[:, :4], triple[:, 5:9], triple[:, 10:]
        assert image.shape == cold.shape == over.shape == (4, 4, 3)
        assert tuple(np.unravel_index(cold.sum(axis=2).argmin(), (4, 4))) == corner  # the darkest cell
        assert over[corner][0] > over[corner][2]  # the heat is red, also on a black pixel
    assert np.asarray(wrong.images[0].get_array())[0, 0].tolist() == [0, 0, 0]  # 255 is black


def test_heat_maps_of_coloured_images_without_any_heat(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 9, 3), dtype=np.uint8)
    figure = heat_maps(images, np.zeros((4, 6, 9)), scores_of([0] * 4, [0] * 4), CLASSES, title="cnn")
    (axes,) = figure.axes
    assert len(axes.images) == 4
    assert axes.texts[1].get_text() == "test image 7; no region increases the score"
    assert np.allclose(255 * np.asarray(axes.images[0].get_array())[:, :9], images[0])
    save_png(figure, tmp_path / "figure.png")
    with pytest.raises(LineupError, match=r"expected maps of the shape \(4, 6, 9\), found \(4, 3, 3\)"):
        heat_maps(images, np.zeros((4, 3, 3)), scores_of([0] * 4, [0] * 4), CLASSES, title="cnn")


@pytest.mark.parametrize("shape", [(32, 3, 3), (256, 3, 28), (1, 5, 5), (11, 3, 9)])
def test_every_filter_has_a_panel_on_a_symmetric_scale(shape: tuple[int, int, int], tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=shape)
    figure = filters(weights, title="cnn: filters")
    shown = figure.axes[0].images[0]
    assert shown.get_clim() == (-np.abs(weights).max(), np.abs(weights).max())
    grid = np.asarray(shown.get_array())
    count, height, width = shape
    last = count - 1
    row, column = last // 8 * height, last % 8 * width
    assert (grid[row : row + height, column : column + width] == weights[last]).all()
    assert style.DIVERGING(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)
    save_png(figure, tmp_path / "figure.png")
    with pytest.raises(LineupError, match="expected weights of filters x height x width"):
        filters(weights[:0], title="cnn: filters")


def test_feature_maps_have_a_row_for_each_channel_with_the_largest_variance() -> None:
    random = np.random.default_rng(0)
    spread = np.array([1, 9, 1, 7, 8, 6, 5, 4, 1])
    maps = {"convolution 1": random.normal(size=(3, 5, 5, 9)) * spread, "convolution 2": np.zeros((3, 2, 2, 2))}
    images = np.zeros((3, 8, 8), np.uint8)
    figure = feature_maps(images, maps, CLASSES, title="cnn: feature maps")
    top, first, second = figure.axes
    assert [label.get_text() for label in top.get_xticklabels()] == CLASSES
    assert first.get_title(loc="left") == "convolution 1: 5 x 5 positions, 9 channels; 6 with the largest variance"
    assert [label.get_text() for label in first.get_yticklabels()] == ["1", "3", "4", "5", "6", "7"]
    assert second.get_title(loc="left") == "convolution 2: 2 x 2 positions, 2 channels"
    assert np.isfinite(np.asarray(second.images[0].get_array())).all()  # a constant channel


def test_feature_maps_of_a_convolution_over_rows_are_one_row(tmp_path: Path) -> None:
    maps = {"convolution 1": np.random.default_rng(0).normal(size=(3, 7, 30))}
    figure = feature_maps(np.zeros((3, 8, 8, 3), np.uint8), maps, CLASSES, title="cnn: feature maps")
    assert figure.axes[1].get_title(loc="left").endswith("7 rows, 30 channels; 24 with the largest variance")
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["channels"]
    save_png(figure, tmp_path / "figure.png")
    with pytest.raises(LineupError, match="expected 1 to 10 images with names, found 3, 2"):
        feature_maps(np.zeros((3, 8, 8), np.uint8), maps, CLASSES[:2], title="cnn")
    with pytest.raises(LineupError, match="found the shapes none"):
        feature_maps(np.zeros((3, 8, 8), np.uint8), {}, CLASSES, title="cnn")


def test_every_class_of_a_latent_space_has_its_name_and_no_names_overlap(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    classes = [f"class {number}" for number in range(10)]
    labels = np.arange(200) % 10
    figure = latent_space(
        {"PCA": random.normal(size=(200, 2)), "t-SNE": random.normal(size=(200, 2)) + 20 * labels[:, None]},
        labels,
        classes,
        title="autoencoder: latent space",
        subtitle="GENERATED DATA",
    )
    save_png(figure, tmp_path / "figure.png")
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == classes
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not [one for one in range(10) for other in range(one) if boxes[one].overlaps(boxes[other])]
    assert "GENERATED DATA" in texts(figure)
    with pytest.raises(LineupError, match=r"expected 200 points in two dimensions, found the shapes \(200, 3\)"):
        latent_space({"PCA": np.zeros((200, 3))}, labels, classes, title="autoencoder")
