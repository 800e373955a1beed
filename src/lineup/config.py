"""``params.yaml`` as frozen dataclasses: read once, checked whole.

An unknown key, a wrong type or a value out of range is one line that names the key, the value and what is accepted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from lineup.committee.fitting import Temperature
from lineup.committee.rules import RULES
from lineup.committee.select import ALL, candidates
from lineup.data.datasets import DATASETS
from lineup.errors import LineupError, expected_one_of, shortened
from lineup.models.registry import FAMILIES, Architecture, architecture, list_architectures
from lineup.schema import first_problem, read_yaml, validated
from lineup.seeds import base_name, seed_of

STRICT = ConfigDict(extra="forbid", strict=True)

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(gt=0, le=0.5)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Option = int | float | str | bool

MODELS = "the section models of params.yaml"
SHOWN = 120
"""Of a wrong value an error shows so many characters."""


@dataclass(frozen=True, config=STRICT)
class Data:
    """Which dataset, and where from.

    Parameters
    ----------
    name : str
        ``fashion_mnist`` or ``synthetic``.
    folder : str, optional
        A local folder with the four files, used before the network. Default: the variable ``FASHION_MNIST_DIR``.
    train_images, test_images : int
        How many images to draw, for generated data only. Defaults 3,000 and 1,000.
    seed : int
        Seed of the generated images. Default 1.
    """

    name: str
    folder: str | None = None
    train_images: Annotated[int, Field(ge=100, le=1_000_000)] = 3_000
    test_images: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    seed: Seed = 1

    @model_validator(mode="after")
    def _check(self) -> Data:
        if self.name not in DATASETS:
            raise ValueError(_unknown("name", self.name, DATASETS))
        return self


@dataclass(frozen=True, config=STRICT)
class Split:
    """The one split that every model shares; ``seed`` orders the training images."""

    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Training:
    """What all trainings share.

    Parameters
    ----------
    threads : int
        Threads of one training. The sums of a matrix product depend on it in the last digits, so it belongs to the
        parameters that a result depends on.
    """

    threads: Annotated[int, Field(ge=1, le=1024)]


@dataclass(frozen=True, config=STRICT)
class Fit:
    """How one network is fitted: Adam, with these settings.

    Parameters
    ----------
    epochs, batch_size : int
        At least 1.
    learning_rate : float
        Of the first step.
    schedule : {"constant", "cosine"}
        Whether the learning rate stays, or falls to 0 at the last step along half a cosine. Default constant.
    l2 : float
        This times the sum of the squares of all weights but biases is added to the loss. Default 0.
    augment : bool
        Whether images are moved by up to 2 pixels and mirrored at random, anew in each epoch. Default no.
    patience : int, optional
        Stop when the validation loss has not improved for so many epochs, and take the weights of the best one.
        Default: go on to the last epoch.
    average_epochs : int
        Take the mean of the weights at the end of the last so many epochs. Default 0: the last weights.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=65_536)]
    learning_rate: LearningRate
    schedule: Literal["constant", "cosine"] = "constant"
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    augment: bool = False
    patience: Annotated[int, Field(ge=1)] | None = None
    average_epochs: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check_fit(self) -> Fit:
        if self.patience is not None and self.average_epochs:
            raise ValueError("average_epochs: not together with patience; each names the weights to take in the end")
        if self.average_epochs > self.epochs:
            raise ValueError(f"average_epochs = {self.average_epochs}: expected at most epochs, {self.epochs}")
        return self


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """One model of the line-up: an architecture and what the training of any model depends on.

    Parameters
    ----------
    family, architecture : str
        Module of ``lineup.models`` and the builder registered there.
    validation : float
        Share of the training images that is held out, in (0, 0.5]: 0.2 or 0.1 in the reports.
    seed : int
        Seed of whatever is random in a training: initial weights, dropout, the order of batches, the trees of a forest.
    options : dict
        Keyword arguments of the builder. Default none.
    """

    family: str
    architecture: str
    validation: Share
    seed: Seed
    options: dict[str, Option] = dataclasses.field(default_factory=dict, kw_only=True)

    @model_validator(mode="after")
    def _check_recipe(self) -> Recipe:
        if self.family not in FAMILIES:
            raise ValueError(_unknown("family", self.family, FAMILIES))
        known = {entry.name: entry for entry in list_architectures(self.family)}
        if self.architecture not in known:
            raise ValueError(_unknown("architecture", self.architecture, known))
        entry = known[self.architecture]
        for option in self.options:
            if option not in entry.options:
                raise ValueError(
                    f"options.{shortened(option, SHOWN)}: unknown option; {expected_one_of(option, entry.options)}"
                )
        return self


