"""The files that are logged with a run."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import classification_report

from lineup.evaluation.metrics import confusion_counts
from lineup.tracking.artifact_files import report_table


@pytest.mark.parametrize("classes", [("a", "b", "c", "d"), ("T-shirt/top", "Trouser", "a long name of a class", "Bag")])
def test_the_report_is_that_of_scikit_learn(classes: tuple[str, ...]) -> None:
    random = np.random.default_rng(1)
    predicted, labels = random.integers(0, 4, 200), random.integers(0, 3, 200)  # no image of the last class
    predicted[predicted == 1] = 0  # no prediction of the second class
    expected = classification_report(
        labels, predicted, labels=range(4), target_names=classes, digits=4, zero_division=0
    )
    assert report_table(confusion_counts(np.eye(4)[predicted], labels, 4), classes) == expected
