"""Plot the calibration and the performance curves of one model or committee.

Examples
--------
>>> scores = Scores(np.arange(2), np.array([0, 1]), np.array([[0.9, 0.1], [0.3, 0.7]]))
>>> sorted(figures_of_scores(scores, ["cat", "dog"], error=0.2, name="cnn"))
['cutoff', 'reliability', 'roc', 'selective_accuracy']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lineup.evaluation.calibration import reliability_bins
from lineup.evaluation.curves import cutoff_curves, precision_recall, roc, selective_accuracy
from lineup.evaluation.scores import Scores
from lineup.figures.cutoff import cutoff_panels
from lineup.figures.reliability import reliability_diagram
from lineup.figures.roc import roc_panels
from lineup.figures.selective import selective_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineup.records.record import Record

THRESHOLDS = np.linspace(0, 1, 101)
"""Thresholds in the figure ``cutoff``."""


def evidence_figures(record: Record, subtitle: str) -> dict[str, Figure]:
    """Plot the calibration and the performance curves of a record for the test images.

    Parameters
    ----------
    record : Record
        Record whose predictions are plotted.
    subtitle : str
        Second line of each figure, which names the data.

    Returns
    -------
    dict of str to Figure
        See `figures_of_scores`.

    Raises
    ------
    LineupError
        If the predictions cannot be read.
    """
    header, error = record.header, record.metrics["test_ece"]
    scores = record.predictions().test
    return figures_of_scores(scores, header.data.classes, error=error, name=header.label, subtitle=subtitle)


def figures_of_scores(
    scores: Scores, classes: Sequence[str], *, error: float, name: str, subtitle: str = ""
) -> dict[str, Figure]:
    """Plot the calibration and the performance curves of class probabilities.

    Parameters
    ----------
    scores : Scores
        Class probabilities of one model or committee, and labels.
    classes : sequence of str
        Class names, in the order of the columns.
    error : float
        Expected calibration error, from 0 to 1.
    name : str
        Name of the model or committee.
    subtitle : str, optional
        Second line of each figure. Default: none.

    Returns
    -------
    dict of str to Figure
        The figures ``reliability``, ``selective_accuracy``, ``roc`` and ``cutoff``.
    """
    arrays = scores.probabilities, scores.labels
    return {
        "reliability": reliability_diagram(
            reliability_bins(*arrays),
            error=error,
            title=f"{name}: accuracy by confidence",
            subtitle=subtitle,
        ),
        "selective_accuracy": selective_curves(
            {name: selective_accuracy(*arrays)}, title=f"{name}: accuracy by coverage", subtitle=subtitle
        ),
        "roc": roc_panels(
            roc(*arrays),
            precision_recall(*arrays),
            classes,
            title=f"{name}: each class against the rest",
            subtitle=subtitle,
        ),
        "cutoff": cutoff_panels(
            cutoff_curves(*arrays, THRESHOLDS),
            classes,
            title=f"{name}: each class against the rest, by threshold",
            subtitle=subtitle,
        ),
    }
