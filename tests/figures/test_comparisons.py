"""The figures that compare several models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from lineup.errors import LineupError
from lineup.figures.class_accuracy import class_accuracies
from lineup.figures.confusion import confusion_difference
from lineup.figures.groups import group_panels
from lineup.figures.model_curves import MOST, model_curves

from .test_figures import CLASSES, COUNTS, cells, colours_of, history, names_of_columns, names_of_rows, texts

OTHER = np.array([[8, 1, 1], [2, 8, 0], [0, 0, 0]])
"""A confusion matrix of the same images as `COUNTS`."""


def test_curves_of_models_have_the_same_line_in_each_panel() -> None:
    histories = {"cnn": history(), "forest": history().assign(loss=2.0)}
    figure = model_curves(histories, title="curves")
    above, below = figure.axes[:2], figure.axes[2:]
    assert [axes.get_title() for axes in above] == ["loss", "accuracy"]
    assert [axes.get_ylabel() for axes in (above[0], below[0])] == ["training images", "validation images"]
    columns = (["loss", "accuracy"], ["val_loss", "val_accuracy"])
    for row, names in zip((above, below), columns, strict=True):
        for axes, column in zip(row, names, strict=True):
            for line, rows in zip(axes.lines, histories.values(), strict=True):
                assert np.asarray(line.get_xdata()).tolist() == [1, 2, 3, 4]
                np.testing.assert_array_equal(line.get_ydata(), rows[column])
    colours = {tuple(str(line.get_color()) for line in axes.lines) for axes in figure.axes}
    assert len(colours) == 1
    assert len(set(colours.pop())) == 2
    assert {f"{name}: best validation accuracy 0.8250, epoch 4" for name in histories} <= set(texts(figure))


def test_training_and_validation_have_the_same_scale() -> None:
    figure = model_curves({"cnn": history().assign(loss=[9.0, 3.0, 2.0, 1.0])}, title="curves")
    assert figure.axes[0].get_ylim() == figure.axes[2].get_ylim()


def test_curves_of_models_leave_out_reconstruction_and_number_the_other_epochs() -> None:
    phases = [history("autoencoder", 6), history("classifier", 3), history("finetuning", 2)]
    figure = model_curves({"encoder": pd.concat(phases)}, title="curves")
    (line,) = figure.axes[0].lines
    assert np.asarray(line.get_xdata()).tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(line.get_ydata(), pd.concat(phases[1:])["loss"])


def test_curves_of_a_model_without_validation() -> None:
    figure = model_curves({"cnn": history().assign(val_loss=np.nan, val_accuracy=np.nan)}, title="curves")
    assert "cnn" in texts(figure)


def test_curves_need_models_with_epochs() -> None:
    with pytest.raises(LineupError, match="curves: forest has no epochs with an accuracy"):
        model_curves({"cnn": history(), "forest": history().head(0)}, title="curves")
    with pytest.raises(LineupError, match="curves: expected 1 to 24 models, found 0"):
        model_curves({}, title="curves")
    with pytest.raises(LineupError, match="found 25"):
        model_curves({f"cnn_{number}": history() for number in range(MOST + 1)}, title="curves")


def test_difference_of_confusion_matrices_has_signs_colours_and_recalls() -> None:
    figure = confusion_difference(COUNTS, OTHER, CLASSES, title="difference")
    axes = figure.axes[0]
    colours = colours_of(axes)
    shown = np.asarray(colours.get_array())
    np.testing.assert_array_equal(shown, COUNTS - OTHER)
    low, high = colours.get_clim()
    assert low == -high == -1
    places = {tuple(np.round(text.get_position()).astype(int)[::-1]): text.get_text() for text in cells(axes)}
    assert places == {(0, 0): "+1", (0, 2): "−1", (1, 1): "−1", (1, 2): "+1"}  # noqa: RUF001
    more, fewer, none = colours.to_rgba(np.array([1, -1, 0]))
    assert none[:3].tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert more[2] > more[0]  # blue
    assert fewer[0] > fewer[2]  # vermillion
    frames = [frame.get_xy() for frame in axes.patches if isinstance(frame, Rectangle)]
    assert frames == [(number - 0.5, number - 0.5) for number in range(3)]
    assert {"+0.100", "−0.100", "–", "difference\nin recall"} <= set(texts(figure))  # noqa: RUF001


def test_difference_of_equal_matrices_is_empty() -> None:
    axes = confusion_difference(COUNTS, COUNTS, CLASSES, title="difference").axes[0]
    assert not cells(axes)


def test_difference_needs_the_same_images() -> None:
    with pytest.raises(LineupError, match="expected the same test images, found different numbers per class"):
        confusion_difference(COUNTS, 2 * COUNTS, CLASSES, title="difference")
    with pytest.raises(LineupError, match=r"expected counts of shape \(3, 3\), found \(2, 2\)"):
        confusion_difference(COUNTS, COUNTS[:2, :2], CLASSES, title="difference")


def test_accuracy_on_each_class_is_the_recall_and_the_best_model_comes_first() -> None:
    figure = class_accuracies({"cnn": OTHER - np.diag([1, 0, 0]), "vote": COUNTS}, CLASSES, title="classes")
    axes = figure.axes[0]
    assert names_of_rows(axes) == ["vote", "cnn"]
    assert names_of_columns(axes) == list(CLASSES)
    colours = colours_of(axes)
    shown = colours.get_array()
    assert isinstance(shown, np.ma.MaskedArray)
    assert shown[:, :2].tolist() == [[0.9, 0.7], [pytest.approx(7 / 9), 0.8]]
    assert np.ma.getmaskarray(shown)[:, 2].all()  # a class without images
    assert [text.get_text() for text in cells(axes)] == ["0.900", "0.700", "0.778", "0.800"]
    assert {"0.8000", f"{15 / 19:.4f}", "all images"} <= set(texts(figure))
    assert colours.get_clim() == (0.7, 1)


def test_accuracy_on_each_class_needs_models_and_matching_counts() -> None:
    with pytest.raises(LineupError, match="there are no models or no classes"):
        class_accuracies({}, CLASSES, title="classes")
    with pytest.raises(LineupError, match=r"cnn: expected counts of shape \(3, 3\), found \(2, 2\)"):
        class_accuracies({"cnn": COUNTS[:2, :2]}, CLASSES, title="classes")


def test_groups_have_a_marker_for_each_model() -> None:
    row = {"model": "cnn", "group": "CPU", "test_accuracy": 0.91, "low": 0.9, "high": 0.92, "speed": 5e3}
    table = pd.DataFrame([row, row | {"group": "GPU", "speed": np.nan}, row | {"model": "forest", "speed": 2e4}])
    accuracy, speed = group_panels(table, title="By device").axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["cnn", "forest"]
    assert [len(np.asarray(line.get_xdata())) for line in accuracy.lines] == [2, 1]
    assert speed.get_xlim() == (1e3, 1e5)
    places = [float(place) for line in accuracy.lines for place in np.asarray(line.get_ydata())]
    assert len(set(places)) == 3


def test_groups_need_a_complete_table() -> None:
    table = pd.DataFrame([{"model": "cnn", "group": str(number)} for number in range(7)])
    with pytest.raises(LineupError, match="groups: expected a table with rows and the columns model, group"):
        group_panels(table, title="By device")
    with pytest.raises(LineupError, match="groups: expected at most 6 groups, found 7"):
        group_panels(table.assign(test_accuracy=0.9, low=0.8, high=1.0, speed=1.0), title="By device")
