"""Compare committees that save prediction time with their full committees.

A full committee ignores the prediction time.

Examples
--------
>>> cost_section([])
[]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lineup.committee.cost import Cost
from lineup.committee.model import ANALYSIS, read_analysis
from lineup.errors import LineupError
from lineup.evaluation.significance import holm, mcnemar
from lineup.pages.group_tables import TextTable
from lineup.pages.markdown import number, p_value
from lineup.records.model_runs import ModelRuns
from lineup.records.record import MODEL, Record

_ABOUT = """\
Some committees consider the prediction time. In a cascade, the first member classifies all images. Each further member
classifies only the images for which the confidence of the earlier members is not above a threshold. A greedy selection
with a price adds a penalty for the prediction time to the log loss. The full committee ignores the prediction time: it
is the mean of all members of the cascade, or the greedy selection without a price. The table shows the first run of
each committee. The difference is the test accuracy of the committee minus the test accuracy of its full committee. The
p-values are from McNemar's exact test. The corrected p-values account for the number of rows in the table (Holm's
method)."""

_TIMES = """\
The prediction time of each member was measured with random images when the committee was built, on {devices}. The
prediction time of a committee is the sum of the times of its members, each multiplied by the share of the test images
that the member classifies. The next table shows these shares."""


def cost_of(record: Record) -> Cost | None:
    """Return the cost of a committee. Return None if the record is from a model, or if the prediction times of the
    members were not measured.
    """
    folder, members = record.folder / MODEL, record.header.members
    if record.header.kind != "committee" or not (folder / ANALYSIS).is_file():
        return None
    cost = read_analysis(folder).cost
    if cost is not None and len(cost.seconds) != len(members):
        raise LineupError(f"{folder / ANALYSIS}: {len(cost.seconds)} members; record.json has {len(members)}")
    return cost


def costs_of(models: Sequence[ModelRuns]) -> dict[str, tuple[ModelRuns, Cost]]:
    """Return all committees with a known prediction cost, and the cost of the first run of each committee."""
    found = ((model, cost_of(model.first)) for model in models)
    return {model.name: (model, cost) for model, cost in found if cost is not None}


def cost_tables(models: Sequence[ModelRuns]) -> dict[str, Any] | None:
    """Return the page section about committees that save prediction time.

    Parameters
    ----------
    models : sequence of ModelRuns
        All models and committees.

    Returns
    -------
    dict or None
        The texts ``about`` and ``times``, and the tables ``committees`` and ``members``. None without such committees.
    """
    found = [(model.first, cost) for model, cost in costs_of(models).values()]
    if not found:
        return None
    devices = "; ".join(sorted({cost.device for _, cost in found}))
    return {
        "about": _ABOUT,
        "committees": _committee_table(found),
        "times": _TIMES.format(devices=devices),
        "members": TextTable(
            ["committee", "member", "seconds per 1,000 images", "share of the images"],
            [row for record, cost in found for row in _member_rows(record, cost)],
            ["committee", "member"],
        ),
    }


def cost_section(models: Sequence[ModelRuns]) -> list[str]:
    """Return the section about committees that save prediction time. It is empty without such committees.

    Parameters
    ----------
    models : sequence of ModelRuns
        All models and committees.
    """
    content = cost_tables(models)
    if content is None:
        return []
    committees, members = content["committees"].markdown(), content["members"].markdown()
    return ["## Committees that save time", content["about"], committees, content["times"], members]


def prediction_points(models: Sequence[ModelRuns]) -> Iterator[dict[str, Any]]:
    """Yield the prediction time and the test accuracy of models and committees. A figure of the report shows these
    values.

    The figure shows committees that save prediction time, and their members. It also shows committees that ignore the
    prediction time. The cost of a model or committee is the prediction time in seconds per 1,000 images. If a model was
    measured for several committees, the shortest time is used.

    Parameters
    ----------
    models : sequence of ModelRuns
        All models and committees.
    """
    by_name = {model.name: model for model in models}
    times: dict[str, float] = {}
    for model, cost in costs_of(models).values():
        accuracy = model.first.metrics["test_accuracy"]
        yield {"name": model.name, "kind": "committee", "cost": 1000 / cost.images_per_second, "accuracy": accuracy}
        yield {
            "name": f"{model.name}, full committee",
            "kind": "committee",
            "cost": 1000 / cost.full_images_per_second,
            "accuracy": cost.full_accuracy,
        }
        for member, seconds in zip(model.first.header.members, cost.seconds, strict=True):
            times[member.name] = min(seconds, times.get(member.name, seconds))
    for name, seconds in times.items():
        if name in by_name:
            model = by_name[name]
            kind, accuracy = model.first.header.kind, model.mean("test_accuracy")
            yield {"name": name, "kind": kind, "cost": seconds, "accuracy": accuracy}


def _committee_table(found: Sequence[tuple[Record, Cost]]) -> TextTable:
    """Return a table that compares each committee with a committee that ignores the prediction time."""
    p_values = [mcnemar(cost.only_committee, cost.only_full) for _, cost in found]
    rows = [
        [
            record.header.label,
            number(cost.images_per_second, ",.0f"),
            number(cost.full_images_per_second, ",.0f"),
            number(record.metrics["test_accuracy"]),
            number(cost.full_accuracy),
            number(record.metrics["test_accuracy"] - cost.full_accuracy, "+.4f"),
            p_value(p),
            p_value(p_holm),
        ]
        for (record, cost), p, p_holm in zip(found, p_values, holm(p_values), strict=True)
    ]
    speeds = ["images per second", "images per second, full committee"]
    accuracies = ["test accuracy", "test accuracy, full committee", "difference"]
    return TextTable(["committee", *speeds, *accuracies, "p", "p, corrected"], rows, ["committee"])


def _member_rows(record: Record, cost: Cost) -> list[list[str]]:
    """Return a row for each member that classifies at least one image."""
    return [
        [record.header.label, member.label, number(seconds, ".3f"), f"{100 * share:.1f} %"]
        for member, seconds, share in zip(record.header.members, cost.seconds, cost.evaluated, strict=True)
        if share
    ]