@dataclass(frozen=True, config=STRICT)
class ClassicalRecipe(Recipe):
    """A model of the family ``classical``: all that can be set about its fit are the builder's ``options``."""


@dataclass(frozen=True, config=STRICT)
class NetworkRecipe(Fit, Recipe):
    """A Keras network: the settings of a model and those of its fit.

    Parameters
    ----------
    scaling : {"unit", "symmetric"}
        Pixels to [0, 1] or to [-1, 1]. Default ``unit``.
    pretrain : Fit, optional
        The autoencoder's own fit; the family ``autoencoder`` needs it, the others refuse it.
    finetune : Fit, optional
        A last phase in which encoder and head are trained together; for the family ``autoencoder``.
    """

    scaling: Literal["unit", "symmetric"] = "unit"
    pretrain: Fit | None = None
    finetune: Fit | None = None

    @model_validator(mode="after")
    def _check_network(self) -> NetworkRecipe:
        if self.family == "autoencoder":
            if self.scaling != "unit":
                raise ValueError(
                    f"scaling = {self.scaling!r}: the autoencoder reconstructs pixels in [0, 1]; expected 'unit'"
                )
            if self.pretrain is None:
                raise ValueError("pretrain: missing; the family autoencoder needs it")
            for phase, fit in (("pretrain", self.pretrain), ("classifier", self)):
                if fit.augment:
                    raise ValueError(f"augment = True: not for the phase {phase} of the family autoencoder")
        elif self.pretrain is not None or self.finetune is not None:
            raise ValueError("pretrain and finetune: only the family autoencoder has them")
        return self


def _repeated(section: str, name: str, known: Mapping[str, object]) -> tuple[str, int] | None:
    """Return which entry of a section another one repeats by its name, and with which seed; None if it is no repeat."""
    seed = seed_of(name)
    if seed is None:
        return None
    base, kind = base_name(name), section.removesuffix("s")
    if seed_of(base) is not None:
        raise ValueError(f"{section}.{name}: {base} is a repeat itself; expected {base_name(base)}_seed{seed}")
    if name != f"{base}_seed{seed}":
        raise ValueError(f"{section}.{name}: expected the name {base}_seed{seed}, without zeros before the seed")
    if base not in known:
        near = expected_one_of(base, known, f"the section {section} of params.yaml")
        raise ValueError(f"{section}.{name}: repeats {base} by its name, and there is no such {kind}; {near}")
    return base, seed


def _check_repeat(name: str, recipe: Recipe, models: Mapping[str, Recipe]) -> None:
    """Refuse ``<model>_seed<n>`` if it is not that model with that seed: the two are taken for one, see `seeds`."""
    repeated = _repeated("models", name, models)
    if repeated is None:
        return
    base, seed = repeated
    if recipe.seed != seed:
        raise ValueError(f"models.{name}.seed = {recipe.seed}: expected {seed}, as the name says")
    if seed == models[base].seed:
        raise ValueError(f"models.{name}.seed = {seed}: {base} has this seed already; expected another one")
    if dataclasses.replace(recipe, seed=models[base].seed) != models[base]:
        raise ValueError(f"models.{name}: repeats {base} by its name; expected the same settings but for the seed")


def _kind(values: Any) -> str:
    family = values.get("family") if isinstance(values, Mapping) else getattr(values, "family", None)
    return FAMILIES.get(str(family), "network")


AnyRecipe = Annotated[
    Annotated[NetworkRecipe, Tag("network")] | Annotated[ClassicalRecipe, Tag("classical")], Discriminator(_kind)
]


