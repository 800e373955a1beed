"""Save figures reproducibly: the same figure gives the same bytes.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     save_png(Figure(), Path(folder, "empty.png"))
...     Path(folder, "empty.png").read_bytes()[1:4]
b'PNG'
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from lineup.files import replacing_file


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure as PNG; the same figure gives the same bytes on one installation.

    Parameters
    ----------
    figure : Figure
        Saved with its own size and resolution.
    path : Path
        File to write. Readers see the old or the new file, never a part.

    Notes
    -----
    By default, matplotlib writes its version into the file, so that each release changes every file.
    """
    with replacing_file(path) as partial:
        figure.savefig(partial, format="png", dpi="figure", facecolor="white", metadata={"Software": None})
