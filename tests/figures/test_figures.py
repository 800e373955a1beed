from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lineup.errors import LineupError
from lineup.figures.confusion import confusion_matrix
from lineup.figures.curves import training_curves
from lineup.figures.leaderboard import leaderboard
from lineup.figures.reconstructions import reconstructions
from lineup.figures.save import save_png

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
            "low": [0.86, 0.90, 0.92],
            "high": [0.88, 0.92, 0.94],
            "published": [np.nan, 0.915, np.nan],
        }
    )


def images(n: int = 3) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28), dtype=np.uint8)


DRAWINGS: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: confusion_matrix(COUNTS, CLASSES, title="cnn", subtitle="synthetic data"),
    "curves": lambda: training_curves(history(rate_changes=True), title="cnn", subtitle="synthetic data"),
    "reconstructions": lambda: reconstructions(images(), images() / 255, title="cnn", subtitle="synthetic data"),
    "leaderboard": lambda: leaderboard(table(), title="cnn", subtitle="synthetic data"),
}


def texts(figure: Figure) -> list[str]:
    """All that is written in a figure, once it is drawn."""
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    return [text for text in found if text]


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
def test_title_and_subtitle_stand_inside_the_figure(name: str) -> None:
    figure = DRAWINGS[name]()
    assert {"cnn", "synthetic data"} <= set(texts(figure))
    width, height = figure.bbox.size
    for text in figure.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height


@pytest.mark.parametrize("name", DRAWINGS)
def test_header_stands_clear_of_the_axes(name: str) -> None:
    figure = DRAWINGS[name]()
    figure.draw_without_rendering()
    below = min(text.get_window_extent().y0 for text in figure.texts if text.get_text() in {"cnn", "synthetic data"})
    assert all(axes.get_tightbbox().y1 <= below for axes in figure.axes)  # type: ignore[union-attr]


def test_confusion_matrix_shows_classes_counts_and_recall() -> None:
    figure = confusion_matrix(COUNTS, CLASSES, title="cnn")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["9", "1", "2", "7", "1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    assert {"0.900", "0.700", "\N{EN DASH}"} <= set(texts(figure))


def test_confusion_matrix_writes_light_on_dark() -> None:
    (axes,) = confusion_matrix(COUNTS, CLASSES, title="cnn").axes
    assert axes.texts[0].get_color() == "white"
    assert axes.texts[1].get_color() != "white"


def test_confusion_matrix_must_fit_the_classes() -> None:
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


def test_reconstructions_stand_below_the_originals_with_their_error() -> None:
    originals = images(2)
    figure = reconstructions(originals, np.stack([originals[0] / 255, np.zeros((28, 28))]), title="autoencoder")
    assert len(figure.axes) == 4
    error = np.mean((originals[1] / 255) ** 2)
    assert {"original", "reconstructed", "0.0000", f"{error:.4f}"} <= set(texts(figure))


def test_reconstructions_need_pairs() -> None:
    with pytest.raises(LineupError, match="expected pairs of images"):
        reconstructions(images(2), images(3) / 255, title="autoencoder")


def test_leaderboard_is_sorted_and_tells_committees_apart() -> None:
    figure = leaderboard(table())
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["vote", "cnn", "forest"]
    lines = {str(line.get_label()): line for line in axes.lines}
    assert set(lines) == {"classical", "network", "committee", "published"}
    assert len({str(line.get_color()) for name, line in lines.items() if name != "published"}) == 3
    assert lines["published"].get_markerfacecolor() == "none"
    assert {"0.9300", "0.9100", "0.8700"} <= set(texts(figure))


def test_leaderboard_without_a_published_accuracy() -> None:
    figure = leaderboard(table().assign(published=np.nan))
    assert "published" not in texts(figure)


def test_leaderboard_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(LineupError, match="no column low, high"):
        leaderboard(table().drop(columns=["low", "high"]))
    with pytest.raises(LineupError, match="no rows"):
        leaderboard(table().head(0))
    with pytest.raises(LineupError, match="unknown kind jury; expected network, classical, committee"):
        leaderboard(table().assign(kind="jury"))
