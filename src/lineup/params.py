"""``params.yaml`` as frozen dataclasses: read once, checked whole.

An unknown key, a wrong type or a value out of range is one line that names the key, the value and what is accepted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from lineup.committee.select import candidates
from lineup.committee.settings import MEMBERS, ChampionRule, Committee, MemberFilter
from lineup.data.settings import Data, Split
from lineup.errors import LineupError, expected_one_of, shortened
from lineup.models.registry import Architecture, architecture
from lineup.models.settings import AnyRecipe, ClassicalRecipe, Fit, NetworkRecipe, Recipe
from lineup.schema import first_problem, read_yaml, validated
from lineup.seeds import base_name, seed_of
from lineup.settings import SHOWN, STRICT, shown
from lineup.training.settings import Training

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
MODELS = "the section models of params.yaml"


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


def _check_members(name: str, committee: Committee, models: Mapping[str, Architecture]) -> None:
    """Refuse members that are not there."""
    where, members = f"committees.{name}.members", committee.members
    if isinstance(members, list):
        for member in members:
            if member not in models:
                raise ValueError(f"{where}: unknown model {shown(member)}; {expected_one_of(member, models, MODELS)}")
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
            raise LineupError(f"unknown model {shown(name)}; {expected_one_of(name, self.models, MODELS)}")
        values = dataclasses.asdict(self.models[name]) | changes
        recipe: NetworkRecipe | ClassicalRecipe = _validate(type(self.models[name]), values, f"models.{name}")
        return recipe

    def committee(self, name: str) -> Committee:
        """Return a committee; a LineupError lists the known ones."""
        if name not in self.committees:
            known = expected_one_of(name, self.committees, "the section committees of params.yaml")
            raise LineupError(f"unknown committee {shown(name)}; {known}")
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
    found = shown(problem["input"])
    return f"{key} = {found}: expected {wanted}" if key else f"{found}: expected {wanted}"


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
    "list_type": MEMBERS,
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
