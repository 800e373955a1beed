"""Write the evidence page: which differences are significant, and how well the probabilities are calibrated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean
from typing import TypeVar

from lineup.errors import count
from lineup.evaluation.metrics import accuracy_interval
from lineup.evaluation.seeds import RecipePair, mean_interval
from lineup.evaluation.significance import LEVEL, Pair, SeedSpread, seed_spread
from lineup.pages.compare import Comparison
from lineup.pages.markdown import DASH, data_line, number, origin, p_value, span, table, with_spread
from lineup.records.model_runs import ModelRuns

AnyPair = TypeVar("AnyPair", Pair, RecipePair)

_PROBABILITIES = {
    "loss": "test_loss",
    "Brier score": "test_brier",
    "calibration error": "test_ece",
    "top-2 accuracy": "test_top2_accuracy",
    "accuracy at 80 % coverage": "test_accuracy_at_80_coverage",
    "mean AUC": "test_macro_auc",
    "macro F1": "test_macro_f1",
}


_MODELS = """\
### Sources of uncertainty

The test set is a sample of {images} images; another sample would give a different accuracy. Training also depends on
random numbers; another seed gives a different model. The accuracy of `{best}` is {accuracy}. Its 95 % interval (Wilson)
is {interval} and covers only the uncertainty from the images. Two models can differ significantly although their
intervals overlap, because both classify the same images. Only the images that exactly one of the two models classifies
correctly show which model is better.

### Significance test

For each image, the test computes the share of a model's runs that classify the image correctly. The *error from images*
is the standard error, over the images, of the difference between these shares for two models. The *error from seeds* is
√(s²/k + s'²/k') for k and k' seeds, where s and s' are the standard deviations between seeds of the two models, pooled
over all models of the same kind. Networks and committees count as one kind. A model with one seed adds 0 to this error.
The *standard error* is the square root of the sum of the two squared errors. The test divides the difference in
accuracy by the standard error and compares the result with Student's t distribution, which has few degrees of freedom
if s was estimated from few runs. The test assumes that runs are independent, which is conservative for a committee and
its members.

### Multiple comparisons

Among a hundred pairs of equally good models, about five have p ≤ {level} by chance. Holm's correction increases each p,
so that the probability of one or more such errors among all {pairs} is at most {level}.

### Results

{significant} of the {pairs} differ significantly.{extremes} The rank of a model is one more than the number of models
that are significantly better. No model ranks behind a model with a lower mean accuracy. Any model of rank 1 may be the
best."""

_RUNS = """\
McNemar's exact test compares two trained models and ignores the variation between seeds. The example compares the first
runs of the two best models. `{a}` alone classifies {a_only} images correctly, and `{b}` alone {b_only} images. The
difference in accuracy is {difference}, with a 95 % interval of {low} to {high} (bootstrap over images). If both models
were equally good, a split at least as uneven would have the probability p = {p}. After the correction for all {pairs}
of runs, p is {p_holm}, so there is {verdict}. `run_pairs.csv` contains the test of every pair of runs."""

_READING = """\
- The *loss* is the mean negative log-likelihood in nats. The *Brier score*, from 0 to 2, is the mean squared error of
  the probabilities. Lower values are better for both.
- The *calibration error* (ECE, 15 bins with equal numbers of images) is the mean difference between confidence and
  accuracy. It is 0.07 for a network with a confidence of 97 % and an accuracy of 90 % in every bin.
- The *top-2 accuracy* is the share of images whose class is among the two most probable classes.
- The *accuracy at 80 % coverage* is the accuracy on the 80 % of the images with the highest confidence.
- The *AUC* of a class is the probability that an image of this class has a higher score for the class than an image of
  another class.

