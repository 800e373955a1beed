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

from lineup.files import replacing_file


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
    By default, matplotlib writes its version into the file, so that each release of matplotlib would change all files.
    Other versions of matplotlib can still draw a figure differently.
    """
    if (engine := figure.get_layout_engine()) is not None:
        # matplotlib would draw the whole figure once more to compute the layout. The file is the same.
        engine.execute(figure)
        figure.set_layout_engine("none")
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi="figure", facecolor="white", metadata={"Software": None})
    return stream.getvalue()
