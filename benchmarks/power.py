"""Check the predictions of ``lineup power`` against what happened.

For each pair of models with at least three seeds, the script uses two training runs to predict the width of the
95 % interval with three. It compares the prediction with the interval that the three training runs give.

    python benchmarks/power.py

The script reads the records of the project. It trains nothing.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
from common import print_table, write_results

from lineup.cli.common import open_project, record_folders
from lineup.evaluation.power import estimate_variation, predict_error
from lineup.records.model_runs import ModelRuns, group_runs, seed_deviations
from lineup.records.record import read_record

BEFORE, AFTER = 2, 3


def half_width(first: ModelRuns, second: ModelRuns, others: list[ModelRuns], seeds: int) -> float:
    """Predict half of the width of the 95 % interval for a number of seeds from the given training runs."""
    deviations = seed_deviations(others)
    pair = [deviations[model.first.header.kind] for model in (first, second)]
    return predict_error(estimate_variation(first.correct(), second.correct(), *pair), seeds).half_width


def main() -> None:
    """Compare the predictions with the results, and print and write the ratios."""
    project, params = open_project()
    models = group_runs([read_record(folder) for folder in record_folders(project, params)[0]])
    several = [model for model in models if len(model.runs) >= AFTER and model.first.header.kind != "committee"]
    early, late = ([replace(model, runs=model.runs[:count]) for model in several] for count in (BEFORE, AFTER))
    pairs = list(combinations(range(len(several)), 2))
    predicted = np.array([half_width(early[a], early[b], early, AFTER) for a, b in pairs])
    found = np.array([half_width(late[a], late[b], late, AFTER) for a, b in pairs])
    low, middle, high = np.quantile(predicted / found, [0.05, 0.5, 0.95])
    row = {
        "models": len(several),
        "pairs": len(pairs),
        "mean_predicted": round(float(predicted.mean()), 4),
        "mean_found": round(float(found.mean()), 4),
        "ratio_5": round(float(low), 3),
        "ratio_median": round(float(middle), 3),
        "ratio_95": round(float(high), 3),
    }
    print_table([row])
    title = models[0].first.header.data.title
    write_results("power", None, [row], settings={"dataset": title, "before": BEFORE, "after": AFTER})


if __name__ == "__main__":
    main()
