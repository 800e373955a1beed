"""Define views for the list of runs in the MLflow UI, such as a leaderboard.

MLflow stores a saved view in a tag of the experiment. The menu "Views" above the run list contains all saved views.

Examples
--------
>>> view_link("1")
'/#/experiments/1/runs?viewStateShareKey=leaderboard&workflowType=machine_learning'
"""

from __future__ import annotations

import json
from typing import Any

PREFIX = "mlflow.sharedViewState."
"""Start of the name of the tag with a saved view."""
LEADERBOARD = "leaderboard"
TOP_RUNS = "tags.`mlflow.parentRunId` IS NULL AND tags.`lineup.imported` IS NULL"
"""Search filter for one run per model of this project: the runs of the seeds have a parent run with the means."""
CREATED = 1_760_000_000_000
"""Time in milliseconds since 1970. MLflow requires a time, which is constant so that the tags do not change."""

NAME_COLUMN = "attributes.`Run Name`"
WIDTHS = {
    NAME_COLUMN: 230,
    "metrics.`test_accuracy`": 115,
    "metrics.`val_accuracy`": 115,
    "metrics.`test_loss`": 100,
    "params.`parameters`": 100,
    "metrics.`training_seconds`": 130,
    "tags.`kind`": 90,
    "attributes.`Description`": 400,
}
"""Width in pixels of each column of the run list, from left to right."""


def view_tags() -> dict[str, str]:
    """Return the experiment tags that contain the saved views."""
    leaderboard = {"searchFilter": TOP_RUNS, "orderByKey": "metrics.`test_accuracy`", "orderByAsc": False}
    return {
        f"{PREFIX}{LEADERBOARD}": _view("Leaderboard", leaderboard),
        # In the default order of MLflow, the runs of the seeds are shown below their parent run.
        f"{PREFIX}all_runs": _view("All runs, newest first", {}),
    }


def _view(name: str, search: dict[str, Any]) -> str:
    columns = list(WIDTHS)
    state = search | {
        "selectedColumns": columns,
        "columnOrder": [*columns, "runDateAndNestInfo", "duration"],
        "columnWidths": WIDTHS,
    }
    return json.dumps({"name": name, "createdAt": CREATED, "updatedAt": CREATED, "state": json.dumps(state)})


def view_link(experiment: str) -> str:
    """Return a link to the leaderboard of an experiment. The link is relative to the address of the server."""
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={LEADERBOARD}&workflowType=machine_learning"
