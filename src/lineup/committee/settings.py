"""The sections ``committees`` and ``champion`` of ``params.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic.dataclasses import dataclass

from lineup.committee.fitting import Temperature
from lineup.committee.rules import RULES
from lineup.models.registry import FAMILIES
from lineup.settings import MAX_SEEDS, STRICT, Seed, shown, unknown

ALL = "all"
"""Instead of a list of members: every model of the line-up."""
MEMBERS = f"a list of names, {ALL}, or a section with kind, family, report or best"
"""What ``members`` accepts."""


@dataclass(frozen=True, config=STRICT)
class MemberFilter:
    """Which models of the line-up sit in a committee, if it does not name them.

    Parameters
    ----------
    kind : {"network", "classical"}, optional
        Default: of any kind.
    family : str, optional
        Default: of any family.
    report : str, optional
        Letter of the report that describes the architecture. Default: any.
    best : int, optional
        Of these, so many that are right most often on the images that all of them held out; of equals the one that
        comes first in ``params.yaml``. Default: all.
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
    """Several models that answer together.

    Parameters
    ----------
    members : list of str, "all" or MemberFilter
        Names of models of the line-up, at least one, each once; or all models; or those that fit. The name of a run,
        ``basic_cnn_seed2``, takes that seed of the model.
    rule : str
        How their probabilities become one; see ``lineup.committee.rules``.
    report : str
        Letter of the published report, or ``-``. Default ``-``.
    temperature : {"none", "before", "after", "both"}
        Whether a temperature is fitted for each member, for the committee's answer, or both. Default none.
    seed : int
        Of what is random in fitting the rule: the bags of ``greedy``, the folds of the hold-out. Default 1.
    seeds : int
        Number of runs. Run 1 combines the first seed of each member, run 2 the second. Default 1.
    """

    members: Members
    rule: str
    report: str = "-"
    temperature: Temperature = "none"
    seed: Seed = 1
    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)] = 1

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
        return self


@dataclass(frozen=True, config=STRICT)
class ChampionRule:
    """How the champion is chosen, on the validation images that all candidates held out.

    Parameters
    ----------
    metric : {"accuracy", "loss"}
        The highest accuracy or the lowest loss.
    among : {"all", "models", "committees"}
        Who may be chosen. Default all.
    """

    metric: Literal["accuracy", "loss"]
    among: Literal["all", "models", "committees"] = "all"
