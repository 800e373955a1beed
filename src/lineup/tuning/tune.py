"""Tune a model: open the study, run its trials, train with new seeds, and write the results.

Examples
--------
>>> folder_of(Path("project"), "basic_cnn").as_posix()
'project/tuning/basic_cnn'
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from lineup.code.stages import training_sha256
from lineup.errors import LineupError, count
from lineup.records.header import flatten
from lineup.records.history import Epoch
from lineup.tracking.address import sqlite_uri
from lineup.training.fitted import TrainingData
from lineup.tuning.page import Outcome, as_params, gain_line, write_page
from lineup.tuning.runs import StudyRuns
from lineup.tuning.space import Values, rounded, space_of, to_words, with_settings
from lineup.tuning.study import Budget, Task, complete, finished, new_seeds, open_study, repeat, search, study_name
from lineup.tuning.trial import Result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from lineup.data.dataset import Dataset
    from lineup.models.settings import AnyRecipe
    from lineup.tuning.settings import Space

DATABASE = "study.db"
SUFFIX = "_tuned"


@dataclass(frozen=True)
class Request:
    """Settings of a call of `tune`.

    Parameters
    ----------
    model : str
        Name of the model.
    metric : {"accuracy", "loss"}
    budget : Budget
    seeds : int
        Number of new seeds, or 0 for none.
    storage : str or None
        Address of a database that several machines can use. None for a file in the folder of the study.
    threads : int
    """

    model: str
    metric: str
    budget: Budget
    seeds: int
    storage: str | None
    threads: int


def folder_of(root: Path, model: str) -> Path:
    """Return the folder that contains the tuning results of a model."""
    return root / "tuning" / model


def tune(
    root: Path,
    request: Request,
    recipe: AnyRecipe,
    raw: Mapping[str, Any],
    make: Callable[[Values], AnyRecipe],
    space: Space,
    dataset: Dataset,
) -> Outcome:
    """Tune a model, and write the results to the folder ``tuning/<model>`` of the project.

    Parameters
    ----------
    root : Path
        Project folder.
    request : Request
    recipe : NetworkRecipe or ClassicalRecipe
        The current settings.
    raw : mapping
        The current settings, as written in ``params.yaml``.
    make : callable
        Returns the recipe with some settings replaced; see `lineup.tuning.study.Task`.
    space : dict
        Search space of the family.
    dataset : Dataset

    Raises
    ------
    LineupError
        If the study cannot be opened, the search space is invalid, or no trial is complete.
    """
    task = Task(
        recipe,
        make,
        space_of(recipe, space),
        TrainingData.from_dataset(dataset, recipe.validation),
        request.threads,
        request.metric,
    )
    folder = folder_of(root, request.model)
    study = _open(folder, request, task, dataset.fingerprint)
    name, data = study.study_name, _data(dataset, len(task.data.val_labels))
    print(f"study {name}: {len(finished(study))} of {count(request.budget.trials, 'trial')} finished", flush=True)
    params = flatten({"study": name, "metric": request.metric} | dataclasses.asdict(recipe))
    runs = StudyRuns(root, dataset.name, name, request.model, params, f"{data}. The test images were not used.")
    watcher = _Progress(request, runs, study)
    status, metrics = "KILLED", {}
    try:
        search(study, task, request.budget, watcher)
        if not complete(study):
            raise LineupError(f"study {name}: no trial is complete; increase --trials or --minutes")
        seeds = new_seeds(recipe, request.seeds)
        best = rounded(study.best_trial.params)
        is_new = make(best) != recipe
        if not is_new:
            print("The best settings are the current ones.", flush=True)
        repeated = repeat(study, task, seeds, watcher) if seeds and is_new else None
        outcome = Outcome(
            request.model, request.model + SUFFIX, study, task, with_settings(as_params(raw), best), repeated, data
        )
        write_page(outcome, folder)
        status, metrics = "FINISHED", _metrics(outcome)
    finally:
        runs.close(status, metrics, folder if status == "FINISHED" else None)
    if repeated:
        print(gain_line(repeated, float(study.best_trial.value or 0), request.metric), flush=True)
    return outcome


def _open(folder: Path, request: Request, task: Task, fingerprint: str) -> Study:
    """Open the study for these settings, images and code, and print its search space."""
    recipe = task.recipe
    identity = {
        "recipe": dataclasses.asdict(recipe),
        "space": {key: str(values) for key, values in task.space.items()},
        "data": fingerprint,
        "metric": request.metric,
        "code": training_sha256(recipe.family, recipe.architecture),
    }
    print(f"{request.model}: {'; '.join(f'{key} {_shown(values)}' for key, values in task.space.items())}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    # Optuna replaces names in braces in the address.
    file = sqlite_uri(folder.absolute() / DATABASE).replace("{", "{{").replace("}", "}}")
    with FileLock(folder / ".lock"):  # two processes cannot create the tables of a database at the same time
        return open_study(request.storage or file, study_name(request.model, identity), task)


def _data(dataset: Dataset, validation: int) -> str:
    title = f"{dataset.title}, {count(validation, 'validation image')}"
    return f"GENERATED DATA: {title}" if dataset.generated else title


def _shown(values: Any) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else str(values)


def _metrics(outcome: Outcome) -> dict[str, float]:
    metric, repeated = outcome.task.metric, outcome.repeated
    found = {f"best_trial_val_{metric}": float(outcome.study.best_trial.value or 0)}
    if repeated:
        found[f"new_seeds_val_{metric}"] = statistics.fmean(repeated.best)
        found[f"new_seeds_present_val_{metric}"] = statistics.fmean(repeated.present)
    return found


class _Progress:
    """Observer that prints one line per training run and logs the run in MLflow."""

    def __init__(self, request: Request, runs: StudyRuns, study: Study) -> None:
        self._request, self._runs, self._study = request, runs, study

    def trial(self, trial: FrozenTrial, history: list[Epoch]) -> None:
        """See `lineup.tuning.study.Watcher`."""
        metric, values = self._request.metric, rounded(trial.params)
        seconds = float(trial.user_attrs.get("seconds", 0))
        if trial.state.name == "PRUNED":
            text, metrics = f"pruned after epoch {trial.last_step}", {}
        else:
            best = self._study.best_trial
            text = f"{metric} {trial.value:.4f}, best {best.value:.4f} (trial {best.number + 1})"
            metrics = {f"val_{key}": float(trial.user_attrs[key]) for key in ("accuracy", "loss")}
        # An interrupted trial has a number, but does not count.
        of = f"{len(finished(self._study))} of {self._request.budget.trials}: trial {trial.number + 1}"
        print(f"{of}, {text}, {seconds:.0f} s  {to_words(values)}", flush=True)
        self._runs.log(f"trial {trial.number + 1}", values, metrics, history, seconds)

    def repeated(self, values: Values | None, seed: int, result: Result, history: list[Epoch]) -> None:
        """See `lineup.tuning.study.Watcher`."""
        which = "current settings" if values is None else "best settings"
        score = getattr(result, self._request.metric)
        print(f"{which}, new seed {seed}: {self._request.metric} {score:.4f}, {result.seconds:.0f} s", flush=True)
        metrics = {"val_accuracy": result.accuracy, "val_loss": result.loss}
        self._runs.log(f"{which}, seed {seed}", {**(values or {}), "seed": seed}, metrics, history, result.seconds)
