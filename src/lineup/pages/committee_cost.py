"""Compare committees that save prediction time with their full committees, for the evidence page and the report.

Examples
--------
>>> cost_section([])
[]
"""

from __future__ import annotations

from collections.abc import Sequence

from lineup.committee.cost import Cost
from lineup.committee.model import ANALYSIS, read_analysis
from lineup.evaluation.significance import holm, mcnemar
from lineup.pages.markdown import number, p_value, table
from lineup.records.model_runs import ModelRuns
from lineup.records.record import MODEL, Record

_TEXT = """\
Some committees consider the prediction time. A cascade evaluates a member only if the members before it are not sure of
an image. A greedy selection with a price selects only members that are worth their time. The *full committee* ignores
the prediction time: it is the mean of all members of the cascade, or the greedy selection without a price. The test
images choose nothing.

The time of each member was measured when the committee was built, with noise as images: {devices}. The time of a
committee is the sum of the times of its members, weighted by the share of the test images that a member predicts. The
difference is the accuracy of the committee minus the accuracy of the full committee. The p-values are from McNemar's
exact test on the test images, corrected with Holm's method for all rows of the table. Of each committee, the first run
is shown."""


def read_cost(record: Record) -> Cost | None:
    """Return the cost of a committee. Return None for a model, or if the times of the members were not measured."""
    folder = record.folder / MODEL
    if record.header.kind != "committee" or not (folder / ANALYSIS).is_file():
        return None
    return read_analysis(folder).cost


def cost_section(models: Sequence[ModelRuns]) -> list[str]:
    """Return the section of the evidence page on committees that save time. Return an empty list if there are none.

    Parameters
    ----------
    models : sequence of ModelRuns
        All models and committees.
    """
    found = [(model.first, cost) for model in models if (cost := read_cost(model.first))]
    if not found:
        return []
    p_values = [mcnemar(cost.only_committee, cost.only_full) for _, cost in found]
    corrected = holm(p_values)
    headings = ["committee", "images per second", "full committee", "accuracy", "full accuracy", "difference", "p"]
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
        for (record, cost), p, p_holm in zip(found, p_values, corrected, strict=True)
    ]
    return [
        "## Committees that save time",
        _TEXT.format(devices="; ".join(sorted({cost.device for _, cost in found}))),
        table([*headings, "p, corrected"], rows, ["committee"]),
        "This table shows the members that predict at least one test image:",
        table(
            ["committee", "member", "seconds per 1,000 images", "predicted images"],
            [row for record, cost in found for row in _member_rows(record, cost)],
            ["committee", "member"],
        ),
    ]


def _member_rows(record: Record, cost: Cost) -> list[list[str]]:
    return [
        [record.header.label, member.label, number(seconds, ".3f"), f"{share:.1%}"]
        for member, seconds, share in zip(record.header.members, cost.seconds, cost.evaluated, strict=True)
        if share
    ]
