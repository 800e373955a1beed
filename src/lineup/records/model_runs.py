"""Group records by model or committee. The runs of a model differ only in their seeds.

Examples
--------
>>> from types import SimpleNamespace
>>> runs = [SimpleNamespace(metrics={"test_accuracy": accuracy}) for accuracy in (0.91, 0.93)]
>>> print(f"{ModelRuns('basic_cnn', tuple(runs)).mean('test_accuracy'):.2f}")
0.92
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.seeds import SeedDeviation
from lineup.records.compact import predicted_classes
from lineup.records.record import METRICS, Record


@dataclass(frozen=True)
class ModelRuns:
    """All runs of one model or committee.

    Parameters
    ----------
    name : str
        Name in ``params.yaml``.
    runs : tuple of Record
        At least one, sorted by seed.
    """

    name: str
    runs: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """The run with the lowest seed."""
        return self.runs[0]

    def values(self, metric: str) -> list[float]:
        """Return a metric of each run.

        Raises
        ------
        LineupError
            If a record does not have this metric.
        """
        for run in self.runs:
            if metric not in run.metrics:
                raise LineupError(f"{run.folder / METRICS}: no {metric}; run dvc repro to train again")
        return [run.metrics[metric] for run in self.runs]

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over all runs. See `values` for errors."""
        return statistics.fmean(self.values(metric))

    def deviation(self, metric: str) -> float:
        """Return the sample standard deviation of a metric over all runs, or NaN if there is only one run. See `values`
        for errors.
        """
        return statistics.stdev(self.values(metric)) if len(self.runs) > 1 else math.nan

    def correct(self) -> NDArray[np.bool_]:
        """Return which test images each run classifies correctly.

        Returns
        -------
        ndarray of bool, shape (runs, images)

        Raises
        ------
        LineupError
            If the predictions of a run cannot be read.
        """
        return np.stack([predicted_classes(run).correct() for run in self.runs])

    @property
    def training_seconds(self) -> float | None:
        """Return the mean training time in seconds, or None for a committee."""
        if self.first.header.kind == "committee":
            return None
        return statistics.fmean(run.runtime.training_seconds for run in self.runs)


def group_runs(records: Sequence[Record]) -> list[ModelRuns]:
    """Group records by model and committee.

    Parameters
    ----------
    records : sequence of Record
        At least one. All must have the same data and split.

    Returns
    -------
    list of ModelRuns
        In the order of the first record of each model or committee.

    Raises
    ------
    LineupError
        If there are no records, or two have different data or splits.
    """
    if not records:
        raise LineupError("evaluation: there are no results to compare; train a model first")
    first = records[0].header
    for record in records[1:]:
        if record.header.data.fingerprint != first.data.fingerprint:
            raise LineupError(
                f"evaluation: {record.header.label} and {first.label} were made from different data or splits;"
                " run dvc repro to train both again"
            )
    return [
        ModelRuns(name, tuple(sorted(runs, key=lambda record: record.header.seed)))
        for name, runs in by_name(records).items()
    ]


def by_name(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by the name of their model or committee."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.header.name, []).append(record)
    return groups


def seed_deviations(models: Iterable[ModelRuns]) -> dict[str, SeedDeviation]:
    """Estimate how much the test accuracy varies between seeds, for each kind of model.

    All models of the same kind share one estimate, because a single model has too few seeds for its own estimate. If no
    model has several seeds, the estimate is 0. Networks and committees share the same estimate, because few committees
    have several runs.

    Parameters
    ----------
    models : iterable of ModelRuns

    Returns
    -------
    dict of str to SeedDeviation
        By kind, ``network``, ``classical`` or ``committee``, for the kinds of the given models.
    """
    models = list(models)
    kinds = dict.fromkeys(model.first.header.kind for model in models)
    several = [model for model in models if len(model.runs) > 1]
    return {
        kind: _pooled([model for model in several if _is_classical(model.first.header.kind) == _is_classical(kind)])
        for kind in kinds
    }


def _is_classical(kind: str) -> bool:
    return kind == "classical"


def _pooled(models: Sequence[ModelRuns]) -> SeedDeviation:
    """Compute one standard deviation of the test accuracy for several models (pooled).

    The weight of a model is the number of its runs minus one.
    """
    dof = sum(len(model.runs) - 1 for model in models)
    squares = sum((len(model.runs) - 1) * model.deviation("test_accuracy") ** 2 for model in models)
    return SeedDeviation(math.sqrt(squares / dof) if dof else 0.0, dof)
