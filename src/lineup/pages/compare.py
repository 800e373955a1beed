"""Everything that is known of a line-up on the same test images, gathered once for the pages."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineup.evaluation.curves import ClassRow, per_class_table, selective_accuracy
from lineup.evaluation.seeds import RecipePair, compare_recipes
from lineup.evaluation.significance import Pair, holm, pairwise, shared_ranks
from lineup.records.model_runs import ModelRuns, group_runs, seed_deviations
from lineup.records.record import Record

SUREST = 0.8
"""Of the selective accuracies, the one on this share of the images stands in the tables."""


@dataclass(frozen=True)
class Comparison:
    """A line-up, compared.

    Parameters
    ----------
    models : list of ModelRuns
        Models and committees. Beside the metrics of their records, their runs have ``test_macro_auc``, the mean area
        under the ROC curve of a class against the rest, and ``test_surest_80``, the accuracy on the 80 % of the test
        images of which the run is surest.
    classes : dict of str to list of ClassRow
        By run: how well it tells each class.
    pairs : list of Pair
        Of models, by their first runs: all that differs between two is not the seed. Corrected for so many pairs.
    run_pairs : list of Pair
        Of all runs, repeats with other seeds included. Corrected for so many pairs.
    ranks : dict of str to int
        By model, the most accurate first run first: one more than the number of models that are better by `pairs`.
    recipes : list of RecipePair
        Of models with several seeds, by all their runs. Corrected for so many pairs.
    """

    models: list[ModelRuns]
    classes: dict[str, list[ClassRow]]
    pairs: list[Pair]
    run_pairs: list[Pair]
    ranks: dict[str, int]
    recipes: list[RecipePair]

    def model(self, name: str) -> ModelRuns:
        """Return a model by its name."""
        return next(model for model in self.models if model.name == name)

    def first_accuracies(self) -> dict[str, float]:
        """Return the test accuracy of each model's first run, by the model's name."""
        return {model.name: model.first.metrics["test_accuracy"] for model in self.models}

    def by_validation(self) -> list[ModelRuns]:
        """Return the models, the highest mean accuracy on validation images first; equals by name.

        Each is scored on the images that it held out itself, which are not the same for all. It is good for the choice
        of what to show, not for that of the best: see `lineup.committee.champion`.
        """
        return sorted(self.models, key=lambda model: (-model.mean("val_accuracy"), model.name))


def compare(records: Sequence[Record]) -> Comparison:
    """Read the predictions of all records and compare them.

    Parameters
    ----------
    records : sequence of Record
        At least one.

    Raises
    ------
    LineupError
        If there are no records, predictions cannot be read, or two records were made from different data.
    """
    group_runs(records)
    correct: dict[str, NDArray[np.bool_]] = {}
    classes: dict[str, list[ClassRow]] = {}
    completed = []
    for record in records:
        name = record.header.label
        metrics, correct[name], classes[name] = _examine(record)
        completed.append(dataclasses.replace(record, metrics=record.metrics | metrics))
    models = group_runs(completed)
    run_pairs = pairwise(correct)
    pairs = _among(run_pairs, {model.first.header.label: model.name for model in models})
    ranks = shared_ranks(
        {model.name: model.first.metrics["test_accuracy"] for model in models},
        [(pair.a, pair.b) for pair in pairs if pair.distinguishable],
    )
    several = [model for model in models if len(model.runs) > 1]
    deviations = seed_deviations(models)
    recipes = compare_recipes(
        {model.name: np.stack([correct[run.header.label] for run in model.runs]) for model in several},
        {model.name: deviations[model.first.header.kind] for model in several},
    )
    return Comparison(models, classes, pairs, run_pairs, ranks, recipes)


def _among(pairs: Sequence[Pair], models: Mapping[str, str]) -> list[Pair]:
    """Return the pairs of models from those of their runs, by the models' names, corrected for so many pairs.

    Each pair takes a third of a millisecond to compare.
    """
    chosen = [
        dataclasses.replace(pair, a=models[pair.a], b=models[pair.b])
        for pair in pairs
        if pair.a in models and pair.b in models
    ]
    corrected = holm([pair.p for pair in chosen]).tolist()
    return [dataclasses.replace(pair, p_holm=p_holm) for pair, p_holm in zip(chosen, corrected, strict=True)]


def _examine(record: Record) -> tuple[dict[str, float], NDArray[np.bool_], list[ClassRow]]:
    """Return a record's further metrics, which test images it has right, and how well it tells each class."""
    predictions = record.predictions()
    answers = predictions.test_probabilities, predictions.test_labels
    rows = per_class_table(*answers, record.header.data.classes)
    areas = [row.auc for row in rows if not math.isnan(row.auc)]
    curve = selective_accuracy(*answers)
    kept = int(np.searchsorted(curve.coverage, SUREST))
    metrics = {
        "test_macro_auc": float(np.mean(areas)) if areas else math.nan,
        "test_surest_80": float(curve.accuracy[kept]),
    }
    correct: NDArray[np.bool_] = predictions.test_probabilities.argmax(axis=1) == predictions.test_labels
    return metrics, correct, rows