@dataclass(frozen=True, config=STRICT)
class MemberFilter:
    """Which models of the line-up sit in a committee, if it does not name them.

    A repeat with another seed is the same model again and is none of them.

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
            raise ValueError(_unknown("family", self.family, FAMILIES))
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
        Names of models of the line-up, at least one, each once; or all models; or those that fit.
    rule : str
        How their probabilities become one; see ``lineup.committee.rules``.
    report : str
        Letter of the published report, or ``-``. Default ``-``.
    temperature : {"none", "before", "after", "both"}
        Whether a temperature is fitted for each member, for the committee's answer, or both. Default none.
    seed : int
        Of what is random in fitting the rule: the bags of ``greedy``, the folds of the hold-out. Default 1.
    """

    members: Members
    rule: str
    report: str = "-"
    temperature: Temperature = "none"
    seed: Seed = 1

    @model_validator(mode="after")
    def _check(self) -> Committee:
        if self.rule not in RULES:
            raise ValueError(_unknown("rule", self.rule, RULES))
        if isinstance(self.members, str) and self.members != ALL:
            raise ValueError(f"members = {_shown(self.members)}: expected {_WANTED['list_type']}")
        if self.members == MemberFilter():
            raise ValueError(f"members = {{}}: expected {_WANTED['list_type']}")
        if isinstance(self.members, list) and len(set(self.members)) < len(self.members):
            twice = next(name for name in self.members if self.members.count(name) > 1)
            raise ValueError(f"members: {_shown(twice)} is listed twice; expected each model once")
        return self


def _check_members(name: str, committee: Committee, models: Mapping[str, Architecture]) -> None:
    """Refuse members that are not there."""
    where, members = f"committees.{name}.members", committee.members
    if isinstance(members, list):
        for member in members:
            if member not in models:
                raise ValueError(f"{where}: unknown model {_shown(member)}; {expected_one_of(member, models, MODELS)}")
        return
    found = candidates(members, models)
    if not found:
        raise ValueError(f"{where}: no model is of this kind, family and report")
    if isinstance(members, MemberFilter) and members.best and members.best > len(found):
        raise ValueError(f"{where}.best = {members.best}: there are {len(found)} to choose from")


