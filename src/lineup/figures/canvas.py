"""Draw figures with a renderer that draws text quickly.

matplotlib places each letter of a text separately, which takes half of the time to draw a figure. Here, each text is
one small image. Most texts, such as the names of classes and axes, occur in many figures. The images of the most recent
texts are therefore kept.

Examples
--------
>>> from matplotlib.figure import Figure
>>> figure = Figure(figsize=(2, 1), dpi=100)
>>> pixels_of(figure).shape
(100, 200, 4)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from lineup.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

KEPT = 2048
"""Number of texts whose images are kept. An image takes about 2 kB."""
FORMULA = r"$\mathdefault"
"""Start of the labels that matplotlib creates for logarithmic axes. All other dollar signs are shown as text."""


def pixels_of(figure: Figure) -> NDArray[np.uint8]:
    """Draw a figure, and return its pixels (red, green, blue and opacity). The layout is computed once.

    The function does not align letters to whole pixels (hinting). At the resolution of the figures, this makes no
    visible difference.
    """
    canvas = _Canvas(figure)
    with mpl.rc_context({"text.hinting": "no_hinting"}), _no_warnings_of_missing_letters():
        if (engine := figure.get_layout_engine()) is not None:
            # matplotlib would draw the whole figure once more to compute the layout. The file is the same.
            engine.execute(figure)
            figure.set_layout_engine("none")
        figure.draw(canvas.get_renderer())
    return np.asarray(canvas.get_renderer().buffer_rgba())


def text_width(text: str, size: float) -> float:
    r"""Return the width of the longest line of a text in inches. The text has the same font as the figures.

    Examples
    --------
    >>> text_width("coat", 10) < text_width("a coat", 10) == text_width("a coat\nor", 10)
    True
    """
    font = FontProperties(family=style.FONT, size=size)
    return max(_text_image(line, font.copy(), style.DPI).width for line in text.split("\n")) / style.DPI


class _TextImage(NamedTuple):
    """A horizontal text, drawn in black.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width)
        Opacity of each pixel.
    left : float
        Distance from the start of the text to the left edge of the image, in pixels.
    width, height, descent : float
        Size of the text in pixels, and the part of the height below the baseline.
    """

    pixels: NDArray[np.uint8]
    left: float
    width: float
    height: float
    descent: float


class _Renderer(RendererAgg):
    """Renderer that draws each horizontal text as one image."""

    def draw_text(  # type: ignore[no-untyped-def]
        self, gc, x, y, s, prop, angle, ismath=False, mtext=None
    ) -> None:
        ismath = _is_formula(s, ismath)
        if ismath or angle:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            return
        image = _text_image(s, prop.copy(), self.dpi)
        left, bottom = round(x + image.left), round(y + image.descent) + 1
        self._renderer.draw_text_image(image.pixels, left, bottom, 0, gc)

    def get_text_width_height_descent(  # type: ignore[no-untyped-def]
        self, s, prop, ismath
    ) -> tuple[float, float, float]:
        if _is_formula(s, ismath):
            size: tuple[float, float, float] = super().get_text_width_height_descent(  # type: ignore[no-untyped-call]
                s, prop, ismath
            )
            return size
        image = _text_image(s, prop.copy(), self.dpi)
        return image.width, image.height, image.descent

    def _get_font_height_metrics(  # type: ignore[no-untyped-def]
        self, prop
    ) -> tuple[float, float, float]:
        # matplotlib calls this method if a renderer has it. Otherwise it reads the font again for each text.
        return _font_height(prop.copy(), self.dpi)


def _is_formula(text: str, ismath: bool | str) -> bool:
    """Return whether a text is a formula. For matplotlib, any text between two dollar signs is one."""
    return bool(ismath) and text.startswith(FORMULA)


class _Canvas(FigureCanvasAgg):
    """A canvas with this renderer."""

    def get_renderer(self) -> Any:
        if not isinstance(getattr(self, "renderer", None), _Renderer):
            width, height = self.get_width_height(physical=True)
            self.renderer = _Renderer(width, height, self.figure.dpi)  # type: ignore[no-untyped-call]
        return self.renderer


@lru_cache(KEPT)
def _text_image(text: str, properties: FontProperties, dpi: float) -> _TextImage:
    """Draw a text. The cache uses ``properties`` as a key. The caller must therefore pass a copy."""
    renderer = _Renderer(1, 1, dpi)  # type: ignore[no-untyped-call]
    font = renderer._prepare_font(properties)  # type: ignore[no-untyped-call]
    with _no_warnings_of_missing_letters():
        font.set_text(text, 0.0, flags=LoadFlags.NO_HINTING)
    font.draw_glyphs_to_bitmap(antialiased=True)
    width, height = (size / 64 for size in font.get_width_height())
    return _TextImage(
        np.array(font.get_image()), font.get_bitmap_offset()[0] / 64, width, height, font.get_descent() / 64
    )


@lru_cache(KEPT)
def _font_height(properties: FontProperties, dpi: float) -> tuple[float, float, float]:
    """Return the height of a font above and below the baseline, and the gap between two lines, in pixels."""
    font = get_font(findfont(properties))
    lines, head = font.get_sfnt_table("OS/2"), font.get_sfnt_table("head")
    assert lines is not None  # the font of the figures has both tables
    assert head is not None
    scale = properties.get_size_in_points() / head["unitsPerEm"] * dpi / 72
    return lines["sTypoAscender"] * scale, -lines["sTypoDescender"] * scale, lines["sTypoLineGap"] * scale


@contextmanager
def _no_warnings_of_missing_letters() -> Iterator[None]:
    """Do not print a warning for each figure. matplotlib draws a box for a letter that the font does not contain."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield
