"""The page of the reproduction: which published figures come out again, which do not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lineup.data.datasets import class_slug
from lineup.evaluation.seeds import RecipePair
from lineup.pages.markdown import DASH, data_line, number, origin, p_value, span, table, with_spread
from lineup.published.claims import in_digits, load_claims
from lineup.records.model_runs import ModelRuns

if TYPE_CHECKING:
    from lineup.pages.reproduce import Verdict

LONG_SECONDS = 600
"""A model that trains longer has one seed."""

_RULE = """\
A difference counts as chance while it is at most h + 1.96 √(e(p)² + e(m)² + s² (1 + 1/k)): the figure is then
*reproduced*; otherwise ours is *better* or *worse*. Here p is the published accuracy and h half a unit of its last
digit; m is the mean of ours over k seeds; s is the standard deviation between seeds; e(x) = √(x (1 - x) / n) is the
standard error of an accuracy on n test images. Both sides were measured on the same images, which this does not allow
for: in that the band is rather too wide than too narrow. Of a published range p is the nearest end. The interval is
what so many images allow around our mean (Wilson, 95 %). Nothing of ours was validated on the test images."""

_PAPER = """\
Report E's classical models have counterparts in table 3 of the paper of the data set (arXiv:1708.07747), which gives
all settings: all 60,000 training images, each pixel standardised, the mean over up to five shuffled repetitions.
`benchmarks/classical.py` fits the same with these settings, and with the defaults that scikit-learn had in 2017, in as
many shuffles as the table says; the authors' own script (`benchmark/runner.py` in the repository of the data set)
scales, shuffles and scores in the same way. The data need not be the same: duplicates and images that were in both sets
were reported on 31 August 2017 (issue 44 of that repository), six days after the paper's first version, and have been
replaced since. Which images the paper's table was measured on it does not say; but images in both sets make a test
easier, while most of its accuracies are lower than ours. Were its test images all others, their draw alone would
explain differences of up to about 0.009 (95 %, √2 · 1.96 standard errors of an accuracy of 0.88 on 10,000 images)."""

_OTHER_SETTINGS = """\
The standard error is that of the difference, by the draw of the images and by that of the seeds together; p is the
probability of so large a difference if there is none, and is corrected for all pairs of these tables (Holm).
`reports/evidence.md` says how that is reckoned."""

_OTHERS_OF = {
    "experiments": "Experiments that shed light on a difference:",
    "variants": "What the reports call future work:",
}

_VALIDATING_ON_TEST = """\
Reports B and C, and A for its encoder, validated on the test set. That leaves all 60,000 training images to train on,
and the epoch that is reported may be the one that scored best on the test images. `benchmarks/validating_on_test.py`
trains with and without a hold-out and scores the test images after each epoch, which the pipeline never does. The gain
is over the last epoch of the training with a hold-out: mean over the seeds ± its standard error.

Report C does not say either whether its convolutions are padded. Ours are not. With padding more of the image is left
after the last pooling, so that the network has more parameters."""


def reproduction_markdown(
    models: Mapping[str, ModelRuns],
    verdicts: Sequence[Verdict],
    variants: Sequence[RecipePair],
    measurements: Mapping[str, Any],
) -> str:
    """Return the page.

    Parameters
    ----------
    models : mapping of str to ModelRuns
        Models and committees by name.
    verdicts : sequence of Verdict
        Of those of which something is published; none on generated data, of which the page then says so.
    variants : sequence of RecipePair
        Each model that is another one with other settings, ``a``, with that one, ``b``, which has a verdict.
    measurements : mapping of str to mapping
        Result files of ``benchmarks/classical.py`` and ``benchmarks/validating_on_test.py`` by name, as read from JSON.
        Those of other data are left out.
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
        body = ["Published figures cannot be compared with these. Our results alone:", _ours(models)]
    head = [
        "# Reproduction",
        "What five published reports claim, beside what comes out here. `lineup reproduce` writes this page from the"
        " records and from the published figures in `src/lineup/published/claims.yaml`.",
        data_line(data.name, data.test_images),
    ]
    return "\n\n".join([*head, *body, "## Where the figures come from", origin(runs)]) + "\n"


