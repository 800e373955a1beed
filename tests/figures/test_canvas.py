"""The renderer that draws each text as one image."""

from __future__ import annotations

import warnings
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lineup.figures.canvas import pixels_of, text_width
from lineup.figures.confusion import confusion_matrix
from lineup.figures.save import png_bytes


def darkness(pixels: np.ndarray) -> tuple[float, float, float]:
    """Return the sum of the darkness of all pixels, and its centre."""
    dark = 1 - pixels[..., 0] / 255
    rows, columns = np.indices(dark.shape)
    return float(dark.sum()), float((dark * rows).sum() / dark.sum()), float((dark * columns).sum() / dark.sum())


@pytest.mark.parametrize("look", [{}, {"ha": "right", "va": "top"}, {"ha": "center", "va": "center", "rotation": 40}])
def test_a_text_is_where_matplotlib_draws_it(look: dict[str, object]) -> None:
    figure = Figure(figsize=(3, 2), dpi=110, facecolor="white")
    figure.text(0.52, 0.53, "T-shirt/top: gypsum 0.9", size=8.5, **look)  # type: ignore[arg-type]
    found = darkness(pixels_of(figure))
    canvas = FigureCanvasAgg(figure)
    with mpl.rc_context({"text.hinting": "no_hinting"}):
        canvas.draw()  # type: ignore[no-untyped-call]
    expected = darkness(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    assert found[0] == pytest.approx(expected[0], rel=0.01)
    assert found[1:] == pytest.approx(expected[1:], abs=1.3)


def test_a_text_looks_the_same_each_time() -> None:
    figure = Figure(figsize=(3, 2), dpi=110, facecolor="white")
    figure.text(0.1, 0.5, "drawn the first time, and then from memory \N{CJK UNIFIED IDEOGRAPH-732B}")
    np.testing.assert_array_equal(pixels_of(figure), pixels_of(figure))


def test_a_missing_letter_is_drawn_as_a_box_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert text_width("\N{CJK UNIFIED IDEOGRAPH-732B}", 8) > 0
        figure = confusion_matrix(np.eye(2, dtype=int), ["\N{CJK UNIFIED IDEOGRAPH-732C}", "dog"], title="cnn")
        assert pixels_of(figure).size


def test_a_png_file_has_the_pixels_and_the_resolution() -> None:
    figure = Figure(figsize=(1, 0.5), dpi=110, facecolor="#0072B2")
    image = Image.open(BytesIO(png_bytes(figure)))
    np.testing.assert_array_equal(np.asarray(image), pixels_of(figure)[..., :3])
    assert image.info["dpi"] == pytest.approx((110, 110), abs=0.1)
