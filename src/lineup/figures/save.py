"""Save figures as reproducible PNG files.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     save_png(Figure(), Path(folder, "empty.png"))
...     Path(folder, "empty.png").read_bytes()[1:4]
b'PNG'
"""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from lineup.files import replacing_file

_COMPRESS_LEVEL = 3
_FORMULA = r"$\mathdefault"


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure as a PNG file.

    If the same figure is saved twice, the two files are identical.

    Parameters
    ----------
    figure : Figure
        Figure to save. Its size and resolution are kept.
    path : Path
        File to write. The file is replaced atomically.
    """
    with replacing_file(path) as partial:
        partial.write_bytes(png_bytes(figure))


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file.

    Parameters
    ----------
    figure : Figure
        Figure to draw. Its size and resolution are kept, and its layout is computed once.

    Notes
    -----
    `Figure.savefig` takes longer, and writes the version of matplotlib into the file, so that each release of
    matplotlib would change all files. Other versions of matplotlib can still draw a figure differently.
    """
    _show_dollar_signs(figure)
    stream = BytesIO()
    with warnings.catch_warnings():
        # matplotlib draws a box for a character that the font does not contain, and prints a warning for each figure.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        if (engine := figure.get_layout_engine()) is not None:
            # matplotlib would draw the whole figure once more to compute the layout. The file is the same.
            engine.execute(figure)
            figure.set_layout_engine("none")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
    # No figure is transparent, so the fourth channel is left out. A higher level takes longer for the same size.
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    image.save(stream, format="png", dpi=(figure.dpi, figure.dpi), compress_level=_COMPRESS_LEVEL)
    return stream.getvalue()


def _show_dollar_signs(figure: Figure) -> None:
    """Show dollar signs as text. By default, matplotlib shows the text between two dollar signs as a formula.

    Only the labels of logarithmic axes are formulas. matplotlib creates these labels, and they start with `_FORMULA`.
    """
    for text in figure.findobj(Text):
        if isinstance(text, Text) and "$" in text.get_text() and not text.get_text().startswith(_FORMULA):
            text.set_parse_math(False)
