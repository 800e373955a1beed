"""Collect the content of the HTML report from the records, in dictionaries and lists.

Examples
--------
>>> points = [{"cost": 10.0, "accuracy": 0.91}, {"cost": 20.0, "accuracy": 0.90}, {"cost": 30.0, "accuracy": 0.92}]
>>> [point["cost"] for point in with_front(points) if point["front"]]
[10.0, 30.0]
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lineup.committee.champion import Champion
from lineup.committee.model import ANALYSIS, read_analysis
from lineup.data.dataset import Dataset
from lineup.data.duplicates import Duplicates
from lineup.errors import LineupError
from lineup.pages.committee_cost import cost_tables, prediction_points
from lineup.pages.compare import Comparison, compare
from lineup.pages.group_comparison import compare_matched
from lineup.pages.group_tables import (
    ACCURACY_TEXT,
    COST_TEXT,
    DIFFERENCES_TEXT,
    accuracy_table,
    cost_table,
    difference_table,
    groups_table,
    noise_line,
    other_differences,
)
from lineup.pages.leaderboard import leaderboard_frame
from lineup.pages.markdown import data_line, device_of, figure_line
from lineup.pages.verdict import Verdict, compare_with_reports
from lineup.records.compact import predicted_classes
from lineup.records.groups import match_records
from lineup.records.history import PHASES, Epoch
from lineup.records.model_runs import ModelRuns
from lineup.records.record import MODEL, Record

CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")
"""Values of each epoch in the report."""

METRICS = ("test_accuracy", "test_loss", "test_macro_f1", "test_ece", "val_accuracy")
"""Metrics of each run in the report, if the record has them."""

_LEADERBOARD = (
    "rank",
    "name",
    "kind",
    "family",
    "report",
    "seeds",
    "test_accuracy",
    "test_accuracy_sd",
    "low",
    "high",
    "val_accuracy",
    "test_loss",
    "published",
    "published_to",
    "difference",
    "parameters",
    "training_seconds",
)


def report_content(
    records: Sequence[Record],
    dataset: Dataset | None = None,
    champion: Champion | None = None,
    originals: Sequence[Record] | None = None,
    duplicates: Duplicates | None = None,
) -> dict[str, Any]:
    """Return the content of the report.

    Parameters
    ----------
    records : sequence of Record
        At least one record. All records must be from the same data.
    dataset : Dataset, optional
        The dataset of the records. Only its fingerprint is checked here. Default: None, the report has no images.
    champion : Champion, optional
        The champion among the records. Default: None, the report does not name a champion.
    originals : sequence of Record, optional
        The same records with the names of their models, if ``records`` are renamed. Training runs of the same model on
        several devices are compared by these names. Default: ``records``.
    duplicates : Duplicates, optional
        Numbers of repeated images in the dataset. Default: None, the report does not state them.

    Returns
    -------
    dict
        Dictionaries, lists, texts, numbers and None only. ``runs`` are in the order of the records, and ``pairs`` are
        all pairs of runs: first each pair with the first run, then each further pair with the second run, and so on. If
        ``pairs`` has a ``reference``, they are only the pairs with this run, in the order of the other runs.
        The predicted classes and the labels are bytes in base64, one byte per test image. ``hardest`` are the test
        images, those that most models misclassify first; of each model, the first run counts.

    Raises
    ------
    LineupError
        If there are no records, if a record is incomplete, or if the data of two records, or of a record and the
        dataset, differ.
    """
    comparison = compare(records)
    data = records[0].header.data
    if dataset and dataset.fingerprint != data.fingerprint:
        raise LineupError(f"{records[0].folder}: made from different data than the dataset; run dvc repro")
    predicted = {record.header.label: predicted_classes(record).predicted for record in records}
    labels = predicted_classes(records[0]).labels
    return {
        "title": data.title,
        "generated": data.generated,
        "line": data_line(data.title, data.test_images, generated=data.generated),
        "subtitle": figure_line(data),
        "classes": data.classes,
        "labels": _base64(labels),
        "champion": asdict(champion) if champion else None,
        "leaderboard": _leaderboard(comparison),
        "verdicts": [_verdict(verdict) for verdict in compare_with_reports(comparison.models)],
        "committees": _committees(comparison),
        "saving": _saving(comparison),
        "runs": [_run(record, predicted[record.header.label]) for record in records],
        "pairs": _pairs(comparison, list(predicted), data.test_images),
        "costs": _costs(comparison, records),
        "machines": _machines(records),
        "devices": _devices(originals or records),
        "data": _data(records, labels) | {"copies": duplicates.sentence() if duplicates else ""},
        "libraries": _libraries(records),
        "hardest": _hardest([predicted[model.first.header.label] for model in comparison.models], labels),
        "shown_curves": _shown_curves(comparison),
    }


def with_front(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark the points on the Pareto front. A point is on the Pareto front if no other point has a lower cost and an
    equal or higher accuracy.

    Parameters
    ----------
    points : sequence of dict
        Points with a ``cost`` and an ``accuracy``.

    Returns
    -------
    list of dict
        The points sorted by cost, with the additional key ``front``. Of points with the same cost, only the most
        accurate ones can be on the front.
    """
    marked: list[dict[str, Any]] = []
    best = -math.inf
    for point in sorted(points, key=lambda point: (point["cost"], -point["accuracy"])):
        same = bool(marked) and (marked[-1]["cost"], marked[-1]["accuracy"]) == (point["cost"], point["accuracy"])
        front = point["accuracy"] > best or (same and marked[-1]["front"])
        marked.append({**point, "front": front})
        best = max(best, point["accuracy"])
    return marked


