"""Write a figure so that the same picture is the same file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from lineup.files import replacing_file


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, byte for byte the same each time on one installation.

    Parameters
    ----------
    figure : Figure
        Drawn at its own size and resolution.
    path : Path
        File to write; a reader sees the old file or the whole new one.

    Notes
    -----
    matplotlib would write its version into the file, so that a new release changes every picture; here it does not.
    """
    with replacing_file(path) as partial:
        figure.savefig(partial, format="png", dpi="figure", facecolor="white", metadata={"Software": None})
