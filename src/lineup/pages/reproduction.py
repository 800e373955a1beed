"""Write the page that shows which published results are reproduced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lineup.data.datasets import class_slug
from lineup.errors import count
from lineup.evaluation.seeds import RecipePair
from lineup.pages.markdown import DASH, data_line, number, origin, p_value, span, table, with_spread
from lineup.published.claims import format_score, load_claims
from lineup.records.model_runs import ModelRuns

if TYPE_CHECKING:
    from lineup.pages.verdict import Verdict

LONG_SECONDS = 600
"""Training time in seconds. Models that take longer are trained with one seed."""

_RULE = """\
A published accuracy is *reproduced* if it differs from our accuracy by at most the tolerance. Otherwise, our result is
*better* or *worse*. The tolerance is

    h + 1.96 √(e(p)² + e(m)² + s² (1 + 1/k))

Here p is the published accuracy, m is our mean accuracy over k seeds, and s is the standard deviation of the accuracy
between seeds. The rounding error h is half a unit of the last published digit. The standard error of an accuracy x on n
test images is e(x) = √(x (1 - x) / n). The formula treats the two accuracies as independent. In fact, both come from
the same test images, so the tolerance is too large. If a report gives a range of accuracies, p is the value in this
range that is nearest to our accuracy. The 95 % interval is a Wilson confidence interval. The interval accounts for the
choice of the test images, but not for the choice of the seeds. The pipeline does not use the test images for
validation."""

_PAPER = """\
Table 3 of the dataset's paper (arXiv:1708.07747) contains results for the classical models of report E. The authors of
the paper train on all training images and standardise each pixel. The authors shuffle the images up to five times, and
average the accuracies. `benchmarks/classical.py` fits the same models with the same settings. All other settings have
the default values of scikit-learn in 2017. The column *shuffles* states how often the images were shuffled. The
benchmark scales and shuffles the images, and computes the accuracy, like the authors' script `benchmark/runner.py` in
the repository of the dataset.

