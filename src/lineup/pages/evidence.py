"""The page of evidence: which differences are significant, and how reliable the probabilities are."""

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
**Two sources of chance.** The {images} test images are a sample: other images would give another accuracy. Training
starts from random numbers: another seed gives another model. The accuracy of `{best}` is {accuracy}, with a 95 %
interval of {interval} from the images alone (Wilson). Two models may differ significantly although their intervals
overlap, because both classify the same images: only images that one of them classifies correctly and the other does
not say which is better.

**The test.** The *error from images* is the standard error, over the images, of the difference between two models in
the share of their runs that classify an image correctly. The *error from seeds* is √(s²/k + s'²/k') for k and k' seeds,
where s is the standard deviation between seeds, pooled over all models of the same kind (networks and committees
together). A model with one seed is compared as it was trained, so it adds nothing to this error. The *standard error*
is the square root of the sum of both squares. The test compares the difference, divided by its standard error, with
Student's t distribution; it has few degrees of freedom if s comes from few runs. It takes runs as independent, which is
conservative for a committee and its members.

**Many pairs.** Of a hundred pairs of equally good models, about five have p ≤ {level} by chance. Holm's correction
increases each p, so that the probability of one or more such errors among all {pairs} is at most {level}.

**Result.** {significant} of the {pairs} differ significantly.{extremes} The rank of a model is one more than the number
of models that are significantly better; no model ranks behind one with a lower mean. Each model of rank 1 may be the
best."""

_RUNS = """\
McNemar's exact test compares two trained models and ignores that other seeds would give other models. For example, the
first runs of the two best models: `{a}` alone classifies {a_only} images correctly, `{b}` alone {b_only}. The
difference is {difference}, with a 95 % interval of {low} to {high} (bootstrap over images). If both were equally good,
a division at least as uneven would have the probability p = {p}; corrected for all {pairs} of runs, p = {p_holm}. This
is {verdict}. `run_pairs.csv` has this test for every pair of runs."""

_READING = """\
- The *loss* (mean negative log-likelihood, in nats) and the *Brier score* (mean squared error of the probabilities,
  from 0 to 2) rate all probabilities; lower is better.
- The *calibration error* (ECE, 15 bins with equal numbers of images) is the mean difference between confidence and
  accuracy: 0.07 for a network that is 97 % confident on average and classifies 90 % of the images correctly.
- The *top-2 accuracy* is the share of images whose class is one of the two most probable ones.
- The *accuracy at 80 % coverage* is the accuracy on the 80 % of the images with the highest confidence.
- The *AUC* of a class is the probability that an image of this class gets a higher score for it than another image.

