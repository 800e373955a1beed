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

from pathlib import Path

from matplotlib.figure import Figure

from lineup.files import replacing_file


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure as a PNG file.

    With the same installation, saving the same figure again gives an identical file.

    Parameters
    ----------
    figure : Figure
        Figure to save. Its size and resolution are kept.
    path : Path
        File to write. The file is replaced atomically.

    Notes
    -----
    By default, matplotlib writes its version into the file, so each release of matplotlib would change every file.
    """
    with replacing_file(path) as partial:
        figure.savefig(partial, format="png", dpi="figure", facecolor="white", metadata={"Software": None})
