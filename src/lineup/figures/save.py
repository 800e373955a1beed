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

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from lineup.figures.canvas import pixels_of
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
    # No figure is transparent, so the fourth channel is left out. A higher level takes longer for the same size.
    image = Image.fromarray(pixels_of(figure)).convert("RGB")
    image.save(stream, format="png", dpi=(figure.dpi, figure.dpi), compress_level=_COMPRESS_LEVEL)
    return stream.getvalue()


def _show_dollar_signs(figure: Figure) -> None:
    """Show dollar signs as text. By default, matplotlib shows the text between two dollar signs as a formula.

    Only the labels of logarithmic axes are written as formulas. matplotlib creates these labels, and they start with
    `_FORMULA`.
    """
    for text in _texts(figure):
        if "$" in text.get_text() and not text.get_text().startswith(_FORMULA):
            text.set_parse_math(False)


def _texts(artist: Artist) -> Iterator[Text]:
    """Yield the texts of a figure. Invisible axes are left out. Otherwise, matplotlib would create labels for these
    axes.
    """
    if isinstance(artist, Text):
        yield artist
    if not (isinstance(artist, Axis) and not artist.axes.axison):
        for child in artist.get_children():
            yield from _texts(child)