def _accuracies(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the main table, with the rule of its verdicts."""
    counts = Counter(verdict.word for verdict in verdicts)
    contradictory = sum(verdict.claim.contradiction is not None for verdict in verdicts)
    headings = ["model", "report", "published", "ours", "seeds", "95 % interval", "difference", "band", "verdict"]
    absent = sorted(set(load_claims()) - {verdict.model.name for verdict in verdicts})
    return [
        f"Of {len(verdicts)} published accuracies {counts['reproduced']} are reproduced; ours is better than"
        f" {counts['better']} and worse than {counts['worse']}. Beside {contradictory} of them the report contradicts"
        " itself.",
        "## Accuracy",
        _RULE,
        _seed_spreads(verdicts),
        table(headings, [_accuracy_row(verdict) for verdict in verdicts], ["model", "report", "verdict"]),
        *_single_seeds(verdicts),
        *([f"Not in this line-up: {', '.join(absent)}."] if absent else []),
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
        number(verdict.band),
        word,
    ]


def _seed_spreads(verdicts: Sequence[Verdict]) -> str:
    """Return the sentence that says which standard deviations between seeds were reckoned with."""
    spreads = {verdict.model.first.header.kind: verdict.spread for verdict in verdicts}
    found = ", ".join(f"{spread:.4f} ({kind})" for kind, spread in spreads.items())
    return (
        "Three seeds of one model say little about how far others would be, so that s is that of all models of a kind"
        f" that have several seeds, pooled: {found}."
    )


def _single_seeds(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the sentences that say why some models have one seed."""
    single = [verdict.model for verdict in verdicts if len(verdict.model.runs) == 1]
    long, certain = [], []
    for model in single:
        if (seconds := model.training_seconds or 0) > LONG_SECONDS:
            long.append(f"{model.name} ({seconds / 60:.0f} min)")
        elif model.first.header.kind == "classical":
            certain.append(model.name)
    sentences = []
    if long:
        sentences.append(f"One seed, since a training takes more than {LONG_SECONDS // 60} minutes: {', '.join(long)}.")
    if certain:
        sentences.append(f"One seed, since chance has little or no part in fitting them: {', '.join(certain)}.")
    return [" ".join(sentences)] if sentences else []


def _differences(verdicts: Sequence[Verdict]) -> list[str]:
    """Return why each figure that is not reproduced is not."""
    lines = []
    for verdict in verdicts:
        if verdict.word == "reproduced":
            continue
        claim = verdict.claim
        texts = [claim.why or "Not explained yet", *([f"The report {claim.remark}"] if claim.remark else [])]
        sentences = " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in texts)
        lines.append(
            f"- **{verdict.model.name}** comes out {verdict.word} by {abs(verdict.difference):.4f}. {sentences}"
        )
    return ["## Where they differ", "\n".join(lines)] if lines else []


def _contradictions(verdicts: Sequence[Verdict]) -> list[str]:
    """Return which published figures contradict each other."""
    lines = [
        f"- **{verdict.model.name}**, report {verdict.claim.report}: {verdict.claim.contradiction}."
        + (f" Were the recall the accuracy, ours would be: {other.word}." if (other := verdict.by_recall) else "")
        for verdict in verdicts
        if verdict.claim.contradiction
    ]
    return ["## Where the reports contradict themselves", "\n".join(lines)] if lines else []


_OTHERS = {
    "loss": "test_loss",
    "precision": "test_macro_precision",
    "recall": "test_macro_recall",
    "f1": "test_macro_f1",
}


def _other_figures(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the published figures beside accuracy, each with ours."""
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
        "## Other published figures",
        "Published / ours: the mean over the seeds. Precision, recall and F1 are macro averages. The times are of"
        " different machines, ours with other work beside them; that of an encoder's classifier is without the training"
        " of the encoder, and ours without the images' passing through it, which happens once.",
        table(headings, rows, ["model"]),
    ]


def _by_epoch(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the published training and validation accuracies, with ours."""
    rows = []
    for verdict in verdicts:
        claim = verdict.claim
        if claim.train_accuracy is None and claim.val_accuracy is None:
            continue
        epochs = [[row for row in run.history if row.phase == "classifier"] for run in verdict.model.runs]
        # From 1, so that 0 - 1 is the last one; no later than the last one of ours.
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
    return ["Accuracy by epoch, published / ours:", table(headings, rows, ["model"])]


def _beside(theirs: float | None, ours: float) -> str:
    """Return a published share or loss and ours; empty where nothing is published."""
    return f"{in_digits(theirs)} / {number(ours)}" if theirs else ""


def _classifier_seconds(model: ModelRuns) -> float:
    """Return the mean wall time of training the classifier."""
    times = [run.runtime for run in model.runs]
    return fmean(time.phase_seconds.get("classifier", time.training_seconds) for time in times)


def _scores_by_class(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the published scores of each class, with ours."""
    sections = []
    for title, metric in (("F1", "f1"), ("Recall", "recall")):
        rows = [
            [verdict.model.name, *_class_cells(verdict.model, metric, published)]
            for verdict in verdicts
            if (published := getattr(verdict.claim, f"{metric}_by_class"))
        ]
        if rows:
            classes = verdicts[0].model.first.header.data.classes
            sections += [f"{title} by class, published / ours:", table(["model", *classes], rows, ["model"])]
    return sections


def _class_cells(model: ModelRuns, metric: str, published: Sequence[float | None]) -> list[str]:
    """Return a published score and ours for each class; empty where nothing is published."""
    ours = [model.mean(f"test_{metric}/{class_slug(name)}") for name in model.first.header.data.classes]
    digits = 2 if all(round(theirs, 2) == theirs for theirs in published if theirs) else 3
    return [
        f"{theirs:.{digits}f} / {our:.{digits}f}" if theirs else "" for theirs, our in zip(published, ours, strict=True)
    ]


def _other_settings(
    models: Mapping[str, ModelRuns], verdicts: Sequence[Verdict], variants: Sequence[RecipePair]
) -> list[str]:
    """Return the results of models that are another one with other settings, beside that one."""
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
    """Return what validating on the test set gains by itself, as the benchmark measured it."""
    if not measured:
        return []
    sections = ["## What does validating on the test set gain?", _VALIDATING_ON_TEST]
    for result in measured:
        settings, rows = result["settings"], result["rows"]
        machine = f"{result['machine']['cpu_model']}, {settings['threads']} thread{'s' * (settings['threads'] > 1)}"
        padded = settings.get("padding") == "same"
        padding = f" with padded convolutions ({settings['parameters']:,} parameters)" if padded else ""
        seeds = f"{settings['seeds']} seed{'s' * (settings['seeds'] > 1)}"
        sections.append(f"`{settings['network']}`{padding}, {seeds}, {settings['epochs']} epochs, {machine}:")
        words = [name for name, value in rows[0].items() if isinstance(value, str)]
        cells = [[_value(value) for value in row.values()] for row in rows]
        sections.append(table(list(rows[0]), cells, words))
    return sections


def _paper(result: Mapping[str, Any] | None) -> list[str]:
    """Return how the classical models of the data set's paper come out, as the benchmark measured it."""
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
        "## The classical models of the data set's paper",
        _PAPER,
        table(headings, rows, ["classifier", "verdict"]),
        *(["\n".join(outside)] if outside else []),
        *([f"Published and not fitted yet: {missing}."] if missing else []),
    ]


def _value(value: str | float | None) -> str:
    return value if isinstance(value, str) else number(value)


def _ours(models: Mapping[str, ModelRuns]) -> str:
    """Return our results without published ones."""
    rows = [
        [model.name, model.first.header.report or DASH, _accuracy(model), str(len(model.runs))]
        for model in models.values()
    ]
    return table(["model", "report", "ours", "seeds"], rows, ["model", "report"])


def _accuracy(model: ModelRuns) -> str:
    return with_spread(model.mean("test_accuracy"), model.deviation("test_accuracy"))
