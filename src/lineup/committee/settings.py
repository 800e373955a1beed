"""Define and check the sections ``committees`` and ``champion`` of ``params.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic.dataclasses import dataclass

from lineup.committee.fitting import Temperature
from lineup.committee.rules import RULES, CostSettings
from lineup.models.registry import FAMILIES
from lineup.settings import MAX_SEEDS, STRICT, Seed, shown, unknown

ALL = "all"
"""Value of ``members`` that selects all models."""
MEMBERS = f"a list of names, {ALL}, or a section with kind, family, report or best"
"""Accepted forms of ``members``."""


@dataclass(frozen=True, config=STRICT)
class MemberFilter:
    """Conditions that a model must meet to be a member of a committee.

    Parameters
    ----------
    kind : {"network", "classical"}, optional
        Default: all kinds.
    family : str, optional
        Default: all families.
    report : str, optional
        Letter of the report that describes the architecture. Default: all reports.
    best : int, optional
        Take this number of models with the highest accuracy on the images that all of them held out. Ties go to the
        model that comes first in ``params.yaml``. Default: take all.
    """

    kind: Literal["network", "classical"] | None = None
    family: str | None = None
    report: str | None = None
    best: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> MemberFilter:
        if self.family is not None and self.family not in FAMILIES:
            raise ValueError(unknown("family", self.family, FAMILIES))
        return self


def _form(values: Any) -> str:
    if isinstance(values, str):
        return "word"
    return "section" if isinstance(values, (Mapping, MemberFilter)) else "names"


Members = Annotated[
    Annotated[list[str], Field(min_length=1), Tag("names")]
    | Annotated[str, Tag("word")]
    | Annotated[MemberFilter, Tag("section")],
    Discriminator(_form),
]


@dataclass(frozen=True, config=STRICT)
class Committee:
    """Settings of a committee (ensemble), which combines the predictions of several models.

    Parameters
    ----------
    members : list of str, "all" or MemberFilter
        Names of models, all models, or conditions. If the name includes a seed, such as ``basic_cnn_seed2``, every run
        of the committee uses this seed of the model.
    rule : str
        How the predictions are combined, see `lineup.committee.rules`.
    report : str, optional
        Letter of the published report. Default ``-``, no report.
    temperature : {"none", "before", "after", "both"}, optional
        Fit a temperature for each member, for the committee, or both. Default none.
    seed : int, optional
        Seed of the fit: the bags of ``greedy`` and the folds of the held-out images. Default 1.
    seeds : int, optional
        Number of runs. Run 1 combines the first seed of each member, run 2 the second. Default 1.
    accuracy_loss : float, optional
        Only for the rule ``cascade``: largest accepted loss of accuracy on held-out images, compared with the mean of
        all members. Default 0.001.
    price : float, optional
        Only for the rule ``greedy``: penalty on the log loss, in nats per second of prediction time for 1,000 images.
        Default: no penalty.

    Notes
    -----
    The members of a cascade are evaluated in the listed order. They are not sorted by measured times, because the order
    of two members with similar times could differ between two measurements.

    Examples
    --------
    >>> Committee(["basic_cnn", "forest"], "average").temperature
    'none'
    """

    members: Members
    rule: str
    report: str = "-"
    temperature: Temperature = "none"
    seed: Seed = 1
    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)] = 1
    accuracy_loss: Annotated[float, Field(ge=0, lt=1)] | None = None
    price: Annotated[float, Field(gt=0, le=1e6)] | None = None

    @property
    def needs_times(self) -> bool:
        """Return whether the rule uses the prediction times of the members."""
        return self.rule == "cascade" or self.price is not None

    def cost(self, seconds: Sequence[float] = ()) -> CostSettings:
        """Return the settings for the prediction time. The settings contain the values that the rule needs for fitting.

        Parameters
        ----------
        seconds : sequence of float, optional
            Prediction times of the members, per 1,000 images. Default: unknown.
        """
        given = {} if self.accuracy_loss is None else {"accuracy_loss": self.accuracy_loss}
        return CostSettings(**given, price=self.price or 0.0, seconds=tuple(seconds))

    @model_validator(mode="after")
    def _check(self) -> Committee:
        if self.rule not in RULES:
            raise ValueError(unknown("rule", self.rule, RULES))
        if isinstance(self.members, str) and self.members != ALL:
            raise ValueError(f"members = {shown(self.members)}: expected {MEMBERS}")
        if self.members == MemberFilter():
            raise ValueError(f"members = {{}}: expected {MEMBERS}")
        if isinstance(self.members, list) and len(set(self.members)) < len(self.members):
            twice = next(name for name in self.members if self.members.count(name) > 1)
            raise ValueError(f"members: {shown(twice)} is listed twice; expected each model once")
        if self.rule == "cascade" and not isinstance(self.members, list):
            raise ValueError("members: the rule cascade requires a list of names, the fastest model first")
        for key, rule in (("accuracy_loss", "cascade"), ("price", "greedy")):
            if getattr(self, key) is not None and self.rule != rule:
                raise ValueError(f"{key}: only accepted for the rule {rule}, found the rule {self.rule}")
        return self


@dataclass(frozen=True, config=STRICT)
class ChampionRule:
    """Settings that define how the champion is chosen.

    Parameters
    ----------
    metric : {"accuracy", "balanced_accuracy", "macro_f1", "loss"}
        Choose the highest accuracy, balanced accuracy or macro F1, or the lowest log loss. The balanced accuracy is the
        mean recall of the classes, so that all classes count equally.
    among : {"all", "models", "committees"}, optional
        The candidates. Default all.
    """

    metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "loss"]
    among: Literal["all", "models", "committees"] = "all"
