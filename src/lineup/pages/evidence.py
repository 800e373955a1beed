"""Write a page with the significance tests and the calibration of all models."""

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
from lineup.pages.committee_cost import cost_section
from lineup.pages.compare import MOST_PAIRED, Comparison
from lineup.pages.markdown import DASH, data_line, number, origin, p_value, span, table, with_spread
from lineup.records.compact import is_compact
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

The test set is a sample of {images} images. Another sample of test images would give a different accuracy. Training
also depends on random numbers, so each seed gives a different model. The accuracy of `{best}` is {accuracy}, with a
95 % confidence interval of {interval} (Wilson). The interval accounts for the choice of the test images, but not for
the choice of the seeds. Two models can differ significantly even if their confidence intervals overlap, because both
models are tested on the same images. An image affects the difference in accuracy only if one model classifies the image
correctly and the other model does not.

### Significance test

The standard error of a difference in accuracy has two parts. The first part is the *error from images*. The reason for
this error is the random choice of the test images. For each model and each image, the test computes the fraction of the
runs that classify the image correctly. The error from images is computed from these fractions. The second part is the
*error from seeds*, √(s²/k + s'²/k'). Here k and k' are the numbers of seeds of the two models, and s and s' are the
standard deviations of the accuracy between seeds. Each standard deviation is pooled over all models of the same kind.
Networks and committees are treated as one kind. For a model with only one seed, the standard deviation is set to 0. The
*standard error* is √(a² + b²), where a is the error from images and b is the error from seeds. The test statistic is
the difference divided by the standard error. The p-value is computed from Student's t distribution. If s was estimated
from few runs, the distribution has few degrees of freedom. The test assumes that all runs are independent. A committee
is not independent of its members. If the test compares a committee with one of its members, p is therefore too large.

### Multiple comparisons

If we compare 100 pairs of equally good models, p is at most {level} for about five pairs, by chance. Holm's method
corrects the p-values for the number of pairs. With the corrected p-values, the probability of one or more false
positives among all {pairs} is at most {level}.

### Results

{significant} of the {pairs} differ significantly.{extremes} The rank of a model is the number of significantly better
models plus one. There is one exception: if the less accurate of two models has the better rank, both models get the
better rank."""

_RUNS = """\
McNemar's exact test compares two trained models and ignores the variation between seeds. The following example compares
two runs: the first run of the best model and the first run of the second-best model. Of all test images, {a_only} are
classified correctly only by `{a}`, and {b_only} are classified correctly only by `{b}`. The difference in accuracy is
{difference}, with a 95 % bootstrap interval of {low} to {high}. If both models were equally good, a difference of at
least this size would have the probability p = {p}. With Holm's correction for all {pairs} of runs, p is {p_holm}, so
the difference is {verdict}. The file `run_pairs.csv` contains the test of each pair {tested}."""

_READING = """\
- The *loss* is the mean negative log-likelihood in nats. A lower loss is better.
- The *Brier score* is the squared error of the class probabilities, summed over the classes and averaged over the
  images. The score is between 0 and 2, and a lower score is better.
- The *calibration error* (ECE) is the mean absolute difference between confidence and accuracy over 15 bins. The images
  are sorted by confidence, and each bin contains the same number of images. For example, the error is 0.07 if every bin
  has a mean confidence of 97 % and an accuracy of 90 %.
- The *top-2 accuracy* is the fraction of images whose true class is among the two most probable classes.
- The *accuracy at 80 % coverage* is the accuracy without the 20 % of the images that have the lowest confidence.
- The *AUC* of a class is the probability that a random image of the class has a higher score than a random image of
  another class.

The table shows means ± standard deviations over the seeds. The models are sorted by loss."""

_FILES = """
- `leaderboard.csv` contains the mean and the standard deviation of each metric over the seeds.
- `runs.csv` contains the seed, the machine, the commit and the key of each run. In MLflow, this key is in the tag
  `lineup.key` of the run.
