"""Compute the same metrics for all networks, classical models and committees."""

from __future__ import annotations

from collections.abc import Sequence

from lineup.evaluation.metrics import classification_metrics
from lineup.records.predictions import Predictions


def score(predictions: Predictions, classes: Sequence[str]) -> dict[str, float]:
    """Return the metrics of ``metrics.json``.

    Parameters
    ----------
    predictions : Predictions
        Of the validation and test images.
    classes : sequence of str
        Class names, in the order of the columns.

    Returns
    -------
    dict of str to float
        Keys with the prefix ``test_`` first, then with ``val_``; see
        `lineup.evaluation.metrics.classification_metrics`.

    Examples
    --------
    >>> import numpy as np
    >>> from lineup.evaluation.scores import Scores
    >>> scores = Scores(np.array([0, 1]), np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    >>> score(Predictions(scores, scores), ["shirt", "shoe"])["val_accuracy"]
    0.5
    """
    test = classification_metrics(predictions.test.probabilities, predictions.test.labels, classes, "test_")
    return test | classification_metrics(predictions.val.probabilities, predictions.val.labels, classes, "val_")
