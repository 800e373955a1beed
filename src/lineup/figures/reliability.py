"""Plot the accuracy of a classifier against its confidence (reliability diagram).

Examples
--------
>>> from lineup.evaluation.calibration import reliability_bins
>>> bins = reliability_bins(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 1]))
>>> above, below = reliability_diagram(bins, error=0.2, title="cnn").axes
>>> above.texts[-1].get_text(), below.texts[-1].get_text()
('accuracy', 'images')
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lineup.errors import LineupError
from lineup.evaluation.calibration import ReliabilityBins
from lineup.evaluation.metrics import accuracy_interval
from lineup.figures import style
from lineup.figures.frame import draw_frame

_MARGINS = style.Margins(left=0.68, right=0.1, bottom=0.5, top=0.1)


def reliability_diagram(bins: ReliabilityBins, *, error: float, title: str, subtitle: str = "") -> Figure:
    """Plot a reliability diagram.

    Parameters
    ----------
    bins : ReliabilityBins
        See :func:`lineup.evaluation.calibration.reliability_bins`.
    error : float
        The expected calibration error, from 0 to 1.
    title : str
        First line.
    subtitle : str, optional
        Second line, such as the name of the data. Default: none.

    Returns
    -------
    Figure
        Figure with two panels. The upper panel shows the accuracy of each bin with its 95 % interval, and the distance
        from the diagonal. The points of a calibrated classifier are on the diagonal; points below the diagonal mean
        overconfidence. The lower panel shows the number of images in each bin.

    Raises
    ------
    LineupError
        If there are no bins.

    Notes
    -----
    A. Niculescu-Mizil and R. Caruana, "Predicting good probabilities with supervised learning", ICML 2005.
    """
    if bins.images.size == 0:
        raise LineupError("reliability diagram: there are no bins")
    figure = style.new_figure(5.4, 5.2, title=title, subtitle=subtitle, margins=_MARGINS)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1], gridspec_kw={"hspace": 0.07})
    _draw_accuracy(above, bins, error)
    below.vlines(bins.confidence, 0, bins.images, color=style.BLUE, linewidth=2.5)
    below.set_ylim(bottom=0)
    below.set_xlim(min(0.5, float(bins.confidence.min()) - 0.03), 1.02)
    draw_frame(above, ylabel="accuracy", grid="y", inner=True)
    confidence = "confidence: mean probability of the predicted class"
    draw_frame(below, xlabel=confidence, ylabel="images", grid="y")
    return figure


def _draw_accuracy(axes: Axes, bins: ReliabilityBins, error: float) -> None:
    """Plot the accuracy of each bin, and the gap between the accuracy and the diagonal."""
    right = np.rint(bins.accuracy * bins.images).astype(int)
    bounds = [accuracy_interval(int(r), int(n)) for r, n in zip(right, bins.images, strict=True)]
    low, high = zip(*bounds, strict=True)
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle="--", label="calibrated")
    label = f"distance: {error:.4f} on average (ECE, {bins.images.size} bins)"
    axes.vlines(bins.confidence, bins.accuracy, bins.confidence, color=style.VERMILLION, linewidth=1.2, label=label)
    axes.vlines(bins.confidence, low, high, color=style.BLUE, linewidth=4, alpha=0.3)
    axes.plot(bins.confidence, bins.accuracy, "o", color=style.BLUE, markersize=4, label="accuracy, with 95 % interval")
    axes.set_ylim(max(0.0, min(*low, float(bins.confidence.min())) - 0.03), 1.02)
    axes.legend(frameon=False, loc="upper left", prop={"family": style.FONT, "size": style.TICK_SIZE})
