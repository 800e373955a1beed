"""Run the trials of an Optuna study. Then train with the best settings and new seeds.

Examples
--------
>>> study_name("basic_cnn", {"space": {"batch_size": [32, 64]}})
'basic_cnn-a0efaa2f'
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lineup.errors import LineupError, shortened
from lineup.records.history import Epoch
from lineup.tracking.address import shown_uri
from lineup.tuning.settings import Space
from lineup.tuning.space import Values, current_settings, rounded, suggest_settings
from lineup.tuning.trial import Result, train

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from lineup.models.settings import AnyRecipe
    from lineup.training.fitted import TrainingData

_STARTUP = 5
"""Number of finished trials before the first trial can be pruned."""
_WARMUP = 0.2
"""Share of the epochs of a trial in which it is not pruned."""
_BEAT, _SILENT = 60, 300
"""Interval of the heartbeat of a trial, and time without a heartbeat after which a trial counts as failed (seconds)."""


class Watcher(Protocol):
    """Interface for objects that observe a study, for example to print its progress."""

    def trial(self, trial: FrozenTrial, history: list[Epoch]) -> None:
        """Handle the end of a trial. The trial is either complete or was stopped early (pruned)."""

    def repeated(self, values: Values | None, seed: int, result: Result, history: list[Epoch]) -> None:
        """Handle the end of a training run that used a new seed. ``values`` is None for the current settings."""


@dataclass(frozen=True)
class Task:
    """A model to tune.

    Parameters
    ----------
    recipe : NetworkRecipe or ClassicalRecipe
        Its current settings.
    make : callable
        Returns the recipe with some settings replaced. It raises LineupError if they are invalid.
    space : dict
        Search space; see `lineup.tuning.space.space_of`.
    data : TrainingData
        Training and validation images.
    threads : int
    metric : {"accuracy", "loss"}
        Validation metric to maximize or minimize.
    """

    recipe: AnyRecipe
    make: Callable[[Values], AnyRecipe]
    space: Space
    data: TrainingData
    threads: int
    metric: str

    @property
    def direction(self) -> str:
        """``maximize`` or ``minimize``."""
        return "maximize" if self.metric == "accuracy" else "minimize"


@dataclass(frozen=True)
class Budget:
    """Limits of a study. The search ends as soon as one of the limits is reached.

    Parameters
    ----------
    trials : int
        Number of finished trials in the study, including those of earlier calls and of other processes.
    minutes : float or None
        Time after which no trial is started. Default: no limit.
    """

    trials: int
    minutes: float | None = None


def study_name(model: str, identity: Mapping[str, Any]) -> str:
    """Return the name of a study. The name contains a hash of ``identity``. Trials that can be compared have the same
    ``identity``.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    return f"{model}-{digest[:8]}"


def open_study(storage: str, name: str, task: Task) -> Study:
    """Open a study, and create it if it is missing.

    The first trial has the settings from `lineup.tuning.space.current_settings`.

    Parameters
    ----------
    storage : str
        Address of a database, such as ``sqlite:///study.db``.
    name : str
    task : Task

    Raises
    ------
    LineupError
        If the database cannot be opened.
    """
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import MedianPruner
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna marks the heartbeat as experimental
    epochs = getattr(task.recipe, "epochs", 1)
    try:
        database = RDBStorage(
            storage,
            heartbeat_interval=_BEAT,
            grace_period=_SILENT,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=1),
        )
        study = optuna.create_study(
            storage=database,
            study_name=name,
            direction=task.direction,
            pruner=MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=math.ceil(_WARMUP * epochs)),
            load_if_exists=True,
        )
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        reason = shortened(shown_uri(str(error)))
        raise LineupError(f"{shown_uri(storage)}: cannot open the study: {reason}") from error
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(current_settings(task.recipe, task.space), skip_if_exists=True)
    return study


def search(study: Study, task: Task, budget: Budget, watcher: Watcher) -> None:
    """Run trials until the budget is used up.

    Raises
    ------
    LineupError
        If the search space contains an invalid value.
    """
    from optuna.samplers import TPESampler

    end = math.inf if budget.minutes is None else time.monotonic() + 60 * budget.minutes
    histories: dict[int, list[Epoch]] = {}

    def objective(trial: Trial) -> float:
        history = histories[trial.number] = []
        return _score(trial, task, history)

    while len(finished(study)) < budget.trials and time.monotonic() < end:
        # The seed depends on the number of trials, so that the trials of several processes differ.
        number = len(study.get_trials(deepcopy=False))
        study.sampler = TPESampler(seed=task.recipe.seed + number, multivariate=False)
        study.optimize(objective, n_trials=1)
        last = max(histories)
        watcher.trial(study.get_trials(deepcopy=False)[last], histories[last])


def _score(trial: Trial, task: Task, history: list[Epoch]) -> float:
    """Train with the settings of a trial, and return the validation metric."""
    from optuna import TrialPruned

    values = suggest_settings(trial, task.space)
    recipe = task.make(values | {"seeds": [task.recipe.seed]})

    def on_epoch(row: Epoch) -> None:
        history.append(row)
        score = getattr(row, f"val_{task.metric}")
        if row.phase == "classifier" and math.isfinite(score):
            trial.report(score, row.epoch)
            if trial.should_prune():
                raise TrialPruned

    started = time.perf_counter()
    try:
        result = train(recipe, task.data, task.threads, on_epoch)
    finally:
        trial.set_user_attr("seconds", time.perf_counter() - started)
    trial.set_user_attr("accuracy", result.accuracy)
    trial.set_user_attr("loss", result.loss)
    score: float = getattr(result, task.metric)
    return score


def finished(study: Study) -> list[FrozenTrial]:
    """Return the trials that are complete or pruned."""
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def complete(study: Study) -> list[FrozenTrial]:
    """Return the trials that are complete."""
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def new_seeds(recipe: AnyRecipe, count: int) -> list[int]:
    """Return seeds that neither the trials nor the pipeline use."""
    first = 1 + max(100, *recipe.seeds)
    return list(range(first, first + count))


@dataclass(frozen=True)
class Repeated:
    """Validation scores with the current settings and with the best settings. Both use the same new seeds.

    Parameters
    ----------
    seeds : list of int
    present, best : list of float
        Scores of the current and of the best settings, in the order of the seeds.
    """

    seeds: list[int]
    present: list[float]
    best: list[float]


def repeat(study: Study, task: Task, seeds: list[int], watcher: Watcher) -> Repeated:
    """Train with the current settings and with the best settings. Both use the same new seeds.

    The score of the best trial is too optimistic, because the trial was selected by this score. The new scores do not
    have this bias. The study stores the new scores, so that an interrupted call can be continued.
    """
    best = rounded(study.best_trial.params)
    present = list(_repeat(study, task, None, seeds, watcher))
    return Repeated(seeds, present, list(_repeat(study, task, best, seeds, watcher)))


def _repeat(study: Study, task: Task, values: Values | None, seeds: list[int], watcher: Watcher) -> Iterator[float]:
    known = study.user_attrs.get("repeated", {})
    for seed in seeds:
        key = json.dumps([values, seed], sort_keys=True)
        if key not in known:
            history: list[Epoch] = []
            result = train(task.make({**(values or {}), "seeds": [seed]}), task.data, task.threads, history.append)
            known[key] = getattr(result, task.metric)
            study.set_user_attr("repeated", known)
            watcher.repeated(values, seed, result, history)
        yield known[key]
