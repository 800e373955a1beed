"""The figure of predictions has a row for each picture, with the prediction as text."""

from __future__ import annotations

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.figures import style
from lineup.figures.predictions import MOST, ShownPicture, predictions


def shown(name: str, warning: str = "", channels: tuple[int, ...] = ()) -> ShownPicture:
    picture, image = np.zeros((30, 40, 4), np.uint8), np.full((8, 8, *channels), 90, np.uint8)
    top = [("T-shirt/top", 0.9997), ("Shirt", 0.25), ("Coat", 0.00001)]
    return ShownPicture(name, picture, image, top, "2 of 3 members agree", warning)


def test_each_row_shows_the_picture_the_image_and_the_answer() -> None:
    figure = predictions([shown("a.png"), shown("b.jpg", "not sure", (3,))], title="cnn", subtitle="GENERATED DATA")
    first, seen, answer, second, _, warned = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["a.png", "b.jpg"]
    assert np.array_equal(np.asarray(seen.images[0].get_array()), shown("").image)
    assert [text.get_text() for text in answer.texts] == ["T-shirt/top >0.999", "Shirt 0.250", "Coat <0.001"]
    assert answer.get_title(loc="left") == "T-shirt/top"
    assert answer.get_xlabel() == "2 of 3 members agree"
    assert warned.get_title(loc="left") == "not sure"
    assert warned.title.get_text() == ""
    assert warned._left_title.get_color() == style.VERMILLION  # type: ignore[attr-defined]
    assert [text.get_text() for text in figure.texts] == ["cnn", "GENERATED DATA"]


def test_long_lists_and_names_are_cut() -> None:
    figure = predictions([shown(f"{'long' * 20}.png")] * (MOST + 5), title="cnn")
    assert len(figure.axes) == 3 * MOST
    assert len(figure.axes[0].get_title(loc="left")) <= 22


def test_no_pictures_are_an_error() -> None:
    with pytest.raises(LineupError, match="predictions: expected at least one picture"):
        predictions([], title="cnn")
