"""The metrics of a record: the same for everything that answers with probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from lineup.evaluation.metrics import classification_metrics
from lineup.records.record import Predictions


def score(predictions: Predictions, classes: Sequence[str]) -> dict[str, float]:
    """Return the flat metrics of ``metrics.json``: ``test_*`` first, then ``val_*``."""
    test = classification_metrics(predictions.test.probabilities, predictions.test.labels, classes, "test_")
    return test | classification_metrics(predictions.val.probabilities, predictions.val.labels, classes, "val_")
