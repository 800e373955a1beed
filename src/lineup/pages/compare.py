"""Compare all models and committees on the same test images.

Examples
--------
>>> pairs = [
...     RecipePair("vote", "cnn", 0.01, 0.004, 0.003, math.inf, p=0.05, p_holm=0.15),
...     RecipePair("vote", "forest", 0.06, 0.004, 0.003, math.inf, p=0.0, p_holm=0.0),
...     RecipePair("cnn", "forest", 0.05, 0.004, 0.003, math.inf, p=0.0, p_holm=0.0),
... ]
>>> rank_models({"forest": 0.86, "cnn": 0.91, "vote": 0.92}, pairs)
{'vote': 1, 'cnn': 1, 'forest': 3}
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.evaluation.curves import ClassRow, class_rows
from lineup.evaluation.seeds import RecipePair, SeedDeviation, compare_recipes
from lineup.evaluation.significance import Pair, pairwise, shared_ranks
from lineup.records.compact import score_summary
from lineup.records.model_runs import ModelRuns, group_runs, seed_deviations
from lineup.records.record import Record

MOST_PAIRED = 300
"""Largest number of runs of which all pairs are compared. 300 runs have 44,850 pairs, and 2,000 have two million."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of all models and committees.

    Parameters
    ----------
    models : list of ModelRuns
        Models and committees. In addition to the metrics of the record, each run has ``test_macro_auc``, the area under
        the ROC curve averaged over the classes, and ``test_accuracy_at_80_coverage``, the accuracy on the 80 % of the
        test images with the highest confidence.
    classes : dict of str to list of ClassRow
        Scores of each class, by run.
    pairs : list of RecipePair
        Comparison of each pair of models by their means over seeds. The p-values are corrected for all these pairs.
    run_pairs : list of Pair
        Comparison of each pair of runs. The p-values are corrected for all these pairs. If there are more than
        `MOST_PAIRED` runs, these are only the pairs with ``reference``.
    reference : str or None
        Label of the run with which all others are compared: the first run of the most accurate model. None if all pairs
        of runs are compared.
    ranks : dict of str to int
        Rank of each model, the highest mean test accuracy first; see `rank_models`.
    """

    models: list[ModelRuns]
    classes: dict[str, list[ClassRow]]
    pairs: list[RecipePair]
    run_pairs: list[Pair]
    reference: str | None
    ranks: dict[str, int]

    def model(self, name: str) -> ModelRuns:
        """Return all runs of the model or committee with the given name."""
        return next(model for model in self.models if model.name == name)

    def accuracies(self) -> dict[str, float]:
        """Return the mean test accuracy of each model."""
        return {model.name: model.mean("test_accuracy") for model in self.models}

    def by_validation(self) -> list[ModelRuns]:
        """Return the models, sorted by mean validation accuracy from high to low.

        Ties are sorted by name. Models may be validated on different images. This order is therefore used only to
        choose the models in figures. The champion is chosen in `lineup.committee.champion`.
        """
        return sorted(self.models, key=lambda model: (-model.mean("val_accuracy"), model.name))


def compare(records: Sequence[Record]) -> Comparison:
    """Read the predictions of all records and compare them.

    Parameters
    ----------
    records : sequence of Record
        At least one record.

    Raises
    ------
    LineupError
        If there are no records, if predictions cannot be read, or if two records were made from different data.
    """
    group_runs(records)  # checks that the records can be compared, before any predictions are read
    correct: dict[str, NDArray[np.bool_]] = {}
    classes: dict[str, list[ClassRow]] = {}
    completed = []
    for record in records:
        name = record.header.label
        metrics, correct[name], classes[name] = _examine(record)
        completed.append(dataclasses.replace(record, metrics=record.metrics | metrics))
    models = group_runs(completed)
    pairs = compare_recipes(
        {model.name: np.stack([correct[run.header.label] for run in model.runs]) for model in models},
        _deviations(models),
    )
    ranks = rank_models({model.name: model.mean("test_accuracy") for model in models}, pairs)
    reference = None
    if len(records) > MOST_PAIRED:
        best = next(iter(ranks))
        reference = next(model.first.header.label for model in models if model.name == best)
    return Comparison(models, classes, pairs, pairwise(correct, reference), reference, ranks)


def rank_models(accuracies: Mapping[str, float], pairs: Sequence[RecipePair]) -> dict[str, int]:
    """Rank models by mean accuracy. Models that do not differ significantly may share a rank.

    Parameters
    ----------
    accuracies : mapping of str to float
        Mean test accuracy of each model.
    pairs : sequence of RecipePair
        Every pair of these models.

    Returns
    -------
    dict of str to int
        Rank of each model, the highest accuracy first. The rank is one more than the number of models that are
        significantly better, but at most the rank of any model with a lower accuracy.

    Notes
    -----
    Without the second condition, a model could rank behind a model with a lower accuracy: if the standard error of a
    model is large, few models are significantly better.
    """
    ranks = shared_ranks(accuracies, [(pair.a, pair.b) for pair in pairs if pair.significant])
    lowest = len(ranks)
    for name in reversed(ranks):
        lowest = ranks[name] = min(lowest, ranks[name])
    return ranks


def _deviations(models: Sequence[ModelRuns]) -> dict[str, SeedDeviation]:
    """Return the standard deviation between seeds for each model. The standard deviation is pooled over all models of
    the same kind.

    For a model with only one seed, the standard deviation is 0.
    """
    by_kind = seed_deviations(models)
    fixed = SeedDeviation(0.0, 0)
    return {model.name: by_kind[model.first.header.kind] if len(model.runs) > 1 else fixed for model in models}


def _examine(record: Record) -> tuple[dict[str, float], NDArray[np.bool_], list[ClassRow]]:
    """Compute further results of a record: additional metrics, correct predictions and the scores of each class."""
    summary = score_summary(record)
    found, classes = summary.classes, record.header.data.classes
    rows = class_rows(found.predicted, found.labels, classes, summary.auc, summary.average_precision)
    areas = [row.auc for row in rows if not math.isnan(row.auc)]
    metrics = {
        "test_macro_auc": float(np.mean(areas)) if areas else math.nan,
        "test_accuracy_at_80_coverage": summary.accuracy_at_80_coverage,
    }
    return metrics, found.correct(), rows
