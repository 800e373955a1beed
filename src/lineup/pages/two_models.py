"""Compare the settings, the metrics and the predictions of two records.

Examples
--------
>>> differing({"epochs": 10, "batch_size": 32}, {"epochs": 20, "batch_size": 32})
[('epochs', '10', '20')]
>>> confusion_rows(np.array([[8, 2], [1, 9]]), np.array([[9, 1], [5, 5]]), ["cat", "dog"])
[('dog as cat', '1', '5'), ('cat as dog', '2', '1')]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineup.evaluation.significance import Pair, pairwise
from lineup.pages.markdown import DASH, device_of, number, p_value
from lineup.records.compact import predicted_classes
from lineup.records.record import Record, read_confusion

METRICS = ("test_accuracy", "test_loss", "test_macro_f1", "test_ece", "val_accuracy", "val_loss")
"""Metrics in the comparison, if a record has them."""

ERRORS = 5
"""Number of errors in the comparison."""

Row = tuple[str, str, str]
"""A name, and the values of both records as text."""


def two_models(first: Record, second: Record) -> dict[str, list[Row]]:
    """Compare two records, and return tables.

    The keys of the dictionary are the titles of the tables.

    Parameters
    ----------
    first, second : Record
        Records that were made from the same data and split.

    Returns
    -------
    dict of str to list of tuple
        Each row is a name, the value of the first record and the value of the second record.

    Raises
    ------
    LineupError
        If the confusion matrix of a record cannot be read.
    """
    names = [name for name in METRICS if name in first.metrics or name in second.metrics]
    return {
        "Settings that differ": differing(_settings(first), _settings(second)),
        "Metrics": [(name, number(first.metrics.get(name)), number(second.metrics.get(name))) for name in names],
        "Cost": [
            ("parameters", _parameters(first), _parameters(second)),
            ("training, s", f"{first.runtime.training_seconds:,.1f}", f"{second.runtime.training_seconds:,.1f}"),
            ("device", device_of(first), device_of(second)),
        ],
        "Errors that differ most": confusion_rows(
            read_confusion(first), read_confusion(second), first.header.data.classes
        ),
    }


def paired_test(first: Record, second: Record, names: tuple[str, str]) -> str:
    """Compare the predictions of two records for the test images, and describe the result in one sentence.

    Parameters
    ----------
    first, second : Record
        Records that were made from the same data and split.
    names : tuple of str
        Two different names of the records.

    Raises
    ------
    LineupError
        If the predictions of a record cannot be read.
    """
    correct = [predicted_classes(one).correct() for one in (first, second)]
    (pair,) = pairwise(dict(zip(names, correct, strict=True)))
    return describe_pair(pair)


def describe_pair(pair: Pair) -> str:
    """Describe the difference in accuracy of two models in one sentence.

    Examples
    --------
    >>> pair = Pair("cnn", "mlp", 0.02, 0.015, 0.025, 300, 100, 1e-24, 1e-24)
    >>> for part in describe_pair(pair).split("; "):
    ...     print(part)
    cnn is more accurate by 0.0200 (95 % interval 0.0150 to 0.0250)
    only cnn is right on 300 images, only mlp on 100
    McNemar p = 1e-24
    """
    better, bounds = pair.a, (pair.low, pair.high)
    if pair.difference < 0:
        better, bounds = pair.b, (-pair.high, -pair.low)
    low, high = (round(bound, 4) + 0.0 for bound in bounds)  # no "-0.0000"
    size = (
        f"{better} is more accurate by {abs(pair.difference):.4f}" if pair.difference else "Both have the same accuracy"
    )
    return (
        f"{size} (95 % interval {low:.4f} to {high:.4f}); only {pair.a} is right on {pair.a_only:,} images,"
        f" only {pair.b} on {pair.b_only:,}; McNemar p = {p_value(pair.p)}"
    )


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Row]:
    """Return all settings that differ between two records, sorted by name. A missing setting is a dash."""
    both = {name: (first.get(name, DASH), second.get(name, DASH)) for name in sorted({*first, *second})}
    return [(name, str(one), str(other)) for name, (one, other) in both.items() if one != other]


def confusion_rows(
    first: NDArray[np.integer], second: NDArray[np.integer], classes: Sequence[str], most: int = ERRORS
) -> list[Row]:
    """Find the errors that differ most between two confusion matrices.

    Parameters
    ----------
    first, second : ndarray of int, shape (k, k)
        Number of test images by actual class (row) and predicted class (column).
    classes : sequence of str
        Names of the k classes.
    most : int, optional
        Largest number of rows. Default: 5.
    """
    difference = np.abs(np.asarray(first, np.int64) - second)
    np.fill_diagonal(difference, 0)
    largest = np.argsort(-difference, axis=None, kind="stable")[:most]
    cells = [divmod(int(cell), len(classes)) for cell in largest if difference.flat[cell]]
    return [(f"{classes[i]} as {classes[j]}", str(first[i, j]), str(second[i, j])) for i, j in cells]


def _settings(record: Record) -> dict[str, Any]:
    header = record.header
    members = {"members": ", ".join(member.label for member in header.members)} if header.members else {}
    settings = {"family": header.family, "architecture": header.architecture, "seed": header.seed}
    return settings | header.parameters | members


def _parameters(record: Record) -> str:
    weights = record.header.weights
    return f"{weights.parameters:,}" if weights and weights.parameters else DASH