The paper does not state which version of the images was used. The first version of the paper appeared on 25 August
2017. On 31 August 2017, issue 44 of the dataset's repository reported duplicate images. Some images were in both the
training set and the test set. The authors later replaced these images. Duplicates would make the published
accuracies higher, but most accuracies in the paper are lower than ours. If the paper had used a completely different
test set, this would explain only differences of up to about 0.009. This value is √2 · 1.96 times the standard error of
an accuracy of 0.88."""

_OTHER_SETTINGS = """\
The standard error of the difference includes both the variation between images and the variation between seeds. The
p-value is the probability of a difference of at least this size if both models are equally good. Holm's method corrects
the p-value for the number of pairs in this section. `reports/evidence.md` describes the test."""

_THAN = {"better": "higher", "worse": "lower"}
_BESIDE_RECALL = {"reproduced": "agrees with", "better": "is higher than", "worse": "is lower than"}

_OTHERS_OF = {
    "experiments": "The next table shows experiments that help to explain a difference:",
    "variants": "The next table shows variants that the reports suggest as future work:",
}

_VALIDATING_ON_TEST = """\
Reports B and C used the test set for validation, and report A used the test set to validate its encoder. Validation on
the test set increases the test accuracy for two reasons. First, no training images are held out. Second, one can choose
the epoch with the best test accuracy. `benchmarks/validating_on_test.py` trains each network with and without held-out
images. The benchmark measures the test accuracy after each epoch. The pipeline never uses the test images during
training. The baseline is the test accuracy after the last epoch of a training run with held-out images. The column
*gain* contains the mean difference from the baseline over the seeds. The column *standard error* contains the standard
error of the gain.
"""


def reproduction_markdown(
    models: Mapping[str, ModelRuns],
    verdicts: Sequence[Verdict],
    variants: Sequence[RecipePair],
    measurements: Mapping[str, Any],
) -> str:
    """Return a Markdown page that compares our results with the published results.

    Parameters
    ----------
    models : mapping of str to ModelRuns
        Models and committees by name.
    verdicts : sequence of Verdict
        Verdicts on all models with a published result. Empty if the reports did not use these data.
    variants : sequence of RecipePair
        Comparison of each experiment or variant, ``a``, with the original model, ``b``.
    measurements : mapping of str to mapping
        Results of ``benchmarks/classical.py`` and ``benchmarks/validating_on_test.py`` by file name, as read from JSON.
        Results from other data are ignored.
    """
    data = next(iter(models.values())).first.header.data
    runs = [run for model in models.values() for run in model.runs]
    same = {name: result for name, result in measurements.items() if result["data"]["fingerprint"] == data.fingerprint}
    if verdicts:
        body = [
            *_accuracies(verdicts),
            *_differences(verdicts),
            *_contradictions(verdicts),
            *_other_figures(verdicts),
            *_by_epoch(verdicts),
            *_scores_by_class(verdicts),
            *_other_settings(models, verdicts, variants),
            *_validating_on_test([result for name, result in same.items() if name.startswith("validating_on_test-")]),
            *_paper(same.get("classical")),
        ]
    else:
        body = ["The published reports did not use these data, so this page shows only our results.", _ours(models)]
    head = [
        "# Reproduction",
        "This page compares our results with the results of five published reports. `lineup reproduce` writes this page"
        " from the records and from the published results in `src/lineup/published/claims.yaml`.",
        data_line(data.title, data.test_images, generated=data.generated),
    ]
    return "\n\n".join([*head, *body, "## Where the results come from", origin(runs)]) + "\n"


def _accuracies(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the section that compares the accuracies and explains the verdicts."""
    counts = Counter(verdict.word for verdict in verdicts)
    contradictory = sum(verdict.claim.contradiction is not None for verdict in verdicts)
    headings = ["model", "report", "published", "ours", "seeds", "95 % interval", "difference", "tolerance", "verdict"]
    dataset = verdicts[0].model.first.header.data.name
    absent = sorted(set(load_claims(dataset)) - {verdict.model.name for verdict in verdicts})
    return [
        f"We reproduce {counts['reproduced']} of {count(len(verdicts), 'published result')}. Our accuracy is better in"
        f" {count(counts['better'], 'case')} and worse in {count(counts['worse'], 'case')}. In"
        f" {count(contradictory, 'case')}, a report contradicts itself.",
        "## Accuracy",
        _RULE,
        _seed_spreads(verdicts),
        table(headings, [_accuracy_row(verdict) for verdict in verdicts], ["model", "report", "verdict"]),
        *_single_seeds(verdicts),
        *([f"The following published models are not in `params.yaml`: {', '.join(absent)}."] if absent else []),
    ]


def _accuracy_row(verdict: Verdict) -> list[str]:
    model, claim = verdict.model, verdict.claim
    word = f"{verdict.word}; contradicts itself" if claim.contradiction else verdict.word
    return [
        model.name,
        claim.report,
        claim.text,
        _accuracy(model),
        str(len(model.runs)),
        span(*verdict.interval),
        number(verdict.difference, "+.4f"),
        number(verdict.tolerance),
        word,
    ]


def _seed_spreads(verdicts: Sequence[Verdict]) -> str:
    """Return a paragraph that states the standard deviations between seeds."""
    spreads = {verdict.model.first.header.kind: verdict.spread for verdict in verdicts}
    found = ", ".join(f"{spread:.4f} ({kind})" for kind, spread in spreads.items())
    return (
        "Three seeds are too few to estimate the standard deviation of one model. We therefore pool the standard"
        " deviation over all models of the same kind that have several seeds. Networks and committees are"
        f" treated as one kind. The values of s are {found}."
    )


def _single_seeds(verdicts: Sequence[Verdict]) -> list[str]:
    """Explain why some models have only one seed."""
    single = [verdict.model for verdict in verdicts if len(verdict.model.runs) == 1]
    long, certain = [], []
    for model in single:
        if (seconds := model.training_seconds or 0) > LONG_SECONDS:
            long.append(f"{model.name} ({seconds / 60:.0f} min)")
        elif model.first.header.kind == "classical":
            certain.append(model.name)
    sentences = []
    if long:
        sentences.append(
            f"The following models have only one seed, because their training takes more than {LONG_SECONDS // 60}"
            f" minutes: {', '.join(long)}."
        )
    if certain:
        sentences.append(
            "The following models have only one seed, because the seed hardly affects their results:"
            f" {', '.join(certain)}."
        )
    return [" ".join(sentences)] if sentences else []