def _check_committee_repeat(name: str, committee: Committee, committees: Mapping[str, Committee]) -> None:
    """Refuse ``<committee>_seed<n>`` if it is not that committee of the members with that seed."""
    repeated = _repeated("committees", name, committees)
    if repeated is None:
        return
    base, seed = repeated
    original = committees[base]
    if not isinstance(original.members, list):
        raise ValueError(f"committees.{name}: repeats {base} by its name; expected one whose members are named")
    members = [f"{member}_seed{seed}" for member in original.members]
    if committee != dataclasses.replace(original, members=members):
        raise ValueError(
            f"committees.{name}: repeats {base} by its name; expected the members {shortened(', '.join(members))} and"
            " otherwise the same settings"
        )


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


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of ``params.yaml``."""

    data: Data
    split: Split
    training: Training
    models: Annotated[dict[Name, AnyRecipe], Field(min_length=1)]
    committees: dict[Name, Committee]
    champion: ChampionRule

    @model_validator(mode="after")
    def _check(self) -> Params:
        for name, entry in self.models.items():
            _check_repeat(name, entry, self.models)
        architectures = self.architectures()
        for name, committee in self.committees.items():
            _check_members(name, committee, architectures)
            _check_committee_repeat(name, committee, self.committees)
        both = sorted(set(self.models) & set(self.committees))
        if both:
            raise ValueError(f"{both[0]!r} names a model and a committee; each needs a name of its own")
        return self

    def architectures(self) -> dict[str, Architecture]:
        """Return the architecture of each model, by the model's name."""
        return {name: architecture(recipe.family, recipe.architecture) for name, recipe in self.models.items()}

    def summary(self) -> str:
        """Return how many models and committees there are, and the dataset."""
        return f"{len(self.models)} models, {len(self.committees)} committees, data {self.data.name}"

    def recipe(self, name: str, **changes: Any) -> NetworkRecipe | ClassicalRecipe:
        """Return a model's recipe, with some settings changed.

        Raises
        ------
        LineupError
            If there is no such model, or a changed setting is not valid.
        """
        if name not in self.models:
            raise LineupError(f"unknown model {_shown(name)}; {expected_one_of(name, self.models, MODELS)}")
        values = dataclasses.asdict(self.models[name]) | changes
        recipe: NetworkRecipe | ClassicalRecipe = _validate(type(self.models[name]), values, f"models.{name}")
        return recipe

    def committee(self, name: str) -> Committee:
        """Return a committee; a LineupError lists the known ones."""
        if name not in self.committees:
            known = expected_one_of(name, self.committees, "the section committees of params.yaml")
            raise LineupError(f"unknown committee {_shown(name)}; {known}")
        return self.committees[name]


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``.

    Raises
    ------
    LineupError
        If the file is missing, is not YAML, or breaks a rule. The line names key, value and what is accepted; an
        unknown key comes first, since a missing one may be the same with a typo.
    """
    params: Params = _validate(Params, read_yaml(path), path.name)
    return params


def _validate(kind: type[Any], values: Any, where: str) -> Any:
    try:
        return validated(values, kind, strict=True)  # "3" stays text and is refused
    except ValidationError as error:
        problem = _first_problem(error, kind)
    except (TypeError, ValueError) as error:  # a date for a key
        problem = str(error)
    raise LineupError(" ".join(f"{where}: {problem}".split()))


def _first_problem(error: ValidationError, kind: type[Any]) -> str:
    """Return the first unknown key, or else the first problem, as ``key = value: what is accepted``."""
    problem = first_problem(error)
    location = problem["loc"]
    wanted = _WANTED.get(problem["type"], "something else").format(**problem.get("ctx", {}))
    if location[-1:] == ("[key]",):
        location = location[:-1]
    elif location[-3:-2] == ("options",) and location[-1] in ("int", "float", "str", "bool"):
        location, wanted = location[:-1], "a number, a text, true or false"
    parts = [shortened(part, SHOWN) for part in _without_tag(location)]
    key = ".".join(parts)
    match problem["type"]:
        case "unexpected_keyword_argument":
            name, where = parts[-1], f" in {'.'.join(parts[:-1])}" if parts[1:] else ""
            return f"unknown key {name!r}{where}; {expected_one_of(name, _accepted(kind, location[:-1]))}"
        case "missing":
            return f"{key} is missing; this section has {', '.join(_accepted(kind, location[:-1]))}"
        case "value_error":
            message = problem["msg"].removeprefix("Value error, ")
            return f"{key}.{message}" if key else message
        case "dataclass_type":
            wanted = f"a section with {', '.join(_accepted(kind, location))}"
        case "float_type" if isinstance(problem["input"], str):
            wanted = "a number; YAML takes it for one without quotes and with a point, as in 1.0e-3"
    shown = _shown(problem["input"])
    return f"{key} = {shown}: expected {wanted}" if key else f"{shown}: expected {wanted}"


def _without_tag(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return a location as a reader finds it: without the part that says which of several forms an entry has."""
    place = 2 if location[:1] == ("models",) else 3  # by `AnyRecipe`, by `Members`
    if location[:1] in (("models",), ("committees",)) and location[place : place + 1] in _TAGS:
        return location[:place] + location[place + 1 :]
    return location


def _accepted(kind: type[Any], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are accepted at a location: those of the innermost section that it names."""
    named = location[:1] in (("models",), ("committees",))
    for part in location[:1] + location[2:] if named else location:  # the second part is a name, maybe `data`
        kind = _SECTIONS[str(part)]
    return [field.name for field in dataclasses.fields(kind)]


def _shown(value: object) -> str:
    """Return a wrong value as an error shows it."""
    return shortened(repr(value), SHOWN)


def _unknown(key: str, value: str, accepted: Iterable[str]) -> str:
    """Return the error of a key whose value is none of the accepted ones."""
    return f"{key} = {_shown(value)}: {expected_one_of(value, accepted)}"


_SECTIONS: Mapping[str, type[Any]] = {
    "data": Data,
    "split": Split,
    "training": Training,
    "models": NetworkRecipe,
    "network": NetworkRecipe,
    "classical": ClassicalRecipe,
    "committees": Committee,
    "champion": ChampionRule,
    "members": MemberFilter,
    "section": MemberFilter,
    "pretrain": Fit,
    "finetune": Fit,
}

_TAGS = (("network",), ("classical",), ("names",), ("word",), ("section",))

# What is accepted, in place of pydantic's own words; the numbers are of the key that has the problem.
_WANTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "list_type": f"a list of names, {ALL}, or a section with kind, family, report or best",
    "dict_type": "a section with a name on each entry",
    "too_short": "at least {min_length} entry",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "a name of at most 64 lower-case letters, digits and _, the first a letter",
    "json_invalid": "something else ({error})",
}
