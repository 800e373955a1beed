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

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from lineup.figures.canvas import pixels_of
from lineup.files import replacing_file

_COMPRESS_LEVEL = 3


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
    stream = BytesIO()
    pixels = pixels_of(figure)
    height, width, _ = pixels.shape
    # No figure is transparent, so the fourth channel is left out. A higher level takes longer for the same size.
    image = Image.frombytes("RGB", (width, height), pixels.data.cast("B"), "raw", "RGBX")
    image.save(stream, format="png", dpi=(figure.dpi, figure.dpi), compress_level=_COMPRESS_LEVEL)
    return stream.getvalue()