def _differences(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the section that explains the results that were not reproduced."""
    lines = []
    for verdict in verdicts:
        if verdict.word == "reproduced":
            continue
        claim = verdict.claim
        texts = [
            claim.why or "this difference is not explained yet",
            *([f"The report {claim.remark}"] if claim.remark else []),
        ]
        sentences = " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in texts)
        lines.append(
            f"- **{verdict.model.name}**: our accuracy is {abs(verdict.difference):.4f} {_THAN[verdict.word]} than the"
            f" published accuracy. {sentences}"
        )
    return ["## Differences", "\n".join(lines)] if lines else []


def _contradictions(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the section that lists contradictions in the published reports."""
    lines = [
        f"- **{verdict.model.name}**, report {verdict.claim.report}: {verdict.claim.contradiction}."
        + (f" Our accuracy {_BESIDE_RECALL[other.word]} the published recall." if (other := verdict.by_recall) else "")
        for verdict in verdicts
        if verdict.claim.contradiction
    ]
    return ["## Contradictions in the reports", "\n".join(lines)] if lines else []


_OTHERS = {
    "loss": "test_loss",
    "precision": "test_macro_precision",
    "recall": "test_macro_recall",
    "f1": "test_macro_f1",
}


def _other_figures(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the section that compares all other published results with ours."""
    rows = []
    for verdict in verdicts:
        claim, model = verdict.claim, verdict.model
        cells = [_beside(getattr(claim, name), model.mean(metric)) for name, metric in _OTHERS.items()]
        cells.append(f"{claim.seconds:.0f} / {_classifier_seconds(model):.0f}" if claim.seconds else "")
        if any(cells):
            rows.append([model.name, *cells])
    if not rows:
        return []
    headings = ["model", "loss", "precision", "recall", "F1", "training, s"]
    return [
        "## Other published results",
        "Each cell contains the published value and our mean over the seeds. Precision, recall and F1 are macro"
        " averages. The training times were measured on different machines, and our machine was running other programs"
        " at the same time. If a model has an encoder, its training time includes only the training of the"
        " classifier. Our training time does not include the time that the encoder needs for the images.",
        table(headings, rows, ["model"]),
    ]


def _by_epoch(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a table that compares our training and validation accuracies with the published accuracies."""
    rows = []
    for verdict in verdicts:
        claim = verdict.claim
        if claim.train_accuracy is None and claim.val_accuracy is None:
            continue
        epochs = [[row for row in run.history if row.phase == "classifier"] for run in verdict.model.runs]
        # Epochs count from 1, so 0 - 1 is the last one. No later than our last epoch.
        at = min(claim.train_epoch or 0, *map(len, epochs))
        trained = _beside(claim.train_accuracy, fmean(history[at - 1].accuracy for history in epochs))
        rows.append(
            [
                verdict.model.name,
                f"{trained} (epoch {at})" if at else trained,
                _beside(claim.val_accuracy, verdict.model.mean("val_accuracy")),
                _beside(claim.best_val_accuracy, fmean(max(row.val_accuracy for row in history) for history in epochs)),
            ]
        )
    if not rows:
        return []
    headings = ["model", "last epoch, training", "last epoch, validation", "best epoch, validation"]
    return [
        "The next table shows the accuracies in the last epoch and in the best epoch (published / ours).",
        table(headings, rows, ["model"]),
    ]


def _beside(theirs: float | None, ours: float) -> str:
    """Format a published value and our value. If no value is published, return an empty string.

    Examples
    --------
    >>> _beside(0.92, 0.91067)
    '0.92 / 0.9107'
    """
    return f"{format_score(theirs)} / {number(ours)}" if theirs else ""


def _classifier_seconds(model: ModelRuns) -> float:
    """Return the mean training time of the classifier, in seconds."""
    times = [run.runtime for run in model.runs]
    return fmean(time.phase_seconds.get("classifier", time.training_seconds) for time in times)


def _scores_by_class(verdicts: Sequence[Verdict]) -> list[str]:
    """Return tables that compare the published scores of each class with our scores."""
    sections = []
    for title, metric in (("F1 score", "f1"), ("recall", "recall")):
        rows = [
            [verdict.model.name, *_class_cells(verdict.model, metric, published)]
            for verdict in verdicts
            if (published := getattr(verdict.claim, f"{metric}_by_class"))
        ]
        if rows:
            classes = verdicts[0].model.first.header.data.classes
            sections.append(f"The next table shows the {title} for each class (published / ours).")
            sections.append(table(["model", *classes], rows, ["model"]))
    return sections


def _class_cells(model: ModelRuns, metric: str, published: Sequence[float | None]) -> list[str]:
    """Format the published score and our score for each class. If no score is published, the cell is empty."""
    ours = [model.mean(f"test_{metric}/{class_slug(name)}") for name in model.first.header.data.classes]
    digits = 2 if all(round(theirs, 2) == theirs for theirs in published if theirs) else 3
    return [
        f"{theirs:.{digits}f} / {our:.{digits}f}" if theirs else "" for theirs, our in zip(published, ours, strict=True)
    ]


def _other_settings(
    models: Mapping[str, ModelRuns], verdicts: Sequence[Verdict], variants: Sequence[RecipePair]
) -> list[str]:
    """Return the section that compares experiments and variants with the original models."""
    claims = {verdict.model.name: verdict.claim for verdict in verdicts}
    headings = ["model", "published", "ours", "variant", "what it changes", "its accuracy", "seeds", "difference"]
    headings += ["standard error", "p", "p, corrected"]
    sections = []
    for kind, title in _OTHERS_OF.items():
        rows = [
            [
                pair.b,
                claims[pair.b].text,
                _accuracy(models[pair.b]),
                pair.a,
                changed,
                _accuracy(models[pair.a]),
                str(len(models[pair.a].runs)),
                number(pair.difference, "+.4f"),
                number(pair.error),
                p_value(pair.p),
                p_value(pair.p_holm),
            ]
            for pair in variants
            if (changed := getattr(claims[pair.b], kind).get(pair.a))
        ]
        if rows:
            sections += [title, table(headings, rows, ["model", "variant", "what it changes"])]
    return ["## Other settings", _OTHER_SETTINGS, *sections] if sections else []


def _validating_on_test(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the section about validation on the test set."""
    if not measured:
        return []
    sections = ["## How much does validating on the test set gain?", _VALIDATING_ON_TEST]
    for result in measured:
        settings, rows = result["settings"], result["rows"]
        machine = f"{result['machine']['cpu_model']}, {count(settings['threads'], 'thread')}"
        amounts = f"{count(settings['seeds'], 'seed')}, {count(settings['epochs'], 'epoch')}"
        sections.append(f"`{settings['network']}` ({settings['parameters']:,} parameters), {amounts}, {machine}:")
        words = [name for name, value in rows[0].items() if isinstance(value, str)]
        cells = [[_value(value) for value in row.values()] for row in rows]
        sections.append(table(list(rows[0]), cells, words))
    return sections


def _paper(result: Mapping[str, Any] | None) -> list[str]:
    """Return the section that compares our classical models with the paper about the dataset."""
    if result is None:
        return []
    rows = [
        [
            row["row"],
            f"{row['published']:.3f}",
            number(row["accuracy"]),
            str(len(row["accuracies"])),
            number(row["difference"], "+.4f"),
            f"{row['tolerance']:.3f}",
            "within" if row["within"] else "outside",
        ]
        for row in result["rows"]
    ]
    outside = [f"- **{row['row']}**: {row['note']}" for row in result["rows"] if row["note"]]
    missing = ", ".join(f"{name} ({published:.3f})" for name, published in result["missing"].items())
    headings = ["classifier", "published", "ours", "shuffles", "difference", "tolerance", "verdict"]
    return [
        "## Classical models in the paper of the dataset",
        _PAPER,
        table(headings, rows, ["classifier", "verdict"]),
        *(["\n".join(outside)] if outside else []),
        *([f"The benchmark has not yet fitted the following published models: {missing}."] if missing else []),
    ]


def _value(value: str | float | None) -> str:
    return value if isinstance(value, str) else number(value)


def _ours(models: Mapping[str, ModelRuns]) -> str:
    """Return a table of our results only."""
    rows = [
        [model.name, model.first.header.report or DASH, _accuracy(model), str(len(model.runs))]
        for model in models.values()
    ]
    return table(["model", "report", "ours", "seeds"], rows, ["model", "report"])


def _accuracy(model: ModelRuns) -> str:
    return with_spread(model.mean("test_accuracy"), model.deviation("test_accuracy"))