The table shows means ± standard deviations over the seeds, sorted by loss."""

_FILES = """
- `leaderboard.csv`: mean and standard deviation of each metric over the seeds.
- `runs.csv`: each run with its seed, machine, commit and key. The MLflow run has the key as tag `lineup.key`.
- `pairs.csv`: the test of each pair of models.
- `run_pairs.csv`: McNemar's test of each pair of runs.
- `per_class.csv`: the scores of each class, for each run.
- `confusion_matrix.csv`: test images of `{best}` by actual and predicted class.
- MLflow contains the ROC, precision-recall, reliability, selective accuracy and threshold curves of each run."""


def evidence_markdown(comparison: Comparison, best: ModelRuns, most_shown: int) -> str:
    """Return the evidence page.

    Parameters
    ----------
    comparison : Comparison
        See :func:`lineup.pages.compare.compare`.
    best : ModelRuns
        Model whose classes and calibration are shown: the first of :meth:`Comparison.by_validation`.
    most_shown : int
        Largest number of models in a figure with a row per model.

    Returns
    -------
    str
        Markdown text with links to figures in the folder of the page. The first paragraph states if the data are
        generated.
    """
    data = best.first.header.data
    runs = [run for model in comparison.models for run in model.runs]
    sections = [
        "# Evidence",
        "This page compares models and committees, tests which differences are significant, and examines the predicted"
        " probabilities. `lineup evaluate` writes this page from the records of"
        f" {count(len(comparison.models), 'model')} (committees included) with {count(len(runs), 'run')}.",
        data_line(data.title, data.test_images, generated=data.generated),
        *_pairs_of_models(comparison, data.test_images, most_shown),
        *_pairs_of_runs(comparison),
        *_seeds(comparison, data.test_images),
        *_probabilities(comparison, best),
        *_classes(comparison, best),
        "## Where the results come from",
        origin(runs) + _FILES.format(best=best.first.header.label),
    ]
    return "\n\n".join(sections) + "\n"


def _pairs_of_models(comparison: Comparison, images: int, most_shown: int) -> list[str]:
    """Return the section that compares the mean accuracies of the models."""
    if not comparison.pairs:
        return []
    ranked, accuracies = list(comparison.ranks), comparison.accuracies()
    accuracy = accuracies[ranked[0]]
    text = _MODELS.format(
        images=f"{images:,}",
        best=ranked[0],
        accuracy=number(accuracy),
        interval=span(*accuracy_interval(round(accuracy * images), images)),
        level=LEVEL,
        pairs=count(len(comparison.pairs), "pair") + " of models",
        significant=f"{sum(pair.significant for pair in comparison.pairs):,}",
        extremes=_extremes(comparison.pairs),
    )
    return [
        "## Is 0.915 better than 0.912?",
        text,
        f"![Which models differ significantly](pairs.png){_left_out(len(ranked), most_shown)}",
        "This table compares each model with the model in the row above:",
        _neighbours(comparison, ranked),
    ]


def _left_out(models: int, most_shown: int) -> str:
    """Return a note that the figures do not show all models, or an empty string if they do."""
    if models <= most_shown:
        return ""
    return (
        f"\n\nThis figure and `leaderboard.png` show the {most_shown:,} most accurate of {models:,} models. The tables"
        " contain all models."
    )


def _extremes(pairs: Sequence[RecipePair]) -> str:
    """Return sentences with the smallest significant difference and the largest non-significant difference."""
    text = ""
    significant = [pair for pair in pairs if pair.significant]
    if significant:
        least = min(significant, key=lambda pair: abs(pair.difference))
        text += f" The smallest significant difference is {abs(least.difference):.4f} (`{least.a}` and `{least.b}`)."
    if len(significant) < len(pairs):
        most = max((pair for pair in pairs if not pair.significant), key=lambda pair: abs(pair.difference))
        text += (
            f" The largest difference that is not significant is {abs(most.difference):.4f} (`{most.a}` and"
            f" `{most.b}`)."
        )
    return text


def _neighbours(comparison: Comparison, ranked: Sequence[str]) -> str:
    """Return a table that compares each model with the model in the row above."""
    accuracies, between = comparison.accuracies(), _of_neighbours(comparison.pairs, ranked)
    headings = ["rank", "model", "seeds", "mean accuracy", "difference", "error from images", "error from seeds"]
    headings += ["standard error", "p", "p, corrected"]
    rows = []
    for above, name in zip([None, *ranked], ranked, strict=False):
        cells = [DASH] * 6
        if above is not None:
            pair = between[frozenset((above, name))]
            numbers = (-abs(pair.difference), pair.images_error, pair.seeds_error, pair.error)
            cells = [*map(number, numbers), p_value(pair.p), p_value(pair.p_holm)]
        seeds = str(len(comparison.model(name).runs))
        rows.append([str(comparison.ranks[name]), name, seeds, number(accuracies[name]), *cells])
    return table(headings, rows, ["model"])


def _of_neighbours(pairs: Sequence[AnyPair], ranked: Sequence[str]) -> dict[frozenset[str], AnyPair]:
    """Return the pairs of models that are adjacent in the ranking, by the names of both models."""
    wanted = set(map(frozenset, itertools.pairwise(ranked)))
    return {names: pair for pair in pairs if (names := frozenset((pair.a, pair.b))) in wanted}


def _pairs_of_runs(comparison: Comparison) -> list[str]:
    """Return the section that compares the first runs of the two best models."""
    best = [comparison.model(name).first.header.label for name in list(comparison.ranks)[:2]]
    found = _of_neighbours(comparison.run_pairs, best)
    if not found:
        return []
    pair = _turned(found[frozenset(best)], best[0])
    return [
        "## Two trained models",
        _RUNS.format(
            a=pair.a,
            b=pair.b,
            a_only=f"{pair.a_only:,}",
            b_only=f"{pair.b_only:,}",
            difference=f"{pair.difference:+.4f}",
            low=f"{pair.low:+.4f}",
            high=f"{pair.high:+.4f}",
            p=p_value(pair.p),
            p_holm=p_value(pair.p_holm),
            pairs=count(len(comparison.run_pairs), "pair"),
            verdict="a significant difference" if pair.significant else "no significant difference",
        ),
    ]


def _turned(pair: Pair, first: str) -> Pair:
    """Return a pair of runs in which ``first`` is the first run."""
    if pair.a == first:
        return pair
    # 0 - x instead of -x: the latter would print zero as -0.0.
    turned = (0 - pair.difference, 0 - pair.high, 0 - pair.low)
    return Pair(pair.b, pair.a, *turned, pair.b_only, pair.a_only, pair.p, pair.p_holm)


def _seeds(comparison: Comparison, images: int) -> list[str]:
    """Return the section on the differences between seeds."""
    spreads = {
        model.name: seed_spread(model.values("test_accuracy"), images)
        for model in comparison.models
        if len(model.runs) > 1
    }
    if not spreads:
        return []
    headings = ["model", "seeds", "mean", "95 % interval", "standard deviation", "lowest", "highest", "sampling error"]
    return [
        "## Seeds",
        f"{_typical(list(spreads.values()))} The interval is the 95 % confidence interval of the mean over seeds"
        " (Student's t). The sampling error is the standard error of one accuracy, computed from the number of images.",
        table(headings, [_seed_row(comparison.model(name), spread) for name, spread in spreads.items()], ["model"]),
    ]


def _typical(spreads: Sequence[SeedSpread]) -> str:
    """Return a sentence with the typical deviation between seeds and the typical error from images."""
    of_seeds = math.sqrt(fmean(spread.deviation**2 for spread in spreads))
    of_images = math.sqrt(fmean(spread.sampling_error**2 for spread in spreads))
    models = "the model" if len(spreads) == 1 else f"the {len(spreads)} models"
    return (
        f"For {models} with several seeds, the standard deviation between seeds is {of_seeds:.4f} (root mean square),"
        f" and the sampling error is {of_images:.4f}."
    )


def _seed_row(model: ModelRuns, spread: SeedSpread) -> list[str]:
    values = model.values("test_accuracy")
    numbers = (spread.deviation, min(values), max(values), spread.sampling_error)
    return [model.name, str(spread.seeds), number(spread.mean), span(*mean_interval(values)), *map(number, numbers)]


def _probabilities(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return the section on the metrics of the probabilities."""
    models = sorted(comparison.models, key=lambda model: model.mean("test_loss"))
    rows = [
        [model.name, *(with_spread(model.mean(name), model.deviation(name)) for name in _PROBABILITIES.values())]
        for model in models
    ]
    return [
        "## Are the probabilities reliable?",
        _READING,
        table(["model", *_PROBABILITIES], rows, ["model"]),
        _choice(comparison, best),
        f"This figure shows the calibration of `{best.name}`. Points below the diagonal mean overconfidence.",
        f"![{best.name}: accuracy by confidence](reliability.png)",
        "This figure shows the accuracy on the images with the highest confidence, for the best model of each kind and"
        " the next best models.",
        "![Accuracy by coverage](selective.png)",
    ]


