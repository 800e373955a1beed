"""The page that says how sure the leaderboard is, for a reader who wants to know whether 0.915 beats 0.912."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean
from typing import TypeVar

from lineup.evaluation.metrics import accuracy_interval
from lineup.evaluation.seeds import RecipePair
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
    "accuracy on the surest 80 %": "test_surest_80",
    "mean AUC": "test_macro_auc",
    "macro F1": "test_macro_f1",
}


_READING = """\
- The *loss* (mean negative log-likelihood, in nats) and the *Brier score* (mean squared distance from the truth, from 0
  to 2) judge the probabilities as a whole; lower is better.
- The *calibration error* (ECE, 15 bins of equally many images) says how far sureness and success are apart: 0.07 for a
  network that is right on 90 % of the images of which it is 97 % sure.
- The *top-2 accuracy* counts an image whose class is among the two most probable ones.
- The *accuracy on the surest 80 %* is that of a model that may pass on one image in five.
- The *AUC* of a class is the chance that an image of it gets a higher probability of it than one of another class.

Means over the seeds, ± their standard deviation; the lowest loss first."""

_RECIPES = """\
**Recipe against recipe.** The means of two models with several seeds differ by chance in the images and by chance in
the seeds. The *error by images* is the standard error, over the images, of the difference in the share of trainings
that have an image right. The *error by seeds* is √(s²/k + s'²/k') for k and k' seeds, where s and s' are the standard
deviations between seeds of all models of the same kind, pooled. The *standard error* is the root of the sum of their
squares; p holds the difference over it against Student's distribution, with few degrees of freedom where s rests on few
trainings, and is corrected (Holm) for all pairs of models with several seeds, of which {apart} of {pairs} can be told
apart (`recipes.csv`). Trainings count as independent: of models that share what a seed does, such as a committee and
its members, p is rather too large. Each beside the one above it, by mean accuracy:"""

_FILES = """
- `leaderboard.csv`: means and standard deviations over the seeds.
- `runs.csv`: every run, with its seed, machine, commit and key, which is the tag `lineup.key` of its run in MLflow.
- `pairs.csv`: every pair of runs.
- `recipes.csv`: every pair of models with several seeds.
- `per_class.csv`: every class of every run.
- The ROC, precision-recall, reliability, selective and cutoff curves of each run are among the figures of its run in
  MLflow."""


def evidence_markdown(comparison: Comparison, best: ModelRuns, most_drawn: int) -> str:
    """Return the page.

    Parameters
    ----------
    comparison : Comparison
        See :func:`lineup.pages.compare.compare`.
    best : ModelRuns
        The model whose classes and reliability are shown, the first of :meth:`Comparison.by_validation`.
    most_drawn : int
        So many models, the most accurate ones, are in the figures that have a row per model.

    Returns
    -------
    str
        Markdown with figures from the page's own folder. Generated data are called so in the first paragraph.
    """
    data = best.first.header.data
    runs = [run for model in comparison.models for run in model.runs]
    sections = [
        "# Evidence",
        "Which model is better, how sure is that, and can its probabilities be believed? `lineup evaluate` writes this"
        f" page from the records of {len(comparison.models)} models and committees, {len(runs)} runs in all.",
        data_line(data.name, data.test_images),
        *_images(comparison, data.test_images, most_drawn),
        *_seeds(comparison, data.test_images),
        *_probabilities(comparison, best),
        *_classes(comparison, best),
        "## Where the figures come from",
        origin(runs) + _FILES,
    ]
    return "\n\n".join(sections) + "\n"


def _images(comparison: Comparison, images: int, most_drawn: int) -> list[str]:
    """Return what the draw of the images allows: intervals, pairs, correction for many pairs."""
    ranked = list(comparison.ranks)
    accuracies = comparison.first_accuracies()
    low, high = accuracy_interval(round(accuracies[ranked[0]] * images), images)
    sections = [
        "## Does 0.915 beat 0.912?",
        f"**The images.** {images:,} test images are a sample; others would have given another accuracy. Around the"
        f" {accuracies[ranked[0]]:.4f} of `{ranked[0]}` the 95 % interval is {span(low, high)} (Wilson). Two models can"
        " differ for certain though their intervals overlap, since both answered the same images: an image that both"
        " have right, or both wrong, does not speak for either. What counts is the images that only one has right.",
    ]
    if not comparison.pairs:
        return sections
    apart = [pair for pair in comparison.pairs if pair.distinguishable]
    return [
        *sections,
        _example(_neighbouring(comparison.pairs, ranked[:2])[0]),
        f"**Many pairs.** Of a hundred pairs of equally good models, up to five have p ≤ {LEVEL} by chance. Holm's"
        " correction raises each p so that the chance of telling even one pair of equals apart stays at most"
        f" {LEVEL} over all pairs together. Ranks, and the figure and the table below, are about the"
        f" {len(comparison.pairs):,} pairs of models, each by its first run: `p_holm_models` in `pairs.csv` is"
        " corrected for these alone, so that repeats with other seeds do not blunt it. `p_holm_runs` is corrected for"
        f" all {len(comparison.run_pairs):,} pairs of runs. Whoever asked about one pair alone, before seeing any"
        " result, may take its `p` as it is.",
        f"**What can be seen here.** {len(apart):,} of the {len(comparison.pairs):,} pairs of models can be told"
        f" apart.{_extremes(comparison.pairs)} A rank is one more than the number of models that are better by this"
        " test: all models of rank 1 may be the best.",
        f"![Which models differ](pairs.png){_left_out(len(ranked), most_drawn)}",
        "Each model beside the one above it, by their first runs; the last column says in how many pairs of their runs,"
        " every seed of the one with every seed of the other, the difference has the same sign.",
        _neighbours(comparison, ranked),
    ]


def _left_out(models: int, most_drawn: int) -> str:
    """Return what the figures with a row per model do not show."""
    if models <= most_drawn:
        return ""
    return (
        f"\n\nThis figure and `leaderboard.png` show the {most_drawn:,} most accurate of {models:,} models; the tables"
        " have all of them."
    )


def _example(pair: Pair) -> str:
    """Return the two best first runs as an example of a test."""
    return (
        f"**The same images.** The two most accurate, as an example: only `{pair.a}` has {pair.a_only:,} images right,"
        f" only `{pair.b}` {pair.b_only:,}. The difference is {pair.difference:+.4f}, with a 95 % interval of"
        f" {pair.low:+.4f} to {pair.high:+.4f} by the bootstrap over images. Were the two equally good, each of these"
        f" {pair.a_only + pair.b_only:,} images would fall to either like a coin, and a split at least as uneven would"
        f" come with probability p = {p_value(pair.p)} (McNemar's exact test); corrected as below,"
        f" {p_value(pair.p_holm)}: they {'can' if pair.distinguishable else 'cannot'} be told apart."
    )


def _extremes(pairs: Sequence[Pair]) -> str:
    """Return the smallest difference that shows and the largest that does not."""
    text = ""
    apart = [pair for pair in pairs if pair.distinguishable]
    if apart:
        least = min(apart, key=lambda pair: abs(pair.difference))
        text += f" The smallest difference that shows is {abs(least.difference):.4f} (`{least.a}`, `{least.b}`)."
    if len(apart) < len(pairs):
        most = max((pair for pair in pairs if not pair.distinguishable), key=lambda pair: abs(pair.difference))
        text += f" The largest that does not is {abs(most.difference):.4f} (`{most.a}`, `{most.b}`)."
    return text


def _neighbours(comparison: Comparison, ranked: Sequence[str]) -> str:
    """Return the table of each model beside the one above it."""
    accuracies = comparison.first_accuracies()
    headings = ["rank", "model", "accuracy", "lead of the one above", "95 % interval", "only above", "only this"]
    headings += ["p", "p, corrected", "same sign"]
    rows = [[str(comparison.ranks[ranked[0]]), ranked[0], number(accuracies[ranked[0]]), *[DASH] * 7]]
    for pair in _neighbouring(comparison.pairs, ranked):
        rows.append(
            [
                str(comparison.ranks[pair.b]),
                pair.b,
                number(accuracies[pair.b]),
                number(pair.difference),
                f"{pair.low:+.4f} to {pair.high:+.4f}",
                f"{pair.a_only:,}",
                f"{pair.b_only:,}",
                p_value(pair.p),
                p_value(pair.p_holm),
                _same_sign(comparison.model(pair.a), comparison.model(pair.b)),
            ]
        )
    return table(headings, rows, ["model"])


def _same_sign(a: ModelRuns, b: ModelRuns) -> str:
    """Return in how many pairs of runs the difference has the sign that it has between the first runs."""
    differences = [x - y for x in a.values("test_accuracy") for y in b.values("test_accuracy")]
    same = sum(x * differences[0] > 0 for x in differences)
    return f"{same} of {len(differences)}" if differences[0] else DASH


def _neighbouring(pairs: Sequence[Pair], ranked: Sequence[str]) -> list[Pair]:
    """Return the pair of each model and the next one, turned so that the one that is ranked above comes first."""
    between = _of_neighbours(pairs, ranked)
    return [_turned(between[frozenset(names)], names[0]) for names in itertools.pairwise(ranked)]


def _of_neighbours(pairs: Sequence[AnyPair], ranked: Sequence[str]) -> dict[frozenset[str], AnyPair]:
    """Return the pairs of models next to each other by their two names, found in one pass: pairs may be a million."""
    wanted = set(map(frozenset, itertools.pairwise(ranked)))
    return {names: pair for pair in pairs if (names := frozenset((pair.a, pair.b))) in wanted}


def _turned(pair: Pair, first: str) -> Pair:
    """Return a pair so that one of its models comes first."""
    if pair.a == first:
        return pair
    # Less than nothing is nothing: 0 - x, where -x would be -0.0 and be printed so.
    turned = (0 - pair.difference, 0 - pair.high, 0 - pair.low)
    return Pair(pair.b, pair.a, *turned, pair.b_only, pair.a_only, pair.p, pair.p_holm)


def _seeds(comparison: Comparison, images: int) -> list[str]:
    """Return how far trainings with other seeds are apart, beside what the images allow."""
    spreads = {
        model.name: seed_spread(model.values("test_accuracy"), images)
        for model in comparison.models
        if len(model.runs) > 1
    }
    if not spreads:
        return []
    return [
        "## Another seed",
        "A test on images takes the networks as they are. Trained again with another seed, a model is another network."
        f" {_typical(list(spreads.values()))} Neither covers the other: a difference between two *recipes* has to stand"
        " out from both.",
        table(
            ["model", "seeds", "mean", "deviation over seeds", "lowest", "highest", "sampling error"],
            [_seed_row(comparison.model(name), spread) for name, spread in spreads.items()],
            ["model"],
        ),
        *_recipes(comparison),
    ]


def _recipes(comparison: Comparison) -> list[str]:
    """Return which of the models with several seeds are better as recipes."""
    if not comparison.recipes:
        return []
    apart = sum(pair.distinguishable for pair in comparison.recipes)
    names = dict.fromkeys(name for pair in comparison.recipes for name in (pair.a, pair.b))
    ranked = sorted(names, key=lambda name: -comparison.model(name).mean("test_accuracy"))
    between = _of_neighbours(comparison.recipes, ranked)
    rows = []
    for above, name in itertools.pairwise(ranked):
        pair = between[frozenset((above, name))]
        numbers = (abs(pair.difference), pair.images_error, pair.seeds_error, pair.error)
        rows.append([name, above, *map(number, numbers), p_value(pair.p), p_value(pair.p_holm)])
    headings = ["model", "the one above", "its lead", "error by images", "error by seeds", "standard error"]
    return [
        _RECIPES.format(pairs=f"{len(comparison.recipes):,}", apart=f"{apart:,}"),
        table([*headings, "p", "p, corrected"], rows, ["model", "the one above"]),
    ]


def _typical(spreads: Sequence[SeedSpread]) -> str:
    """Return the size of both kinds of chance, over all models."""
    of_seeds = math.sqrt(fmean(spread.deviation**2 for spread in spreads))
    of_images = math.sqrt(fmean(spread.sampling_error**2 for spread in spreads))
    return (
        f"Over the {len(spreads)} models with several seeds, the standard deviation between seeds is {of_seeds:.4f}"
        f" (root mean square); the standard error by the draw of the images is {of_images:.4f}."
    )


def _seed_row(model: ModelRuns, spread: SeedSpread) -> list[str]:
    values = model.values("test_accuracy")
    numbers = (spread.mean, spread.deviation, min(values), max(values), spread.sampling_error)
    return [model.name, str(spread.seeds), *map(number, numbers)]


def _probabilities(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return what the probabilities are worth beyond the first choice."""
    models = sorted(comparison.models, key=lambda model: model.mean("test_loss"))
    rows = [
        [model.name, *(with_spread(model.mean(name), model.deviation(name)) for name in _PROBABILITIES.values())]
        for model in models
    ]
    return [
        "## Can the probabilities be believed?",
        _READING,
        table(["model", *_PROBABILITIES], rows, ["model"]),
        _shown(comparison, best),
        f"`{best.name}`: points below the line are overconfident.",
        f"![{best.name}: is it right as often as it is sure?](reliability.png)",
        "The first of each kind, and the next: how the accuracy rises if only the surest images are answered.",
        "![Answering only where sure](selective.png)",
    ]


