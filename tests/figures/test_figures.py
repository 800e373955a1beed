from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from lineup.errors import LineupError
from lineup.evaluation.calibration import ReliabilityBins, reliability_bins
from lineup.evaluation.curves import cutoff_curves, precision_recall, roc, selective_accuracy
from lineup.evaluation.metrics import accuracy_interval
from lineup.evaluation.scores import Scores
from lineup.evaluation.seeds import RecipePair
from lineup.figures import canvas, style
from lineup.figures.balance import class_balance
from lineup.figures.cells import ANGLE
from lineup.figures.class_accuracy import class_accuracies
from lineup.figures.classes import mean_images, sample_grid
from lineup.figures.confusion import confusion_difference, confusion_matrix
from lineup.figures.curves import training_curves
from lineup.figures.cutoff import bottom_of, cutoff_panels
from lineup.figures.leaderboard import leaderboard
from lineup.figures.mistakes import committee_differences, misclassified
from lineup.figures.model_curves import model_curves
from lineup.figures.pairs import significant_pairs
from lineup.figures.panels import PanelGrid, Scale
from lineup.figures.pixels import pixel_histogram
from lineup.figures.reconstructions import reconstructions
from lineup.figures.reliability import reliability_diagram
from lineup.figures.roc import roc_panels
from lineup.figures.save import save_png
from lineup.figures.selective import selective_curves
from lineup.records.compact import PredictedClasses

CLASSES = ("T-shirt/top", "Trouser", "Bag")
COUNTS = np.array([[9, 1, 0], [2, 7, 1], [0, 0, 0]])


def history(phase: str = "classifier", epochs: int = 4, *, rate_changes: bool = False) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    accuracy = np.nan if phase == "autoencoder" else 0.9 - 0.3 / epoch
    return pd.DataFrame(
        {
            "phase": phase,
            "epoch": epoch,
            "loss": 1 / epoch,
            "accuracy": accuracy,
            "val_loss": 0.3 + 0.01 * (epoch - 3) ** 2,
            "val_accuracy": accuracy,
            "learning_rate": 0.001 / epoch if rate_changes else 0.001,
            "seconds": 1.0,
            "timestamp": 0,
        }
    )


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ["forest", "cnn", "vote"],
            "kind": ["classical", "network", "committee"],
            "test_accuracy": [0.87, 0.91, 0.93],
            "test_accuracy_sd": [0.004, 0.002, np.nan],
            "low": [0.86, 0.90, 0.92],
            "high": [0.88, 0.92, 0.94],
            "published": [0.86, 0.915, np.nan],
            "published_to": [0.89, np.nan, np.nan],
        }
    )


def images(n: int = 3) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)


# Bins of 6, 10 and 4 images; the middle one is overconfident by 0.2.
BINS = ReliabilityBins(np.array([0.5, 0.8, 0.95]), np.array([0.5, 0.6, 1.0]), np.array([6, 10, 4]))

# The last class has no images, so that it has no ROC, no precision-recall curve and no recall.
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.4, 0.5, 0.1]])
LABELS = np.array([0, 0, 1, 1, 1])
FOUND = PredictedClasses.of(Scores(np.arange(5), LABELS, PROBABILITIES))
RIGHT = PredictedClasses.of(Scores(np.arange(5), LABELS, np.eye(3)[LABELS]))
"""The first model is wrong on one image, and the second one on none."""


ACCURACIES = {"forest": 0.87, "cnn": 0.91, "vote": 0.93}
# The forest is significantly worse than the vote, and worse than the cnn by the uncorrected test only.
PAIRS = [
    RecipePair("forest", "cnn", -0.04, 0.02, 0.0, np.inf, p=0.04, p_holm=0.08),
    RecipePair("vote", "forest", 0.06, 0.02, 0.0, np.inf, p=0.001, p_holm=0.003),
    RecipePair("cnn", "vote", -0.02, 0.02, 0.0, np.inf, p=0.3, p_holm=0.3),
]

