"""Describe a group comparison in tables and sentences, for pages and for the terminal.

Examples
--------
>>> print(TextTable(["group", "seeds"], [["GPU", "3"]], left=["group"]).markdown())
| group | seeds |
| --- | ---: |
| GPU | 3 |
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lineup.errors import count
from lineup.evaluation.seeds import SeedDeviation
from lineup.evaluation.significance import LEVEL
from lineup.pages.group_comparison import GroupComparison, GroupRow
from lineup.pages.markdown import number, p_value, span, table, with_spread
from lineup.records.groups import libraries_of, short_commit
from lineup.records.record import Record

MINUS = "\N{MINUS SIGN}"

ACCURACY_TEXT = """\
The test accuracy is the mean ± standard deviation over the seeds. The 95 % interval is a Wilson confidence interval.
The interval accounts for the choice of the test images, but not for the choice of the seeds."""

DIFFERENCES_TEXT = f"""\
The difference is the mean accuracy of the first group minus the mean accuracy of the second group. If both groups
contain runs with the same seeds, only these runs are compared, seed by seed and image by image. The difference may then
not equal the difference between the means above. The test and the 95 % interval include the sampling error of the test
images and the seed noise, which is the variation between runs that differ only in the seed. The p-values are adjusted
for the number of differences in the table (Holm), and a difference with p ≤ {LEVEL} is significant. Groups without a
significant difference may still differ. The interval shows which differences are plausible."""

COST_TEXT = """\
The times are wall times and include validation after each epoch. They are longer if other programs run on the machine.
The speed-up is the time per epoch of the first group of the model, divided by the time per epoch of the group in the
row. For models without epochs, the speed-up is the ratio of the training times. The memory is the peak main memory of
the process and does not include GPU memory. Records do not contain energy measurements."""


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Parameters
    ----------
    headings : list of str
    rows : list of list of str
        A cell for each heading.
    left : list of str
        Headings of the columns that are aligned left.
    """

    headings: list[str]
    rows: list[list[str]]
    left: list[str]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        return table(self.headings, self.rows, left=self.left)


def groups_table(comparison: GroupComparison) -> TextTable:
    """Return a table that describes the machine, the libraries and the code of each group."""
    headings = [
        "group",
        "runs",
        "device",
        "host",
        "processor",
        "cores",
        "memory, GiB",
        "system",
        "libraries",
        "commits",
    ]
    rows = [[group, f"{len(records):,}", *origin_of(records)] for group, records in comparison.records.items()]
    return TextTable(headings, rows, [name for name in headings if name != "runs"])


def accuracy_table(comparison: GroupComparison, short: Mapping[str, str] | None = None) -> TextTable:
    """Return a table with the accuracy of each model and group.

    Parameters
    ----------
    comparison : GroupComparison
    short : mapping of str to str, optional
        Short names of groups, for a terminal. Default: the labels of the groups.
    """
    names = short or {}
    headings = ["model", "group", "seeds", "test accuracy", "95 % interval"]
    rows = [
        [row.model, names.get(row.group, row.group), str(len(row.runs)), _accuracy(row), span(row.low, row.high)]
        for row in comparison.rows
    ]
    return TextTable(headings, rows, ["model", "group"])


def difference_table(comparison: GroupComparison, short: Mapping[str, str] | None = None) -> TextTable:
    """Return a table of the differences in accuracy, with p-values. See `accuracy_table` for the parameters."""
    names = short or {}
    headings = ["model", "groups", "difference", "95 % interval", "same seeds", "p", "result"]
    references = {model.name: model.reference for model in comparison.matched.models}
    rows = [
        [
            row.model,
            f"{names.get(row.group, row.group)} {MINUS} {names.get(references[row.model], references[row.model])}",
            f"{found.difference:+.4f}",
            f"{found.low:+.4f} to {found.high:+.4f}",
            str(len(found.seeds)),
            p_value(found.p_holm),
            found.verdict,
        ]
        for row in comparison.rows
        if (found := row.difference)
    ]
    return TextTable(headings, rows, ["model", "groups", "result"])


def cost_table(comparison: GroupComparison, short: Mapping[str, str] | None = None) -> TextTable:
    """Return a table with the time, the speed and the memory of each model and group.

    The energy is included if it was measured. See `accuracy_table` for the parameters.
    """
    names = short or {}
    headings = ["model", "group", "training, s", "s/epoch", "images/s", "speed-up", "memory, GiB"]
    energy = any(row.energy_joules for row in comparison.rows)
    if energy:
        headings.append("energy, kJ")
    rows = []
    for row in comparison.rows:
        cells = [
            row.model,
            names.get(row.group, row.group),
            number(row.seconds, ",.1f"),
            number(row.seconds_per_epoch, ",.2f"),
            number(row.images_per_second, ",.0f"),
            number(row.speed_up, ".2f"),
            number(row.memory_bytes / 2**30 or None, ".2f"),
        ]
        if energy:
            cells.append(number(row.energy_joules and row.energy_joules / 1e3, ",.1f"))
        rows.append(cells)
    return TextTable(headings, rows, ["model", "group"])


def other_differences(comparison: GroupComparison) -> str:
    """Return a sentence that lists other differences between the groups, such as different library versions."""
    others = comparison.confounders
    if not others:
        return "The records contain no other differences between the groups."
    return (
        f"The groups also differ in: {', '.join(others)}. Each of these may be the cause of a"
        " difference in accuracy, time or memory."
    )


def noise_line(comparison: GroupComparison) -> str:
    """Return sentences about the standard deviation between seeds. The significance tests use this standard
    deviation.
    """
    lines = []
    for kind in dict.fromkeys(row.runs[0].header.kind for row in comparison.rows):
        noise = comparison.noise[kind]
        if not noise.dof:
            lines.append(f"The seed noise of {kind} models is unknown, because no model has several seeds.")
            continue
        lines.append(f"The standard deviation of the accuracy of {kind} models between seeds is {_estimate(noise)}.")
        used = [row.difference for row in comparison.rows if row.runs[0].header.kind == kind and row.difference]
        paired = next((one.noise for one in used if one.noise is not noise), None)
        if paired:
            lines.append(
                f"For runs with the same seed, the test uses {_estimate(paired)}, which is the standard deviation of"
                " their differences divided by √2."
            )
        elif any(one.seeds for one in used):
            lines.append(
                "There are too few pairs of runs with the same seed to estimate their correlation. The test treats the"
                " runs as independent, which is conservative."
            )
    return " ".join(lines)


def _estimate(noise: SeedDeviation) -> str:
    return f"{noise.value:.4f} ({count(noise.dof, 'degree')} of freedom)"


def _accuracy(row: GroupRow) -> str:
    values = row.accuracies
    return with_spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else float("nan"))


def origin_of(records: Sequence[Record]) -> list[str]:
    """Return the devices, hosts, CPUs, machine sizes, operating systems, library versions and commits of several
    records. Each value is listed once.
    """
    machines = [record.runtime.machine for record in records]
    return [
        _distinct(record.header.device.name for record in records),
        _distinct(machine.host for machine in machines),
        _distinct(machine.cpu_model for machine in machines),
        _distinct(str(machine.cores) for machine in machines),
        _distinct(f"{machine.memory_bytes / 2**30:.1f}" for machine in machines),
        _distinct(machine.system for machine in machines),
        _distinct(map(libraries_of, records)),
        _distinct(short_commit(record.runtime.git_commit) for record in records),
    ]


def _distinct(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
