"""Count the stages of a pipeline run, and estimate the remaining time.

Examples
--------
>>> progress = Progress(["split", "train@a", "train@b"], jobs=1, seconds={"train@a": 60, "train@b": 120})
>>> progress.start("split")
'stage 1 of 3, about 3 min left'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean

TRAIN = "train"
"""Kind of the stages that train a model, such as ``train@basic_cnn``."""


class Progress:
    """Progress of several stages.

    The estimated duration of a stage is the duration of its last run. If the stage has never run, the estimate is the
    mean duration of finished stages of the same kind, such as training stages. If no stage of this kind has finished,
    the estimate is the mean duration of all finished stages, except training stages.

    Parameters
    ----------
    stages : iterable of str
        Names of the stages to run.
    jobs : int
        Number of stages that run at the same time. It can change when a worker joins or leaves the cluster.
    seconds : dict of str to float, optional
        Duration of the last run of each stage. Unknown durations may be missing.
    clock : callable, optional
        Returns the current time in seconds. Default: `time.monotonic`.
    """

    def __init__(
        self,
        stages: Iterable[str],
        jobs: int,
        seconds: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left = list(stages)
        self.jobs = jobs
        self._total, self._clock = len(self._left), clock
        self._number = 0
        self._seconds = dict(seconds or {})
        self._started: dict[str, float] = {}

    def start(self, name: str) -> str:
        """Register the start of a stage, and return a line with the stage number and the estimated remaining time."""
        self._number += 1
        self._started[name] = self._clock()
        line, left = f"stage {self._number} of {self._total}", self.seconds_left()
        return line if left is None else f"{line}, about {in_words(left)} left"

    def end(self, name: str) -> None:
        """Record how long a finished stage took."""
        self._left.remove(name)
        self._seconds[name] = self._clock() - self._started.pop(name)

    def seconds_left(self) -> float | None:
        """Return the estimated time in seconds until all stages have ended.

        Training takes most of the time. Return None if a training stage remains, but the duration of every training
        stage is unknown.
        """
        known = {_kind(name) for name in self._seconds}
        if not known or (TRAIN not in known and any(_kind(name) == TRAIN for name in self._left)):
            return None
        left = [max(self._estimate(name) - self.seconds_of(name), 0) for name in self._left]
        return max(sum(left) / self.jobs, *left) if left else 0.0

    def running(self) -> list[str]:
        """Return the running stages, in the order in which they started."""
        return list(self._started)

    def seconds_of(self, name: str) -> float:
        """Return how long a stage has been running, in seconds."""
        return self._clock() - self._started[name] if name in self._started else 0.0

    def left_of(self, name: str) -> float:
        """Return the estimated remaining time of a stage, or 0 if the duration of the last run is unknown."""
        return max(self._seconds.get(name, 0) - self.seconds_of(name), 0)

    def _estimate(self, name: str) -> float:
        kind = _kind(name)
        alike = [seconds for other, seconds in self._seconds.items() if _kind(other) == kind]
        short = [seconds for other, seconds in self._seconds.items() if _kind(other) != TRAIN]
        return self._seconds[name] if name in self._seconds else fmean(alike or short or [0.0])


def in_words(seconds: float) -> str:
    """Return a duration as a short text.

    Examples
    --------
    >>> in_words(8), in_words(100), in_words(7200)
    ('10 s', '2 min', '2.0 h')
    """
    if seconds < 55:
        return f"{max(10 * round(seconds / 10), 10)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _kind(stage: str) -> str:
    """Return the kind of a stage, which is the part of its name before the ``@``."""
    return stage.partition("@")[0]