DRAWINGS: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: confusion_matrix(COUNTS, CLASSES, title="cnn", subtitle="synthetic data"),
    "curves": lambda: training_curves(history(rate_changes=True), title="cnn", subtitle="synthetic data"),
    "reconstructions": lambda: reconstructions(images(), images() / 255, title="cnn", subtitle="synthetic data"),
    "leaderboard": lambda: leaderboard(table(), title="cnn", subtitle="synthetic data"),
    "pairs": lambda: significant_pairs(ACCURACIES, PAIRS, title="cnn", subtitle="synthetic data"),
    "reliability": lambda: reliability_diagram(BINS, error=0.11, title="cnn", subtitle="synthetic data"),
    "selective": lambda: selective_curves(
        {"forest": selective_accuracy(PROBABILITIES, LABELS)}, title="cnn", subtitle="synthetic data"
    ),
    "cutoff": lambda: cutoff_panels(
        cutoff_curves(PROBABILITIES, LABELS, np.linspace(0, 1, 21)), CLASSES, title="cnn", subtitle="synthetic data"
    ),
    "roc": lambda: roc_panels(
        roc(PROBABILITIES, LABELS),
        precision_recall(PROBABILITIES, LABELS),
        CLASSES,
        title="cnn",
        subtitle="synthetic data",
    ),
    "samples": lambda: sample_grid(images(5), LABELS, CLASSES, title="cnn", subtitle="synthetic data"),
    "means": lambda: mean_images(images(5), LABELS, CLASSES, title="cnn", subtitle="synthetic data"),
    "balance": lambda: class_balance(
        {"training": COUNTS[0], "test": COUNTS[1]}, CLASSES, title="cnn", subtitle="synthetic data"
    ),
    "pixels": lambda: pixel_histogram(images(), title="cnn", subtitle="synthetic data"),
    "difference": lambda: confusion_difference(
        COUNTS, np.diag([10, 10, 0]), CLASSES, title="cnn", subtitle="synthetic data"
    ),
    "class accuracies": lambda: class_accuracies({"cnn": COUNTS}, CLASSES, title="cnn", subtitle="synthetic data"),
    "model curves": lambda: model_curves(
        {"one": history(), "other": history()}, title="cnn", subtitle="synthetic data"
    ),
    "mistakes": lambda: misclassified(images(5), FOUND, CLASSES, title="cnn", subtitle="synthetic data"),
    "differences": lambda: committee_differences(
        images(5), FOUND, RIGHT, CLASSES, name="one", title="cnn", subtitle="synthetic data"
    ),
}


def texts(figure: Figure) -> list[str]:
    """Return all text in a figure."""
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    return [text for text in found if text]


def cells(axes: Axes) -> list[Text]:
    """Return the texts in the cells of a matrix, without the column on the right."""
    return [text for text in axes.texts if text.get_transform() == axes.transData]


def colours_of(axes: Axes) -> QuadMesh:
    """Return the coloured cells of a matrix."""
    (found,) = axes.findobj(QuadMesh)
    assert isinstance(found, QuadMesh)
    return found


def names_of_columns(axes: Axes) -> list[str]:
    """Return the inclined texts below a matrix."""
    return [text.get_text() for text in axes.texts if text.get_rotation() == ANGLE]


def names_of_rows(axes: Axes) -> list[str]:
    """Return the texts on the left of a matrix."""
    return [text.get_text() for text in axes.texts if text.get_verticalalignment() == "center_baseline"]


@pytest.mark.parametrize("name", DRAWINGS)
def test_same_data_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for file in ("a.png", "b.png"):
        save_png(DRAWINGS[name](), tmp_path / "new" / file)
    first, second = ((tmp_path / "new" / file).read_bytes() for file in ("a.png", "b.png"))
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert b"matplotlib" not in first
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("name", DRAWINGS)
def test_title_and_subtitle_are_inside_the_figure(name: str) -> None:
    figure = DRAWINGS[name]()
    assert {"cnn", "synthetic data"} <= set(texts(figure))
    width, height = figure.bbox.size
    for text in figure.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_header_does_not_overlap_the_axes(name: str) -> None:
    figure = DRAWINGS[name]()
    figure.draw_without_rendering()
    below = min(text.get_window_extent().y0 for text in figure.texts if text.get_text() in {"cnn", "synthetic data"})
    assert all(axes.get_tightbbox().y1 <= below for axes in figure.axes)  # type: ignore[union-attr]