def _base64(classes: np.ndarray) -> str:
    return base64.b64encode(classes.astype(np.uint8).tobytes()).decode()


def _number(value: Any, digits: int = 10) -> Any:
    """Round a number. JSON does not support NaN, so return None for a missing number.

    By default, this function rounds to ten digits. The page later rounds the result to four digits. With fewer digits,
    the number on the page could differ from the number in the leaderboard.
    """
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits) if int(value) != value else int(value)


def _leaderboard(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of the leaderboard. The most accurate model comes first. Add the first run of each model."""
    frame = leaderboard_frame(comparison.models, comparison.ranks)
    frame = frame.astype({"parameters": "float64"})
    rows = frame[list(_LEADERBOARD)].to_dict("records")
    return [
        {str(key): _number(value) for key, value in row.items()}
        | {"run": comparison.model(row["name"]).first.header.label}
        for row in rows
    ]


def _verdict(verdict: Verdict) -> dict[str, Any]:
    claim, (low, high) = verdict.claim, verdict.interval
    return {
        "model": verdict.model.name,
        "report": claim.report,
        "published": claim.text,
        "accuracy": verdict.model.mean("test_accuracy"),
        "low": low,
        "high": high,
        "difference": verdict.difference,
        "tolerance": verdict.tolerance,
        "word": verdict.word,
        "contradiction": claim.contradiction,
        "why": claim.why if verdict.word != "reproduced" else None,
    }


def _committees(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the members of each committee. If the first run contains an analysis of the committee, also return this
    analysis.
    """
    committees = []
    for model in sorted(comparison.models, key=lambda model: list(comparison.ranks).index(model.name)):
        header = model.first.header
        if header.kind != "committee":
            continue
        folder = model.first.folder / MODEL
        analysis = asdict(read_analysis(folder)) if (folder / ANALYSIS).is_file() else None
        if analysis:
            del analysis["error_correlation"]
        committees.append(
            {
                "name": model.name,
                "run": header.label,
                "rule": header.architecture,
                "accuracy": model.first.metrics["test_accuracy"],
                "members": [member.label for member in header.members],
                "analysis": analysis,
            }
        )
    return committees


def _saving(comparison: Comparison) -> dict[str, Any] | None:
    """Return the section about the committees that save prediction time, or None if there are no such committees."""
    content = cost_tables(comparison.models)
    if content is None:
        return None
    return {name: value if isinstance(value, str) else asdict(value) for name, value in content.items()}


def _run(record: Record, predicted: np.ndarray) -> dict[str, Any]:
    header, runtime = record.header, record.runtime
    return {
        "label": header.label,
        "model": header.name,
        "kind": header.kind,
        "seed": header.seed,
        "key": header.key,
        "predicted": _base64(predicted),
        "metrics": {name: _number(record.metrics[name]) for name in METRICS if name in record.metrics},
        "history": _history(record.history),
        "parameters": header.parameters,
        "libraries": header.libraries,
        "weights": _parameters(record),
        "device": device_of(record),
        "host": runtime.machine.host,
        "seconds": _number(runtime.training_seconds, 2),
        "commit": runtime.git_commit,
    }


def _history(history: Sequence[Epoch]) -> dict[str, list[Any]]:
    """Return the values of each epoch. The phase ``autoencoder`` is left out, because its loss is different and it has
    no accuracy.
    """
    rows = [row for row in history if row.phase != next(iter(PHASES))]
    return {name: [_number(getattr(row, name), 4) for row in rows] for name in CURVES}


def _pairs(comparison: Comparison, labels: Sequence[str], images: int) -> dict[str, Any]:
    """Return the result of McNemar's test for each pair of runs. The limits of the confidence interval are given as
    numbers of images. ``reference`` is the position of the only run that is compared with the others, or None.
    """
    pairs, reference = comparison.run_pairs, comparison.reference
    return {
        "reference": None if reference is None else labels.index(reference),
        "low": [round(pair.low * images) for pair in pairs],
        "high": [round(pair.high * images) for pair in pairs],
        "p": [float(f"{pair.p:.3g}") for pair in pairs],
        "p_holm": [float(f"{pair.p_holm:.3g}") for pair in pairs],
    }


def _costs(comparison: Comparison, records: Sequence[Record]) -> dict[str, list[dict[str, Any]]]:
    """Return the training time and the number of parameters of each model. Figures show these values and the Pareto
    front.

    If the prediction times of some models were measured, also return these times. The cost of a committee is the sum of
    the costs of its members. A model without a cost is left out.
    """
    by_label = {record.header.label: record for record in records}
    costs: dict[str, list[dict[str, Any]]] = {"seconds": [], "parameters": []}
    if points := list(prediction_points(comparison.models)):
        costs["prediction"] = points
    for model in comparison.models:
        for name, value in _cost(model, by_label).items():
            if value:
                accuracy, kind = model.mean("test_accuracy"), model.first.header.kind
                costs[name].append({"name": model.name, "kind": kind, "cost": value, "accuracy": accuracy})
    return {name: with_front(points) for name, points in costs.items()}


def _cost(model: ModelRuns, by_label: Mapping[str, Record]) -> dict[str, float | None]:
    header = model.first.header
    if header.kind != "committee":
        return {"seconds": model.training_seconds, "parameters": _parameters(model.first)}
    members = [by_label[member.label] for member in header.members if member.label in by_label]
    if len(members) < len(header.members):
        return {}
    parameters = [_parameters(member) for member in members]
    return {
        "seconds": sum(member.runtime.training_seconds for member in members),
        "parameters": sum(filter(None, parameters)) if all(parameters) else None,
    }


def _parameters(record: Record) -> int | None:
    """Return the number of parameters of a model. Return None for a classical model, because records of classical
    models contain the number 0 instead.
    """
    weights = record.header.weights
    return (weights.parameters or None) if weights else None


def _machines(records: Sequence[Record]) -> list[dict[str, Any]]:
    """For each machine, return the number of runs and the training time. The machine with the most runs comes first."""
    machines: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in records:
        machine = record.runtime.machine
        key = (machine.host, machine.cpu_model, machine.system, device_of(record))
        row = machines.setdefault(
            key, {**asdict(machine), "device": device_of(record), "runs": 0, "seconds": 0.0, "commits": []}
        )
        row["runs"] += 1
        row["seconds"] += 0 if record.header.kind == "committee" else record.runtime.training_seconds
        if record.runtime.git_commit not in row["commits"]:
            row["commits"].append(record.runtime.git_commit)
    return sorted(machines.values(), key=lambda row: -row["runs"])


def _devices(records: Sequence[Record]) -> dict[str, Any] | None:
    """Compare the training runs of the same models on several devices. Return None if there are none."""
    matched = match_records(records, "device")
    if not matched.models:
        return None
    comparison = compare_matched(matched)
    return {
        "groups": asdict(groups_table(comparison)),
        "accuracy": asdict(accuracy_table(comparison)),
        "differences": asdict(difference_table(comparison)),
        "cost": asdict(cost_table(comparison)),
        "others": other_differences(comparison),
        "noise": noise_line(comparison),
        "accuracy_text": ACCURACY_TEXT,
        "differences_text": DIFFERENCES_TEXT,
        "cost_text": COST_TEXT,
    }


def _data(records: Sequence[Record], labels: np.ndarray) -> dict[str, Any]:
    first = records[0].header.data
    models = [record.header.data for record in records if record.header.kind != "committee"]
    counts = np.bincount(labels, minlength=len(first.classes)).tolist()
    return {
        "name": first.name,
        "fingerprint": first.fingerprint,
        "shape": first.shape,
        "test_images": first.test_images,
        "splits": sorted({(data.training_images, data.validation_images) for data in models}),
        "classes": [{"name": name, "images": images} for name, images in zip(first.classes, counts, strict=True)],
    }


def _libraries(records: Sequence[Record]) -> list[dict[str, Any]]:
    """For each version of each library, return how many runs use it."""
    counts = Counter(item for record in records for item in record.header.libraries.items())
    return [{"name": name, "version": version, "runs": counts[name, version]} for name, version in sorted(counts)]


def _hardest(predicted: Sequence[np.ndarray], labels: np.ndarray) -> list[int]:
    """Return the indices of the test images. Images that many models misclassify come first. Ties go to the lowest
    index.
    """
    wrong = np.sum([classes != labels for classes in predicted], axis=0)
    order: list[int] = np.argsort(-wrong, kind="stable").tolist()
    return order


def _shown_curves(comparison: Comparison, most: int = 3) -> list[str]:
    """Select the models with the highest validation accuracy, and return the label of the first run of each model.
    Models without training curves are left out.
    """
    runs = [model.first for model in comparison.by_validation() if _history(model.first.history)["loss"]]
    return [run.header.label for run in runs[:most]]
