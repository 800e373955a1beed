"""Plot the class probabilities of one record: calibration, selective accuracy, ROC, precision-recall, thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineup.evaluation.calibration import reliability_bins
from lineup.evaluation.curves import cutoff_curves, precision_recall, roc, selective_accuracy
from lineup.figures.cutoff import cutoff_panels
from lineup.figures.reliability import reliability_diagram
from lineup.figures.roc import roc_panels
from lineup.figures.selective import selective_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineup.records.record import Record

THRESHOLDS = np.linspace(0, 1, 101)
"""Decision thresholds in the threshold figure."""


def evidence_figures(record: Record, subtitle: str) -> dict[str, Figure]:
    """Plot the class probabilities of a record on the test images, and return the figures by name.

    Parameters
    ----------
    record : Record
        Record whose predictions are plotted.
    subtitle : str
        Second line of each figure, which names the data.

    Raises
    ------
    LineupError
        If the predictions cannot be read.
    """
    name, classes = record.header.label, record.header.data.classes
    predictions = record.predictions()
    scores = predictions.test.probabilities, predictions.test.labels
    return {
        "reliability": reliability_diagram(
            reliability_bins(*scores),
            error=record.metrics["test_ece"],
            title=f"{name}: accuracy by confidence",
            subtitle=subtitle,
        ),
        "selective_accuracy": selective_curves(
            {name: selective_accuracy(*scores)}, title=f"{name}: accuracy by coverage", subtitle=subtitle
        ),
        "roc": roc_panels(
            roc(*scores),
            precision_recall(*scores),
            classes,
            title=f"{name}: each class against the rest",
            subtitle=subtitle,
        ),
        "cutoff": cutoff_panels(
            cutoff_curves(*scores, THRESHOLDS),
            classes,
            title=f"{name}: each class against the rest, by threshold",
            subtitle=subtitle,
        ),
    }