def _shown(comparison: Comparison, best: ModelRuns) -> str:
    """Return which models the figures show, and what that does not say."""
    counts = sorted({model.first.header.data.validation_images for model in comparison.models})
    return (
        "The figures show those with the highest mean accuracy on validation images, first of all"
        f" `{best.name}`. Each has its own, the {' or '.join(f'{count:,}' for count in counts)} images that it held"
        " out itself, so that this says what to draw and not who is best: the champion (`champion.json`) is chosen by"
        " the rule in `params.yaml` on images that all candidates held out, and may be another. Here as there a"
        " committee whose members are the `best` of the line-up looks better by validation than it is: its rule is"
        " cross-fitted, but its members were chosen by the same images."
    )


def _classes(comparison: Comparison, best: ModelRuns) -> list[str]:
    """Return how well the best model tells each class."""
    rows = [
        [
            row.name,
            *map(number, (row.precision, row.recall, row.f1, row.auc, row.average_precision)),
            f"{row.confused_with}, {row.confused:,} of {row.images:,}" if row.confused else "",
        ]
        for row in comparison.classes[best.first.header.label]
    ]
    headings = ["class", "precision", "recall", "F1", "AUC", "average precision", "most often taken for"]
    return [
        "## Classes",
        f"Each class against the rest, by `{best.first.header.label}`. Precision: of what is called so, how much is so;"
        " recall: of what is so, how much is called so; F1: their harmonic mean.",
        table(headings, rows, ["class", "most often taken for"]),
    ]