def test_confusion_matrix_shows_classes_counts_and_recall() -> None:
    figure = confusion_matrix(COUNTS, CLASSES, title="cnn")
    (axes,) = figure.axes
    assert [text.get_text() for text in cells(axes)] == ["9", "1", "2", "7", "1"]
    assert names_of_columns(axes) == names_of_rows(axes) == list(CLASSES)
    assert {"0.900", "0.700", "\N{EN DASH}"} <= set(texts(figure))


def test_confusion_matrix_has_white_text_on_dark_cells() -> None:
    (axes,) = confusion_matrix(COUNTS, CLASSES, title="cnn").axes
    assert axes.texts[0].get_color() == "white"
    assert axes.texts[1].get_color() != "white"


def test_confusion_matrix_must_match_the_classes() -> None:
    with pytest.raises(LineupError, match=r"expected counts of shape \(2, 2\), found \(3, 3\)"):
        confusion_matrix(COUNTS, CLASSES[:2], title="cnn")


def test_curves_have_a_panel_for_loss_and_one_for_accuracy() -> None:
    figure = training_curves(history(), title="cnn")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    assert "best: 0.3000, epoch 3" in texts(figure)
    assert "best: 0.8250, epoch 4" in texts(figure)


def test_curves_show_a_learning_rate_only_if_it_changes() -> None:
    figure = training_curves(history(rate_changes=True), title="cnn")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]


def test_curves_of_two_phases() -> None:
    # The index repeats, as after pandas.concat, and the best epoch is still of its own phase.
    both = pd.concat([history("autoencoder", 6), history(rate_changes=True)])
    figure = training_curves(both, title="autoencoder")
    assert [axes.get_title() for axes in figure.axes] == [
        "autoencoder: reconstruction loss",
        "classifier: loss",
        "classifier: accuracy",
        "learning rate",
    ]
    assert [text for text in texts(figure) if text.startswith("best")] == [
        "best: 0.3000, epoch 3",
        "best: 0.3000, epoch 3",
        "best: 0.8250, epoch 4",
    ]


def test_curves_of_one_epoch_and_without_validation() -> None:
    short = history(epochs=1).assign(val_loss=np.nan, val_accuracy=np.nan)
    figure = training_curves(short, title="cnn")
    assert not any("best" in text for text in texts(figure))
    assert "validation" not in texts(figure)


def test_curves_of_a_rate_that_ends_at_zero() -> None:
    figure = training_curves(history().assign(learning_rate=[0.3, 0.2, 0.1, 0.0]), title="cnn")
    assert figure.axes[2].get_yscale() == "linear"


def test_curves_need_their_columns_and_rows() -> None:
    with pytest.raises(LineupError, match="no column val_loss, learning_rate"):
        training_curves(history().drop(columns=["val_loss", "learning_rate"]), title="cnn")
    with pytest.raises(LineupError, match="no rows"):
        training_curves(history().head(0), title="cnn")


def test_reconstructions_are_below_the_originals_with_their_error() -> None:
    originals = images(2)
    figure = reconstructions(originals, np.stack([originals[0] / 255, np.zeros((28, 28))]), title="autoencoder")
    assert len(figure.axes) == 4
    error = np.mean((originals[1] / 255) ** 2)
    assert {"original", "reconstructed", "0.0000", f"{error:.4f}"} <= set(texts(figure))


def test_reconstructions_need_pairs() -> None:
    with pytest.raises(LineupError, match="expected pairs of images"):
        reconstructions(images(2), images(3) / 255, title="autoencoder")