def _choice(comparison: Comparison, best: ModelRuns) -> str:
    """Return a paragraph on how the models in the figures are chosen."""
    counts = sorted({model.first.header.data.validation_images for model in comparison.models})
    return (
        "The figures below show the models with the highest mean validation accuracy. The best of them is"
        f" `{best.name}`. Each model is validated on the {' or '.join(f'{count:,}' for count in counts)} images that it"
        " held out. These images differ between models, so the validation accuracy only determines which models are"
        " shown. The champion (`champion.json`) may be a different model, because it is chosen on images that all"
        " candidates held out, by the rule in `params.yaml`. A committee of the best models has an unfair advantage in"
        " both comparisons. Its rule is cross-fitted, but its members were selected on the same images."
    )


def _classes(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return the section with the scores of each class for the best model."""
    run = best.first.header.label
    rows = [
        [
            row.name,
            *map(number, (row.precision, row.recall, row.f1, row.auc, row.average_precision)),
            f"{row.confused_with}, {row.confused:,} of {row.images:,}" if row.confused else "",
        ]
        for row in comparison.classes[run]
    ]
    headings = ["class", "precision", "recall", "F1", "AUC", "average precision", "most often confused with"]
    return [
        "## Classes",
        f"The table shows the scores of `{run}` for each class against the rest. The precision is the share of correct"
        " predictions among all predictions of the class. The recall is the share of the images of the class that are"
        " classified correctly. F1 is the harmonic mean of precision and recall.",
        table(headings, rows, ["class", "most often confused with"]),
    ]