- `pairs.csv` contains the test of each pair of models.
- `run_pairs.csv` contains McNemar's test of each pair {tested}.
- `per_class.csv` contains the scores of each class for each run.
- `confusion_matrix.csv` contains the number of test images of `{best}` for each actual and predicted class.
- MLflow contains five kinds of curves for each run: ROC, precision-recall, reliability, selective accuracy and
  threshold."""


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
        f" probabilities. `lineup evaluate` writes this page from {count(len(runs), 'record')} of"
        f" {count(len(comparison.models), 'model')}, including committees.",
        data_line(data.title, data.test_images, generated=data.generated),
        *_pairs_of_models(comparison, data.test_images, most_shown),
        *_pairs_of_runs(comparison),
        *_seeds(comparison, data.test_images),
        *_probabilities(comparison, best),
        *_classes(comparison, best),
        *cost_section(comparison.models),
        "## Where the results come from",
        origin(runs) + _FILES.format(best=best.first.header.label, tested=_tested(comparison)),
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
    """Return a note if the figures show only some of the models. If the figures show all models, return an empty
    string.
    """
    if models <= most_shown:
        return ""
    return (
        f"\n\nThis figure and `leaderboard.png` show only the {most_shown:,} most accurate of {models:,} models."
        " The tables contain all models."
    )


def _extremes(pairs: Sequence[RecipePair]) -> str:
    """Return a text with the smallest significant difference and the largest non-significant difference."""
    text = ""
    significant = [pair for pair in pairs if pair.significant]
    if significant:
        least = min(significant, key=lambda pair: abs(pair.difference))
        text += (
            f" The smallest significant difference is {abs(least.difference):.4f}, between `{least.a}` and `{least.b}`."
        )
    if len(significant) < len(pairs):
        most = max((pair for pair in pairs if not pair.significant), key=lambda pair: abs(pair.difference))
        text += (
            f" The largest difference that is not significant is {abs(most.difference):.4f}, between `{most.a}`"
            f" and `{most.b}`."
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
    """Return the pairs whose two models are neighbours in the ranking."""
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
            verdict="significant" if pair.significant else "not significant",
            tested=_tested(comparison),
        ),
    ]


def _tested(comparison: Comparison) -> str:
    """Return the words that state which pairs of runs are compared."""
    if comparison.reference is None:
        return "of runs"
    return f"of runs with `{comparison.reference}`, because there are more than {MOST_PAIRED:,} runs"


def _turned(pair: Pair, first: str) -> Pair:
    """Order the two runs of a pair so that ``first`` is the first run."""
    if pair.a == first:
        return pair
    # 0 - x instead of -x: the latter would print zero as -0.0.
    turned = (0 - pair.difference, 0 - pair.high, 0 - pair.low)
    return Pair(pair.b, pair.a, *turned, pair.b_only, pair.a_only, pair.p, pair.p_holm)


def _seeds(comparison: Comparison, images: int) -> list[str]:
    """Return the section about the differences between seeds."""
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
        f"{_typical(list(spreads.values()))} The 95 % confidence interval of the mean is computed from Student's t"
        " distribution. The accuracy of one run has a sampling error, because the number of test images is limited. The"
        " table shows the standard error.",
        table(headings, [_seed_row(comparison.model(name), spread) for name, spread in spreads.items()], ["model"]),
    ]


def _typical(spreads: Sequence[SeedSpread]) -> str:
    """Return a sentence with the typical standard deviation between seeds and the typical sampling error.

    Examples
    --------
    >>> sentence = _typical([seed_spread([0.90, 0.91, 0.92], images=10_000)])
    >>> sentence.partition(", and")[0]
    'The typical standard deviation between seeds is 0.0100'
    """
    of_seeds = math.sqrt(fmean(spread.deviation**2 for spread in spreads))
    of_images = math.sqrt(fmean(spread.sampling_error**2 for spread in spreads))
    models = "the model" if len(spreads) == 1 else f"the {len(spreads)} models"
    return (
        f"The typical standard deviation between seeds is {of_seeds:.4f}, and the typical sampling error is"
        f" {of_images:.4f}. Both values are root mean squares over {models} with several seeds."
    )


def _seed_row(model: ModelRuns, spread: SeedSpread) -> list[str]:
    values = model.values("test_accuracy")
    numbers = (spread.deviation, min(values), max(values), spread.sampling_error)
    return [model.name, str(spread.seeds), number(spread.mean), span(*mean_interval(values)), *map(number, numbers)]


def _probabilities(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return the section about the metrics of the predicted probabilities."""
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
        *_calibration(best),
        "The next figure shows the accuracy on the images with the highest confidence. The figure contains the best"
        " model of each kind, and other models with a high validation accuracy.",
        "![Accuracy by coverage](selective.png)",
    ]


def _calibration(best: ModelRuns) -> list[str]:
    """Return the calibration figure, which needs the probabilities of all classes."""
    if is_compact(best.first):
        return [
            f"The figure of the calibration of `{best.name}` is left out, because it needs the probabilities of all"
            " classes, and only the compact record of the model is available."
        ]
    return [
        f"This figure shows the calibration of `{best.name}`. Points below the diagonal indicate overconfidence.",
        f"![{best.name}: accuracy by confidence](reliability.png)",
    ]


def _choice(comparison: Comparison, best: ModelRuns) -> str:
    """Return the paragraph that explains how the models in the figures are chosen."""
    counts = sorted({model.first.header.data.validation_images for model in comparison.models})
    return (
        "The figures below show the models with the highest mean validation accuracy. The best of these models is"
        f" `{best.name}`. Each model is validated on {' or '.join(f'{count:,}' for count in counts)} images that it was"
        " not trained on. In this section, the validation accuracy is only used to choose the models in the figures."
        " The champion in `champion.json` is chosen separately, on images that no candidate was trained on. The"
        " champion may therefore be a different model. The validation accuracy of a committee of the best models is"
        " too high, because the members were selected on the same images. Cross-validation does not solve this"
        " problem."
    )


def _classes(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return the section with the scores of each class for the best model."""
    run = best.first.header.label
    rows = [
        [
            row.name.replace("<", "&lt;"),
            f"{row.images:,}",
            *map(number, (row.precision, row.recall, row.f1, row.auc, row.average_precision)),
            f"{row.confused_with}, {row.confused:,} of {row.images:,}" if row.confused else "",
        ]
        for row in comparison.classes[run]
    ]
    headings = ["class", "images", "precision", "recall", "F1", "AUC", "average precision", "most often confused with"]
    return [
        "## Classes",
        f"The table shows the one-vs-rest scores of `{run}` for each class. The precision of a class is the fraction"
        " of its predictions that are correct. The recall of a class is the fraction of its images that are"
        " classified correctly. F1 is the harmonic mean of precision and recall. The"
        " macro F1 and the balanced accuracy are the means of F1 and of recall over all classes that have test images.",
        table(headings, rows, ["class", "most often confused with"]),
    ]
