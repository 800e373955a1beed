"""Compare all records of the pipeline: the leaderboard, the evidence behind it, and the tables of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd

from lineup.evaluation.calibration import reliability_bins
from lineup.evaluation.curves import selective_accuracy
from lineup.evaluation.seeds import RecipePair
from lineup.evaluation.significance import Pair
from lineup.figures.leaderboard import leaderboard
from lineup.figures.pairs import told_apart
from lineup.figures.reliability import reliability_diagram
from lineup.figures.save import save_png
from lineup.figures.selective import selective_curves
from lineup.files import check_room, replacing_file
from lineup.pages.compare import Comparison, compare
from lineup.pages.evidence import evidence_markdown
from lineup.pages.leaderboard import METRICS, leaderboard_frame, leaderboard_markdown
from lineup.pages.markdown import device_of, figure_line, write_text
from lineup.records.model_runs import ModelRuns
from lineup.records.record import Record

CSV, PAGE, FIGURE = "leaderboard.csv", "leaderboard.md", "leaderboard.png"
EVIDENCE, RUNS, PAIRS, RECIPES, CLASSES = "evidence.md", "runs.csv", "pairs.csv", "recipes.csv", "per_class.csv"
DRAWN = 5
"""So many models have a line in a figure of curves."""
MOST_DRAWN = 60
"""So many models, the most accurate ones, are in a figure with a row per model: with more, nobody could read it."""


def evaluate(records: Sequence[Record], folder: Path, *, most_drawn: int = MOST_DRAWN) -> None:
    """Write the leaderboard, the page of evidence, their tables and figures.

    Parameters
    ----------
    records : sequence of Record
        At least one, all of the same data.
    folder : Path
        Made if it is missing; other files in it are left alone.
    most_drawn : int, optional
        Most models in a figure that has a row per model. Default 60.

    Raises
    ------
    LineupError
        If there are no records, one is incomplete, or two were made from different data. If the folder cannot be
        written to.
    """
    check_room(folder / CSV)
    comparison = compare(records)
    frame = leaderboard_frame(comparison.models, comparison.ranks)
    tables = {
        CSV: frame,
        RUNS: _runs(comparison),
        PAIRS: _pairs(comparison),
        RECIPES: _recipes(comparison),
        CLASSES: _classes(comparison),
    }
    for name, table in tables.items():
        with replacing_file(folder / name) as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
    write_text(folder / PAGE, leaderboard_markdown(frame) + "\n")
    drawn = _drawn(comparison)
    write_text(folder / EVIDENCE, evidence_markdown(comparison, drawn[0], most_drawn))
    _draw_models(comparison, frame, most_drawn, folder)
    _draw_curves(drawn, folder)


def _runs(comparison: Comparison) -> pd.DataFrame:
    """Return a row for each run: where it comes from, and its metrics."""
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


def _pairs(comparison: Comparison) -> pd.DataFrame:
    """Return a row for each pair of runs; the correction among models is for those of their first runs alone."""
    # Without their order: a repeat before its model in params.yaml turns a pair of first runs.
    label = {model.name: model.first.header.label for model in comparison.models}
    among_models = {frozenset((label[pair.a], label[pair.b])): pair.p_holm for pair in comparison.pairs}
    frame = _columns(comparison.run_pairs, Pair)
    frame = frame.rename(columns={"p_holm": "p_holm_runs"})
    frame["p_holm_models"] = [among_models.get(frozenset((pair.a, pair.b)), math.nan) for pair in comparison.run_pairs]
    return _rounded(frame)


def _recipes(comparison: Comparison) -> pd.DataFrame:
    """Return a row for each pair of models with several seeds."""
    return _rounded(_columns(comparison.recipes, RecipePair))


def _columns(pairs: Sequence[Any], kind: Any) -> pd.DataFrame:
    """Return a table column by column: pandas makes a dictionary for each row, of which there may be a million."""
    return pd.DataFrame({field.name: [getattr(pair, field.name) for pair in pairs] for field in fields(kind)})


def _rounded(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return a table of pairs with as many digits as tell something: there are thousands of them."""
    for name in pairs.select_dtypes("float"):
        form = ".4g" if str(name).startswith("p") else ".6f"
        pairs[name] = [float(format(value, form)) for value in pairs[name]]
    return pairs


def _classes(comparison: Comparison) -> pd.DataFrame:
    """Return a row for each class of each run."""
    rows = [
        {"run": run, "class": row.name} | {name: value for name, value in asdict(row).items() if name != "name"}
        for run, rows in comparison.classes.items()
        for row in rows
    ]
    return pd.DataFrame(rows).round(6)


def _drawn(comparison: Comparison) -> list[ModelRuns]:
    """Return the models that have a line in figures, by validation: the best of each kind and the best of the rest."""
    ranked = comparison.by_validation()
    best = {model.first.header.kind: model for model in reversed(ranked)}
    others = [model for model in ranked if model not in best.values()]
    chosen = [*best.values(), *others[: DRAWN - len(best)]]
    return sorted(chosen, key=ranked.index)


def _draw_models(comparison: Comparison, frame: pd.DataFrame, most_drawn: int, folder: Path) -> None:
    """Write the figures with a row per model, of the most accurate models."""
    subtitle = figure_line(comparison.models[0].first.header.data)
    if len(frame) > most_drawn:
        subtitle += f"; the {most_drawn:,} most accurate of {len(frame):,} models"
    save_png(leaderboard(frame.head(most_drawn), subtitle=subtitle), folder / FIGURE)
    accuracies = comparison.first_accuracies()
    shown = {name: accuracies[name] for name in list(comparison.ranks)[:most_drawn]}
    pairs = [pair for pair in comparison.pairs if pair.a in shown and pair.b in shown]
    save_png(told_apart(shown, pairs, title="Which models differ", subtitle=subtitle), folder / "pairs.png")


def _draw_curves(drawn: Sequence[ModelRuns], folder: Path) -> None:
    """Write the figures with a curve per model, of a few models."""
    subtitle = figure_line(drawn[0].first.header.data)
    curves, bins = {}, []
    for model in drawn:
        predictions = model.first.predictions()
        curves[model.name] = selective_accuracy(predictions.test_probabilities, predictions.test_labels)
        bins.append(reliability_bins(predictions.test_probabilities, predictions.test_labels))
    save_png(selective_curves(curves, title="Answering only where sure", subtitle=subtitle), folder / "selective.png")
    diagram = reliability_diagram(
        bins[0],
        error=drawn[0].first.metrics["test_ece"],
        title=f"{drawn[0].name}: is it right as often as it is sure?",
        subtitle=subtitle,
    )
    save_png(diagram, folder / "reliability.png")
