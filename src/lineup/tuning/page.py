"""Write a page about the trials of a study. The page also shows the importance of the settings and the gain in score.

Examples
--------
>>> line = gain_line(Repeated([101, 102], [0.90, 0.91], [0.92, 0.93]), 0.94, "accuracy")
>>> line.partition(". ")[2]
'The score of the best trial is 0.9400; the estimated selection bias is +0.0150.'
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from lineup.errors import count
from lineup.figures.save import save_png
from lineup.figures.tuning import importance_figure, trial_figure
from lineup.files import replacing_file
from lineup.pages.markdown import number, table, write_text
from lineup.tuning.params_file import block
from lineup.tuning.space import rounded, to_words
from lineup.tuning.study import Repeated, Task, complete, finished

if TYPE_CHECKING:
    from optuna import Study

PAGE, TRIALS, RECIPE = "tuning.md", "trials.csv", "recipe.yaml"
TRIAL_FIGURE, IMPORTANCE_FIGURE = "trials.png", "importances.png"
_MOST = 20
"""Largest number of trials in the table of the page. The CSV file contains all trials."""


@dataclass(frozen=True)
class Outcome:
    """Result of a study.

    Parameters
    ----------
    model, tuned : str
        Name of the model, and of the model with the best settings.
    study : Study
    task : Task
    recipe : dict
        The best settings, in the form of ``params.yaml``.
    repeated : Repeated or None
        Scores with new seeds. None if there are no new seeds.
    data : str
        Title of the dataset and number of validation images, for pages and figures.
    """

    model: str
    tuned: str
    study: Study
    task: Task
    recipe: Mapping[str, Any]
    repeated: Repeated | None
    data: str


def importances(study: Study) -> dict[str, float]:
    """For each setting, return which fraction of the score variance it explains (fANOVA, Hutter, 2014).

    The result is empty if fewer than three trials are complete, or if all their scores are equal.
    """
    from optuna.importance import get_param_importances

    if len({trial.value for trial in complete(study)}) < 3:
        return {}
    return dict(get_param_importances(study))


def gain_line(repeated: Repeated, chosen: float, metric: str) -> str:
    """Describe how much the best settings improve the result, measured with new seeds. The text also contains Welch's
    95 % interval and the selection bias of the best trial.
    """
    best, present = statistics.fmean(repeated.best), statistics.fmean(repeated.present)
    line = (
        f"With {count(repeated.seeds, 'new seed')}, the mean validation {metric} is {best:.4f} for the best settings"
        f" and {present:.4f} for the current settings: a difference of {best - present:+.4f}"
    )
    if len(set(repeated.best)) > 1 or len(set(repeated.present)) > 1:  # classical models can ignore the seed
        from scipy import stats

        interval = stats.ttest_ind(repeated.best, repeated.present, equal_var=False).confidence_interval()
        line += f", 95 % interval {interval.low:+.4f} to {interval.high:+.4f}"
    return f"{line}. The score of the best trial is {chosen:.4f}; the estimated selection bias is {chosen - best:+.4f}."


def write_page(outcome: Outcome, folder: Path) -> None:
    """Write the page, the table of the trials, the figures and the best settings to a folder."""
    study, task = outcome.study, outcome.task
    trials = finished(study)
    frame = _frame(outcome)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing_file(folder / TRIALS) as partial:
        frame.to_csv(partial, index=False)
    write_text(folder / RECIPE, block(outcome.tuned, outcome.recipe, ""))
    title = f"Tuning of {outcome.model}"
    values = [_value(trial) for trial in trials]
    done = [trial.state.name == "COMPLETE" for trial in trials]
    save_png(trial_figure(values, done, metric=task.metric, title=title, subtitle=outcome.data), folder / TRIAL_FIGURE)
    shares = importances(study)
    if shares:
        figure = importance_figure(shares, title=f"{title}: importance of the settings", subtitle=outcome.data)
        save_png(figure, folder / IMPORTANCE_FIGURE)
    write_text(folder / PAGE, _page(outcome, frame, shares))


def _value(trial: Any) -> float:
    """Return the value of a trial. The value of a pruned trial is the value of its last epoch."""
    return float("nan") if trial.value is None else float(trial.value)


def _frame(outcome: Outcome) -> pd.DataFrame:
    rows = [
        {
            "trial": trial.number + 1,
            "state": trial.state.name.lower(),
            outcome.task.metric: _value(trial),
            "epochs": trial.last_step,
            "seconds": trial.user_attrs.get("seconds"),
            **rounded(trial.params),
        }
        for trial in finished(outcome.study)
    ]
    frame = pd.DataFrame(rows)
    return frame.sort_values(outcome.task.metric, ascending=outcome.task.metric == "loss", kind="stable")


def _page(outcome: Outcome, frame: pd.DataFrame, shares: Mapping[str, float]) -> str:
    metric, best = outcome.task.metric, outcome.study.best_trial
    pruned = int((frame["state"] == "pruned").sum())
    chosen = frame[frame["state"] == "complete"].head(_MOST)
    parts = [
        f"# Tuning of {outcome.model}",
        f"Data: {outcome.data}. The test images were not used.",
        f"{count(len(frame), 'trial')}, of which the median pruner stopped {pruned or 'none'}. The best trial is number"
        f" {best.number + 1}, with a validation {metric} of {best.value:.4f}: {to_words(rounded(best.params))}.",
    ]
    if outcome.repeated:
        parts.append(gain_line(outcome.repeated, float(best.value or 0), metric))
    parts += [f"```yaml\nmodels:\n{block(outcome.tuned, outcome.recipe)}```", f"![trials]({TRIAL_FIGURE})"]
    if shares:
        rows = [(f"`{name}`", number(share, ".2f")) for name, share in shares.items()]
        parts += [
            "## Importance of the settings",
            "The importance is the share of the variation between complete trials that a setting explains (fANOVA).",
            table(("setting", "importance"), rows, ("setting",)),
            f"![importances]({IMPORTANCE_FIGURE})",
        ]
    keys = list(outcome.task.space)
    lines = [
        (str(row["trial"]), number(row[metric]), number(row["seconds"], ".1f"), *(str(row[key]) for key in keys))
        for row in chosen.to_dict("records")
    ]
    total = count(len(complete(outcome.study)), "complete trial")
    shown = f"The table shows the best {len(chosen)} of {total}. `{TRIALS}` contains all trials."
    parts += ["## Trials", shown, table(("trial", metric, "seconds", *keys), lines)]
    return "\n\n".join(parts) + "\n"


def as_params(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without YAML anchors, so that the block does not refer to other parts of the file."""
    plain: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(raw), sort_keys=False))
    return plain
