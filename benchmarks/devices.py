"""Compare accuracies and learning curves of the same models on two devices.

Run the script in a project that contains records of two devices, for example after ``lineup import gpu.zip``. The
accuracies, their difference, its interval and its p-value are those of ``lineup compare --by device``.

The column *last loss* is the relative difference between the mean training losses of the last epoch. The column
*different losses* contains the number of epochs in which the training losses of both devices differ significantly: a
paired t-test, with one pair for each seed, has a p-value below 0.05. Only the last phase of the training is compared.
If the devices train in the same way, this is about one epoch in twenty. The last two columns contain the mean training
time of a run.

    cd PROJECT && python BENCHMARKS/devices.py --results devices
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import common
from scipy import stats

from lineup.cli.common import record_folders
from lineup.pages.group_comparison import GroupRow, compare_by
from lineup.params import load_params
from lineup.paths import find_project
from lineup.records.compact import open_record
from lineup.records.imported import imported_records
from lineup.records.record import Record


def losses(record: Record) -> list[float]:
    """Return the training loss of each epoch of the last phase."""
    return [row.loss for row in record.history if row.phase == record.history[-1].phase]


def different_losses(one: list[Record], other: list[Record]) -> str | None:
    """Return in how many epochs the losses of two devices differ significantly. Both devices have the same seeds.

    Returns
    -------
    str or None
        The number of these epochs and the number of all epochs. None if a device has only one seed.
    """
    if min(len(one), len(other)) < 2:
        return None
    epochs = list(zip(zip(*map(losses, one), strict=True), zip(*map(losses, other), strict=True), strict=True))
    outside = sum(float(stats.ttest_rel(*epoch).pvalue) < 0.05 for epoch in epochs)
    return f"{outside} of {len(epochs)}"


def compared(first: GroupRow, second: GroupRow) -> dict[str, Any]:
    """Return one row of the table."""
    difference = second.difference
    assert difference is not None  # only the first group of a model has none
    last = [statistics.fmean(losses(run)[-1] for run in row.runs) for row in (first, second)]
    return {
        "model": first.model,
        "seeds": len(second.runs),
        "first device": _accuracy(first),
        "second device": _accuracy(second),
        "difference": f"{difference.difference:+.4f}",
        "95 % interval": f"{difference.low:+.4f} to {difference.high:+.4f}",
        "p (Holm)": difference.p_holm,
        "last loss": f"{last[1] / last[0] - 1:+.1%}",
        "different losses": different_losses(first.runs, second.runs),
        "seconds, first": first.seconds,
        "seconds, second": second.seconds,
    }


def _accuracy(row: GroupRow) -> str:
    mean = f"{statistics.fmean(row.accuracies):.4f}"
    return f"{mean} ± {statistics.stdev(row.accuracies):.4f}" if len(row.accuracies) > 1 else mean


def main() -> None:
    """Compare the devices, save the results, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", metavar="NAME", default="devices", help="name of the JSON file")
    arguments = parser.parse_args()
    project = find_project()
    own = record_folders(project, load_params(project.params))[0]
    comparison = compare_by([*map(open_record, own), *imported_records(project)], "device")
    by_model: dict[str, list[GroupRow]] = {}
    for row in comparison.rows:
        by_model.setdefault(row.model, []).append(row)
    rows = [compared(first, second) for first, second, *_ in by_model.values()]
    devices = list(dict.fromkeys(row.group for row in comparison.rows))
    common.write_results(arguments.results, None, rows, settings={"devices": devices})
    common.print_table(rows)


if __name__ == "__main__":
    main()