def test_leaderboard_is_sorted_and_distinguishes_kinds() -> None:
    figure = leaderboard(table())
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["vote", "cnn", "forest"]
    lines = lines_by_label(axes)
    assert set(lines) == {"classical", "network", "committee", "published"}
    assert len({str(line.get_color()) for name, line in lines.items() if name != "published"}) == 3
    assert lines["published"].get_markerfacecolor() == "none"
    assert {"0.9300", "0.9100", "0.8700"} <= set(texts(figure))


def test_leaderboard_shows_both_ends_of_a_range_and_the_spread_of_seeds() -> None:
    (axes,) = leaderboard(table()).axes
    rings = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert rings == [[0.915, 0.86], [0.915, 0.89]]
    lines = [segment[:, 0].tolist() for bars in axes.collections for segment in bars.get_segments()]  # type: ignore[attr-defined]
    assert pytest.approx([0.866, 0.874]) in lines  # the seeds of the forest
    assert pytest.approx([0.86, 0.88]) in lines  # its interval
    assert [0.86, 0.89] in lines  # and what was published of it


def test_leaderboard_without_a_published_accuracy() -> None:
    figure = leaderboard(table().assign(published=np.nan, published_to=np.nan))
    assert "published" not in texts(figure)


def test_leaderboard_refuses_incomplete_tables() -> None:
    with pytest.raises(LineupError, match="no column low, high"):
        leaderboard(table().drop(columns=["low", "high"]))
    with pytest.raises(LineupError, match="no rows"):
        leaderboard(table().head(0))
    with pytest.raises(LineupError, match="unknown kind jury; expected network, classical, committee"):
        leaderboard(table().assign(kind="jury"))


def test_pairs_show_significant_differences() -> None:
    figure = significant_pairs(ACCURACIES, PAIRS, title="cnn")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["vote", "cnn", "forest"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["vote  0.9300", "cnn  0.9100", "forest  0.8700"]
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0, 0, 2], [0, 0, 1], [-2, -1, 0]]
    assert {"row is better", "no significant difference", "row is worse"} <= set(texts(figure))


def test_pairs_of_one_model_and_of_unknown_models() -> None:
    assert significant_pairs({"cnn": 0.9}, [], title="cnn").axes
    with pytest.raises(LineupError, match="pairs: there are no models"):
        significant_pairs({}, [], title="cnn")
    with pytest.raises(LineupError, match="pairs: no accuracy for forest; expected one of vote, cnn"):
        significant_pairs({"cnn": 0.91, "vote": 0.93}, PAIRS, title="cnn")


def lines_by_label(axes: Axes) -> dict[str, Line2D]:
    """Return the lines of axes that have a label."""
    return {str(line.get_label()): line for line in axes.lines if not str(line.get_label()).startswith("_")}


def test_reliability_shows_bins_intervals_and_images() -> None:
    figure = reliability_diagram(BINS, error=0.11, title="cnn")
    above, below = figure.axes
    assert "distance: 0.1100 on average (ECE, 3 bins)" in texts(figure)
    points = lines_by_label(above)["accuracy, with 95 % interval"]
    assert np.asarray(points.get_xydata()).tolist() == [[0.5, 0.5], [0.8, 0.6], [0.95, 1.0]]
    distances, intervals = (drawn.get_segments() for drawn in above.collections[:2])  # type: ignore[attr-defined]
    assert distances[1].tolist() == [[0.8, 0.6], [0.8, 0.8]]
    assert [tuple(segment[:, 1]) for segment in intervals] == [
        pytest.approx(accuracy_interval(*counts)) for counts in ((3, 6), (6, 10), (4, 4))
    ]
    stems, *_ = below.collections
    assert [segment[1, 1] for segment in stems.get_segments()] == [6, 10, 4]  # type: ignore[attr-defined]
    low, high = above.get_ylim()
    assert low < min(accuracy_interval(3, 6)[0], accuracy_interval(6, 10)[0])
    assert high > 1


