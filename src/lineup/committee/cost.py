"""Compare the speed and the accuracy of a committee and its full committee.

The *full committee* ignores the prediction time. The full committee of a cascade averages the predictions of all
members. For a greedy selection with a price, the full committee is selected without a price.

Examples
--------
>>> cost = Cost("a processor", (0.1, 0.4), (1.0, 0.25), (1.0, 1.0), full_accuracy=0.9, only_committee=2, only_full=3)
>>> cost.images_per_second, cost.full_images_per_second
(5000.0, 2000.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from lineup.committee.cascade import count_evaluated
from lineup.committee.fitting import FittedRule, fit_rule

if TYPE_CHECKING:
    from lineup.committee.settings import Committee
    from lineup.evaluation.scores import Scores

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Seconds = Annotated[float, Field(ge=1e-9, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
Images = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True, config=STRICT)
class Times:
    """Measured prediction times of the members of a committee.

    Parameters
    ----------
    device : str
        Processor or GPU, and the number of threads.
    seconds : tuple of float
        Seconds per 1,000 images of each member.
    """

    device: str
    seconds: tuple[Seconds, ...]


@dataclass(frozen=True, config=STRICT)
class Cost:
    """Prediction times of a committee and its full committee.

    Parameters
    ----------
    device, seconds
        See `Times`.
    evaluated, full_evaluated : tuple of float
        Share of the test images that each member classifies, from 0 to 1, in the committee and in the full committee.
    full_accuracy : float
        Accuracy of the full committee on the test images.
    only_committee, only_full : int
        Numbers of test images that only the committee, or only the full committee, classifies correctly.
    """

    device: str
    seconds: tuple[Seconds, ...]
    evaluated: tuple[Share, ...]
    full_evaluated: tuple[Share, ...]
    full_accuracy: Share
    only_committee: Images
    only_full: Images

    @model_validator(mode="after")
    def _check(self) -> Cost:
        for shares in (self.evaluated, self.full_evaluated):
            if len(shares) != len(self.seconds) or max(shares, default=0.0) < 1:
                raise ValueError("expected a share for each member, and a member with the share 1")
        return self

    @property
    def images_per_second(self) -> float:
        """Images per second of the committee. The time of a committee is the weighted sum of its members' times."""
        return 1000 / float(np.dot(self.seconds, self.evaluated))

    @property
    def full_images_per_second(self) -> float:
        """Images per second of the full committee."""
        return 1000 / float(np.dot(self.seconds, self.full_evaluated))


def compare_cost(committee: Committee, fitted: FittedRule, times: Times, holdout: Scores, test: Scores) -> Cost:
    """Compare a committee with its full committee on the test images.

    Parameters
    ----------
    committee : Committee
        Settings of the committee.
    fitted : FittedRule
        Fitted rule of the committee.
    times : Times
        Prediction times of the members.
    holdout, test : Scores
        Predictions of the members, see `lineup.committee.gather.gather`. The full committee is fitted on ``holdout``.
    """
    rule = "average" if committee.rule == "cascade" else committee.rule
    full = fit_rule(rule, holdout.probabilities, holdout.labels, seed=committee.seed, temperature=committee.temperature)
    right, full_right = (one.apply(test.probabilities).argmax(axis=1) == test.labels for one in (fitted, full))
    return Cost(
        device=times.device,
        seconds=times.seconds,
        evaluated=_evaluated(fitted, test.probabilities),
        full_evaluated=_evaluated(full, test.probabilities),
        full_accuracy=float(full_right.mean()),
        only_committee=int((right & ~full_right).sum()),
        only_full=int((full_right & ~right).sum()),
    )


def _evaluated(fitted: FittedRule, probabilities: np.ndarray) -> tuple[float, ...]:
    """For each member, return the fraction of images that it classifies (see `FittedRule.apply_lazily`)."""
    if fitted.rule == "cascade":
        members = count_evaluated(fitted.scale(probabilities), fitted.parameters["threshold"])
        return tuple(float((members > member).mean()) for member in range(fitted.members))
    return tuple(float(weight != 0) for weight in fitted.parameters.get("weights", [1.0] * fitted.members))