Means over the seeds ± standard deviation; the lowest loss comes first."""

_FILES = """
- `leaderboard.csv`: mean and standard deviation of each metric over the seeds.
- `runs.csv`: each run with its seed, machine, commit and key. The key is the tag `lineup.key` of its run in MLflow.
- `pairs.csv`: the test of each pair of models.
- `run_pairs.csv`: McNemar's test of each pair of runs.
- `per_class.csv`: the scores of each class, for each run.
- `confusion_matrix.csv`: test images of `{best}` by actual and predicted class.
- In MLflow, each run has its ROC, precision-recall, reliability, selective and threshold curves."""


def evidence_markdown(comparison: Comparison, best: ModelRuns, most_shown: int) -> str:
    """Return the page of evidence.

    Parameters
    ----------
    comparison : Comparison
        See :func:`lineup.pages.compare.compare`.
    best : ModelRuns
        The model whose classes and calibration are shown, the first of :meth:`Comparison.by_validation`.
    most_shown : int
        The largest number of models in a figure with a row per model.

    Returns
    -------
    str
        Markdown that refers to figures in the folder of the page. The first paragraph says if the data are generated.
    """
    data = best.first.header.data
    runs = [run for model in comparison.models for run in model.runs]
    sections = [
        "# Evidence",
        "Which model is better, how certain is this, and are its probabilities reliable? `lineup evaluate` writes this"
        f" page from the records of {count(len(comparison.models), 'model')} (committees included) with"
        f" {count(len(runs), 'run')}.",
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
    """Return the section that compares the means of the models."""
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
        "Each model, compared with the model in the row above:",
        _neighbours(comparison, ranked),
    ]


def _left_out(models: int, most_shown: int) -> str:
    """Return which models are not in the figures with a row per model."""
    if models <= most_shown:
        return ""
    return (
        f"\n\nThis figure and `leaderboard.png` show the {most_shown:,} most accurate of {models:,} models; the tables"
        " have all of them."
    )


def _extremes(pairs: Sequence[RecipePair]) -> str:
    """Return the smallest significant difference and the largest that is not significant."""
    text = ""
    significant = [pair for pair in pairs if pair.significant]
    if significant:
        least = min(significant, key=lambda pair: abs(pair.difference))
        text += f" The smallest significant difference is {abs(least.difference):.4f} (`{least.a}`, `{least.b}`)."
    if len(significant) < len(pairs):
        most = max((pair for pair in pairs if not pair.significant), key=lambda pair: abs(pair.difference))
        text += (
            f" The largest difference that is not significant is {abs(most.difference):.4f} (`{most.a}`, `{most.b}`)."
        )
    return text


def _neighbours(comparison: Comparison, ranked: Sequence[str]) -> str:
    """Return the table of each model and its difference from the model above it."""
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
    """Return the pairs of models in adjacent rows by their two names, in one pass: there may be a million pairs."""
    wanted = set(map(frozenset, itertools.pairwise(ranked)))
    return {names: pair for pair in pairs if (names := frozenset((pair.a, pair.b))) in wanted}


def _pairs_of_runs(comparison: Comparison) -> list[str]:
    """Return the section that compares two trained models, with the first runs of the two best models as an example."""
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
    """Return a pair with the named run first."""
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
        f"{_typical(list(spreads.values()))} The interval is that of the mean over seeds (Student's t). The sampling"
        " error is the standard error of one accuracy from the images.",
        table(headings, [_seed_row(comparison.model(name), spread) for name, spread in spreads.items()], ["model"]),
    ]


def _typical(spreads: Sequence[SeedSpread]) -> str:
    """Return the typical deviation between seeds and the typical error from images."""
    of_seeds = math.sqrt(fmean(spread.deviation**2 for spread in spreads))
    of_images = math.sqrt(fmean(spread.sampling_error**2 for spread in spreads))
    models = "the model" if len(spreads) == 1 else f"the {len(spreads)} models"
    return (
        f"Over {models} with several seeds, the standard deviation between seeds is {of_seeds:.4f} (root mean square);"
        f" the standard error from the images is {of_images:.4f}."
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
        f"The calibration of `{best.name}`; below the line the model is overconfident:",
        f"![{best.name}: accuracy by confidence](reliability.png)",
        "The accuracy of the best model of each kind, and of the next best ones, on the images with the highest"
        " confidence:",
        "![Accuracy by coverage](selective.png)",
    ]


def _choice(comparison: Comparison, best: ModelRuns) -> str:
    """Return how the models in the figures are chosen."""
    counts = sorted({model.first.header.data.validation_images for model in comparison.models})
    return (
        "The figures show the models with the highest mean validation accuracy, above all"
        f" `{best.name}`. Each model is validated on the {' or '.join(f'{count:,}' for count in counts)} images that it"
        " held out. These images differ between models, so this order only decides what is shown. The champion"
        " (`champion.json`) is chosen by the rule in `params.yaml` on images that all candidates held out, and may be"
        " another model. A committee that selects the best members of the line-up has an unfair advantage in both: its"
        " rule is cross-fitted, but its members were selected on the same images."
    )


def _classes(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return the section on the classes, with the scores of the best model."""
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
        f"The scores of `{run}`, each class against the rest. Precision: the share of correct predictions among those"
        " of this class. Recall: the share of the images of this class that are predicted correctly. F1: their harmonic"
        " mean.",
        table(headings, rows, ["class", "most often confused with"]),
    ]