def test_reliability_of_one_bin_and_of_none() -> None:
    bins = reliability_bins(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 0]))
    assert "calibrated" in texts(reliability_diagram(bins, error=0.0, title="cnn"))
    empty = ReliabilityBins(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
    with pytest.raises(LineupError, match="reliability diagram: there are no bins"):
        reliability_diagram(empty, error=0.0, title="cnn")


def test_selective_curves_start_at_five_per_cent() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 400)
    right = (rng.uniform(size=400) > sure).astype(int)
    curve = selective_accuracy(np.stack([sure, 1 - sure], axis=1), right)
    figure = selective_curves({"cnn": curve, "forest": curve}, title="cnn")
    (axes,) = figure.axes
    lines = lines_by_label(axes)
    assert list(lines) == [f"{name}: {curve.accuracy[-1]:.4f} on all images" for name in ("cnn", "forest")]
    line = next(iter(lines.values()))
    shares = np.asarray(line.get_xdata())
    assert shares[0] == pytest.approx(0.05)
    assert shares[-1] == 1
    low, high = axes.get_ylim()
    values = np.asarray(line.get_ydata())
    assert low < values.min() <= values.max() < high
    with pytest.raises(LineupError, match="selective accuracy: there are no curves"):
        selective_curves({}, title="cnn")


def test_selective_curve_without_a_mistake() -> None:
    curve = selective_accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
    (axes,) = selective_curves({"cnn": curve}, title="cnn").axes
    low, high = axes.get_ylim()
    assert low < 1 < high


def panels_of(axes: Axes) -> list[list[np.ndarray]]:
    """Return the points of the lines of each panel, from 0 to 1 between the two ends of its axes."""
    found: dict[tuple[float, ...], list[np.ndarray]] = {}
    for line in axes.lines:
        box = line.get_clip_box()
        assert box is not None
        points = (axes.transData.transform(line.get_xydata()) - box.min) / box.size
        found.setdefault(box.bounds, []).append(points)
    return list(found.values())


def headings_of(axes: Axes) -> list[str]:
    """Return the headings, which are above the panels."""
    return [text.get_text() for text in axes.texts if text.get_verticalalignment() == "baseline"]


def test_cutoff_panels_show_each_class_and_their_mean() -> None:
    curves = cutoff_curves(PROBABILITIES, LABELS, np.linspace(0, 1, 21))
    figure = cutoff_panels(curves, CLASSES, title="cnn")
    (axes,) = figure.axes
    assert headings_of(axes) == [*CLASSES, "mean of the classes"]
    measures = (curves.accuracy, curves.precision, curves.recall)
    means = (curves.macro_accuracy, curves.macro_precision, curves.macro_recall)
    expected = [*zip(*measures, strict=True), means]
    bottom = -0.06  # the recall of Trouser is 0 at threshold 0.95
    for lines, values in zip(panels_of(axes), expected, strict=True):
        for line, ys in zip(lines, values, strict=True):
            points = np.stack([curves.thresholds, (ys - bottom) / (1.01 - bottom)], axis=1)
            points[np.isnan(ys)] = np.nan  # no image has so much confidence, so there is no precision
            np.testing.assert_allclose(line, points, atol=1e-9)
    looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines[:3]]
    assert len({colour for colour, _ in looks}) == len({dashes for _, dashes in looks}) == 3
    assert texts(figure).count("precision") == 1  # one legend for all panels
    with pytest.raises(LineupError, match="cutoff curves: expected 2 classes, found 3 curves"):
        cutoff_panels(curves, CLASSES[:2], title="cnn")


def test_cutoff_panels_start_at_the_lowest_value_between_the_ends() -> None:
    # With full confidence in every image, the accuracy is 1 except at threshold 0.
    thresholds = np.linspace(0, 1, 21)
    assert 0.9 < bottom_of(thresholds, cutoff_curves(np.eye(3), np.arange(3), thresholds).accuracy) < 1
    assert bottom_of(thresholds[::20], cutoff_curves(np.eye(3), np.arange(3), [0.0, 1.0]).accuracy) == 0
    assert bottom_of(thresholds, cutoff_curves(PROBABILITIES, LABELS, thresholds).recall) == pytest.approx(-0.06)


