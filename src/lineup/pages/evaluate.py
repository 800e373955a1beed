"""Evaluate all records of the pipeline, and write the leaderboard, the evidence page, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lineup.evaluation.calibration import reliability_bins
from lineup.evaluation.curves import selective_accuracy_of
from lineup.evaluation.seeds import RecipePair
from lineup.evaluation.significance import Pair
from lineup.figures.leaderboard import leaderboard
from lineup.figures.pairs import significant_pairs
from lineup.figures.reliability import reliability_diagram
from lineup.figures.save import save_png
from lineup.figures.selective import selective_curves
from lineup.files import check_room, replacing_file
from lineup.pages.compare import Comparison, compare
from lineup.pages.evidence import evidence_markdown
from lineup.pages.leaderboard import METRICS, leaderboard_frame, leaderboard_markdown
from lineup.pages.markdown import device_of, figure_line, write_text
from lineup.records.compact import is_compact, predicted_classes
from lineup.records.model_runs import ModelRuns
from lineup.records.record import CONFUSION_COLUMNS, Record, read_confusion

CSV, PAGE, FIGURE = "leaderboard.csv", "leaderboard.md", "leaderboard.png"
EVIDENCE, RUNS, PAIRS, RUN_PAIRS = "evidence.md", "runs.csv", "pairs.csv", "run_pairs.csv"
CLASSES, CONFUSION = "per_class.csv", "confusion_matrix.csv"
CURVES = 5
"""Number of models in a figure with a curve per model."""
MOST_SHOWN = 60
"""Largest number of models in a figure with a row per model: more rows would be unreadable."""


def evaluate(records: Sequence[Record], folder: Path, *, most_shown: int = MOST_SHOWN) -> None:
    """Write the leaderboard and the evidence page, with all tables and figures.

    Parameters
    ----------
    records : sequence of Record
        At least one record. All records must be from the same data.
    folder : Path
        Output folder. It is created if it is missing, and other files in it are kept.
    most_shown : int, optional
        Largest number of models in a figure with a row per model. Default: 60.

    Raises
    ------
    LineupError
        If there are no records, if a record is incomplete, if two records were made from different data, or if the
        folder cannot be written.
    """
    check_room(folder / CSV)
    comparison = compare(records)
    frame = leaderboard_frame(comparison.models, comparison.ranks)
    shown = _models_with_curves(comparison)
    tables = {
        CSV: frame,
        RUNS: _runs(comparison),
        PAIRS: _rounded(_columns(comparison.pairs, RecipePair)),
        RUN_PAIRS: _rounded(_columns(comparison.run_pairs, Pair)),
        CLASSES: _classes(comparison),
        CONFUSION: _confusion(shown[0].first),
    }
    for name, table in tables.items():
        with replacing_file(folder / name) as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
    write_text(folder / PAGE, leaderboard_markdown(frame) + "\n")
    write_text(folder / EVIDENCE, evidence_markdown(comparison, shown[0], most_shown))
    _save_figures_of_models(comparison, frame, most_shown, folder)
    _save_curves(shown, folder)


def _runs(comparison: Comparison) -> pd.DataFrame:
    """Return a table with the metrics, seed, machine, commit and key of each run."""
    rows = [
        {
            "name": run.header.label,
            "model": model.name,
            "kind": run.header.kind,
            "seed": run.header.seed,
            **{metric: run.metrics[metric] for metric in METRICS},
            "training_seconds": run.runtime.training_seconds,
            "device": device_of(run),
            "host": run.runtime.machine.host,
            "git_commit": run.runtime.git_commit,
            "key": run.header.key,
        }
        for model in comparison.models
        for run in model.runs
    ]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def _columns(pairs: Sequence[Any], kind: Any) -> pd.DataFrame:
    """Return a table with a row for each pair.

    Build the table column by column, because this is fast even for a million pairs of runs.
    """
    return pd.DataFrame({field.name: [getattr(pair, field.name) for pair in pairs] for field in fields(kind)})


def _rounded(pairs: pd.DataFrame) -> pd.DataFrame:
    """Round the numbers in a table: p-values to four significant digits, and other numbers to six decimals.

    Examples
    --------
    >>> _rounded(pd.DataFrame({"difference": [0.12345678], "p": [0.00012345678]})).to_dict("list")
    {'difference': [0.123457], 'p': [0.0001235]}
    """
    for name in pairs.select_dtypes("float"):
        form = ".4g" if str(name).startswith("p") else ".6f"
        pairs[name] = [float(format(value, form)) for value in pairs[name]]
    return pairs


def _classes(comparison: Comparison) -> pd.DataFrame:
    """Return a table with one row for each class of each run."""
    rows = [
        {"run": run, "class": row.name} | {name: value for name, value in asdict(row).items() if name != "name"}
        for run, rows in comparison.classes.items()
        for row in rows
    ]
    return pd.DataFrame(rows).round(6)


def _confusion(run: Record) -> pd.DataFrame:
    """Convert a confusion matrix to a table for ``dvc plots``, with one row for each pair of classes."""
    classes, counts = run.header.data.classes, read_confusion(run)
    cells = [(classes[i], classes[j], int(count)) for (i, j), count in np.ndenumerate(counts)]
    return pd.DataFrame(cells, columns=CONFUSION_COLUMNS)


def _models_with_curves(comparison: Comparison) -> list[ModelRuns]:
    """Choose the models for the figures with curves.

    The best model of each kind comes first. The best of the other models follow.
    """
    ranked = comparison.by_validation()
    best = {model.first.header.kind: model for model in reversed(ranked)}
    others = [model for model in ranked if model not in best.values()]
    chosen = [*best.values(), *others[: CURVES - len(best)]]
    return sorted(chosen, key=ranked.index)


def _save_figures_of_models(comparison: Comparison, frame: pd.DataFrame, most_shown: int, folder: Path) -> None:
    """Save the figures with a row per model. They show the most accurate models only."""
    subtitle = figure_line(comparison.models[0].first.header.data)
    if len(frame) > most_shown:
        subtitle += f"; the {most_shown:,} most accurate of {len(frame):,} models"
    save_png(leaderboard(frame.head(most_shown), subtitle=subtitle), folder / FIGURE)
    accuracies = comparison.accuracies()
    shown = {name: accuracies[name] for name in list(comparison.ranks)[:most_shown]}
    pairs = [pair for pair in comparison.pairs if pair.a in shown and pair.b in shown]
    figure = significant_pairs(shown, pairs, title="Which models differ significantly", subtitle=subtitle)
    save_png(figure, folder / "pairs.png")


def _save_curves(models: Sequence[ModelRuns], folder: Path) -> None:
    """Save the figures with a curve per model. Each curve shows the first run of a model."""
    subtitle = figure_line(models[0].first.header.data)
    found = {model.name: predicted_classes(model.first) for model in models}
    curves = {name: selective_accuracy_of(classes.confidence, classes.correct()) for name, classes in found.items()}
    save_png(selective_curves(curves, title="Accuracy by coverage", subtitle=subtitle), folder / "selective.png")
    best = models[0].first
    if is_compact(best):
        return  # the calibration needs the probabilities of all classes; the evidence page says so
    scores = best.predictions().test
    diagram = reliability_diagram(
        reliability_bins(scores.probabilities, scores.labels),
        error=best.metrics["test_ece"],
        title=f"{models[0].name}: accuracy by confidence",
        subtitle=subtitle,
    )
    save_png(diagram, folder / "reliability.png")
