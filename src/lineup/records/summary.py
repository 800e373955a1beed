"""Summarise the runs of a model or committee for ``dvc metrics show``.

Examples
--------
>>> from unittest.mock import MagicMock
>>> records = [MagicMock(metrics=dict.fromkeys(SHOWN, value)) for value in (0.5, 0.75)]
>>> for record in records:
...     record.runtime.training_seconds = 60.0
>>> values = summary(records)
>>> values["test_accuracy"], values["seeds"]
(0.625, 2)
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lineup.records.record import Record
from lineup.schema import write_json

SHOWN = ("test_accuracy", "val_accuracy", "test_loss", "val_loss", "test_macro_f1")
"""Metrics that ``dvc metrics show`` prints, as means over the seeds."""


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Summarise all runs of one model or committee.

    Parameters
    ----------
    records : sequence of Record
        At least one run.

    Returns
    -------
    dict
        The mean of each metric in `SHOWN`; ``test_accuracy_sd``, the sample standard deviation, if there are several
        runs; the number of ``seeds``; and ``runs``, a list with the details of each run. DVC does not print lists, so
        that each model has one row.
    """
    values: dict[str, Any] = {name: statistics.fmean(record.metrics[name] for record in records) for name in SHOWN}
    if len(records) > 1:
        values["test_accuracy_sd"] = statistics.stdev(record.metrics["test_accuracy"] for record in records)
    return values | {"seeds": len(records), "runs": [_run(record) for record in records]}


def write_summary(path: Path, records: Sequence[Record]) -> None:
    """Write the summary of one model or committee to a JSON file."""
    write_json(path, summary(records))


def _run(record: Record) -> dict[str, Any]:
    header, runtime = record.header, record.runtime
    return {
        "seed": header.seed,
        "key": header.key,
        "weights_sha256": header.weights.sha256 if header.weights else None,
        "metrics": {name: value for name, value in record.metrics.items() if math.isfinite(value) and "/" not in name},
        "training_seconds": round(runtime.training_seconds, 3),
        "device": header.device.name,
        "host": runtime.machine.host,
        "git_commit": runtime.git_commit,
    }