def test_roc_panels_give_areas_and_leave_out_a_class_without_images() -> None:
    above, below = roc(PROBABILITIES, LABELS), precision_recall(PROBABILITIES, LABELS)
    figure = roc_panels(above, below, CLASSES, title="cnn")
    for axes, curves, area in zip(figure.axes, (above, below), ("AUC", "AP"), strict=True):
        headings = [f"{name}: {area} {curve.area:.4f}" for name, curve in zip(CLASSES, curves.curves, strict=True)]
        assert headings_of(axes) == [*headings[:2], f"Bag: {area}"]
    means = f"mean AUC {above.macro:.4f}, mean average precision (AP) {below.macro:.4f}"
    assert any(text.startswith(means) for text in texts(figure))
    assert texts(figure).count("no test images") == 2
    with pytest.raises(LineupError, match="ROC: expected 2 classes, found 3 curves"):
        roc_panels(above, below, CLASSES[:2], title="cnn")


def test_roc_has_a_square_root_scale_and_a_curve_of_chance() -> None:
    curves, precisions = roc(PROBABILITIES, LABELS), precision_recall(PROBABILITIES, LABELS)
    above, below = roc_panels(curves, precisions, CLASSES, title="cnn").axes
    first, second, empty = panels_of(above)
    for lines, curve in zip((first, second), curves.curves, strict=False):
        np.testing.assert_allclose(lines[0], np.stack([np.sqrt(curve.x), curve.y / 1.02], axis=1), atol=1e-9)
    for lines in (first, second, empty):
        np.testing.assert_allclose(lines[-1][:, 0] ** 2, lines[-1][:, 1] * 1.02, atol=1e-9)
    assert len(empty) == 1
    for (line,), curve in zip(panels_of(below), precisions.curves, strict=False):
        np.testing.assert_allclose(line, np.stack([curve.x, curve.y / 1.02], axis=1), atol=1e-9)


def test_only_the_outer_panels_have_labels() -> None:
    figure = Figure(figsize=(6, 5))
    scale = Scale("share", 0, 1, {0: "low", 1: "high"})
    axes = PanelGrid(figure, 5, columns=3, bottom=1.0, x=scale, y=scale).axes
    labels = [text.get_text() for text in axes.texts]
    # Two rows on the left; the lowest panels of three columns.
    assert labels.count("share") == labels.count("low") == labels.count("high") == 2 + 3


def test_of_many_classes_the_first_twenty_are_shown() -> None:
    names = [f"class {number}" for number in range(23)]
    scores, labels = np.random.default_rng(0).dirichlet(np.ones(23), 46), np.arange(46) % 23
    figure = roc_panels(roc(scores, labels), precision_recall(scores, labels), names, title="cnn")
    assert [len(panels_of(axes)) for axes in figure.axes] == [20, 20]
    assert any("the first 20 of 23 classes" in text for text in texts(figure))
    figure = cutoff_panels(cutoff_curves(scores, labels, [0.0, 0.5]), names, title="cnn")
    assert len(panels_of(figure.axes[0])) == 21
    assert "the first 20 of 23 classes" in texts(figure)


def test_the_first_lines_look_different() -> None:
    styles = style.line_styles(24)
    assert len(set(styles)) == 24
    assert style.line_styles(30)[24:] == styles[:6]
    # Black is for the mean.
    assert style.INK not in {colour for colour, _ in styles}


def test_dollar_signs_are_not_read_as_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = style.new_figure(3, 2, title=r"from $\frac$ to $9")
    axes = figure.subplots()
    axes.plot([1, 2], [1, 1000])
    axes.set_yscale("log")
    axes.set_xticks([1, 2], [r"$\x$", "$$"])
    pixels = canvas.pixels_of(figure)  # an invalid formula would be an error
    monkeypatch.setattr(canvas, "FORMULA", "no formula")
    assert not np.array_equal(canvas.pixels_of(figure), pixels)  # the labels of the logarithmic axis are formulas
