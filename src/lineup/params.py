"""Read and check ``params.yaml``.

An invalid setting raises an error with one line that contains the key, the value and the accepted values.

Examples
--------
>>> import json
>>> from tempfile import TemporaryDirectory
>>> forest = {"family": "classical", "architecture": "random_forest", "validation": 0.2, "seeds": 3}
>>> values = {"data": {"name": "synthetic"}, "split": {"seed": 2025}, "training": {"threads": 1}}
>>> values |= {"models": {"forest": forest}, "committees": {}, "champion": {"metric": "loss"}}
>>> with TemporaryDirectory() as folder:
...     path = Path(folder, "params.yaml")
...     _ = path.write_text(json.dumps(values))
...     params = load_params(path)
>>> params.recipe("forest").seeds
[1, 2, 3]
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from lineup.committee.candidates import Candidate, candidates, split_member
from lineup.committee.settings import MEMBERS, ChampionRule, Committee, MemberFilter
from lineup.data.settings import Data, Split
from lineup.errors import LineupError, count, expected_one_of, shortened
from lineup.models.registry import Architecture, architecture
from lineup.models.settings import AnyRecipe, Augmentation, ClassicalRecipe, Fit, NetworkRecipe
from lineup.schema import first_problem, read_yaml, validated
from lineup.settings import MAX_SEEDS, SHOWN, STRICT, shown
from lineup.training.settings import Training
from lineup.tuning.settings import Tuning

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Amount = Annotated[float, Field(gt=0)]
MODELS = "the section models of params.yaml"


def _check_name(section: str, name: str) -> None:
    """Raise an error if a model name could be confused with the label of a run, such as ``cnn_seed2``."""
    if re.search(r"_seed\d+$", name):
        raise ValueError(f"{section}.{name}: a name must not end in _seed and a number; set seeds instead")


def _check_members(name: str, committee: Committee, models: Mapping[str, Candidate]) -> None:
    """Raise an error if a member of a committee does not exist, or has fewer seeds than the committee."""
    where, members = f"committees.{name}.members", committee.members
    found = candidates(members, models)
    if not found:
        raise ValueError(f"{where}: no model has this kind, family and report")
    if isinstance(members, MemberFilter) and members.best and members.best > len(found):
        raise ValueError(f"{where}.best = {members.best}: only {len(found)} models can be chosen")
    for member in found:
        model, seed = split_member(member, models)
        if model not in models:
            raise ValueError(f"{where}: unknown model {shown(member)}; {expected_one_of(member, models, MODELS)}")
        seeds = models[model].seeds
        if seed is not None and seed not in seeds:
            raise ValueError(f"{where}: {model} has no seed {seed}; expected one of {shortened(seeds)}")
        if seed is None and committee.seeds > len(seeds):
            raise ValueError(
                f"committees.{name}.seeds = {committee.seeds}: {model} has fewer seeds; expected at most {len(seeds)}"
            )


@dataclass(frozen=True, config=STRICT)
class Params:
    """All sections of ``params.yaml``.

    Parameters
    ----------
    data : Data
    split : Split
    training : Training
    models : dict of str to NetworkRecipe or ClassicalRecipe
        At least one model.
    committees : dict of str to Committee
        May be empty.
    champion : ChampionRule
    resources : dict of str to dict, optional
        Resources that a model or committee requires on a cluster, by its name, such as ``{"gpu": 1}``. No result
        depends on them. Default: none.
    tuning : Tuning, optional
        Search spaces of ``lineup tune``. No result of the pipeline depends on them.
    """

    data: Data
    split: Split
    training: Training
    models: Annotated[dict[Name, AnyRecipe], Field(min_length=1)]
    committees: dict[Name, Committee]
    champion: ChampionRule
    resources: dict[Name, dict[Name, Amount]] = dataclasses.field(default_factory=dict)
    tuning: Tuning = dataclasses.field(default_factory=Tuning)

    @model_validator(mode="after")
    def _check(self) -> Params:
        for name in self.models:
            _check_name("models", name)
        models = self.candidates()
        for name, committee in self.committees.items():
            _check_name("committees", name)
            _check_members(name, committee, models)
        both, known = sorted(set(self.models) & set(self.committees)), [*self.models, *self.committees]
        for name in self.resources:
            if name not in known:
                raise ValueError(f"resources: unknown model or committee {shown(name)}; {expected_one_of(name, known)}")
        if both:
            raise ValueError(f"{both[0]!r} names a model and a committee; expected different names")
        return self

    def architectures(self) -> dict[str, Architecture]:
        """Return a dictionary with the architecture of each model."""
        return {name: architecture(recipe.family, recipe.architecture) for name, recipe in self.models.items()}

    def candidates(self) -> dict[str, Candidate]:
        """Return a dictionary of all models that can be members of committees."""
        return {
            name: Candidate(entry.kind, entry.family, entry.report, self.models[name].seeds)
            for name, entry in self.architectures().items()
        }

    def summary(self) -> str:
        """Return a one-line summary of the models, the committees and the dataset."""
        models, committees = count(self.models, "model"), count(self.committees, "committee")
        return f"{models}, {committees}, data {self.data.name}"

    def recipe(self, name: str, **changes: Any) -> NetworkRecipe | ClassicalRecipe:
        """Copy the settings of a model, and replace some of them.

        Parameters
        ----------
        name : str
            Name of the model.
        **changes
            Settings by name, such as ``epochs=2``. ``seeds`` takes a list.

        Raises
        ------
        LineupError
            If there is no such model or a setting is invalid.
        """
        if name not in self.models:
            raise LineupError(f"unknown model {shown(name)}; {expected_one_of(name, self.models, MODELS)}")
        values = dataclasses.asdict(self.models[name]) | changes
        recipe: NetworkRecipe | ClassicalRecipe = _validate(type(self.models[name]), values, f"models.{name}")
        return recipe

    def committee(self, name: str) -> Committee:
        """Return the settings of a committee.

        If the name is unknown, a `LineupError` lists the known names.
        """
        if name not in self.committees:
            known = expected_one_of(name, self.committees, "the section committees of params.yaml")
            raise LineupError(f"unknown committee {shown(name)}; {known}")
        return self.committees[name]


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Params

    Raises
    ------
    LineupError
        If the file is missing, not YAML or invalid. The message names the key, the value and the accepted values. An
        unknown key is reported before a missing one, because it may be that key with a typo.
    """
    params: Params = _validate(Params, read_yaml(path), path.name)
    return params


def _validate(kind: type[Any], values: Any, where: str) -> Any:
    try:
        return validated(values, kind, strict=True)  # "3" is a text and not accepted as a number
    except ValidationError as error:
        problem = _first_problem(error, kind)
    except (TypeError, ValueError) as error:  # for example, a key that is a date
        problem = str(error)
    raise LineupError(" ".join(f"{where}: {problem}".split()))


def _first_problem(error: ValidationError, kind: type[Any]) -> str:
    """Format the first problem in ``params.yaml`` as an error message. Unknown keys come before other problems."""
    problem = first_problem(error)
    location = problem["loc"]
    wanted = _WANTED.get(problem["type"], "something else").format(**problem.get("ctx", {}))
    if location[-1:] == ("[key]",):
        location = location[:-1]
    elif location[-3:-2] == ("options",) and location[-1] in ("int", "float", "str", "bool"):
        location, wanted = location[:-1], "a number, a text, true or false"
    if location[:1] == ("models",) and location[-1:] == ("seeds",):
        wanted = f"a number of seeds from 1 to {MAX_SEEDS:,}, or a list of seeds"
    parts = [shortened(part, SHOWN) for part in _without_tag(location)]
    key = ".".join(parts)
    match problem["type"]:
        case "unexpected_keyword_argument":
            name, where = parts[-1], f" in {'.'.join(parts[:-1])}" if parts[1:] else ""
            accepted = _accepted(kind, location[:-1])
            return f"unknown key {name!r}{where}; {expected_one_of(name, accepted, limit=len(accepted))}"
        case "missing":
            return f"{key} is missing; this section has {', '.join(_accepted(kind, location[:-1]))}"
        case "value_error":
            message = problem["msg"].removeprefix("Value error, ")
            return f"{key}.{message}" if key else message
        case "dataclass_type":
            wanted = f"a section with {', '.join(_accepted(kind, location))}"
        case "list_type" if location[:1] == ("data",):
            wanted = "a list of whole numbers"
        case "float_type" if isinstance(problem["input"], str):
            wanted = "a number; in YAML a number has no quotes and a decimal point, as in 1.0e-3"
    found = shown(problem["input"])
    return f"{key} = {found}: expected {wanted}" if key else f"{found}: expected {wanted}"


def _without_tag(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Remove the tag that pydantic adds to the location of an error in a union type."""
    place = 2 if location[:1] == ("models",) else 3  # the tags of `AnyRecipe` and of `Members`
    if location[:1] in (("models",), ("committees",)) and location[place : place + 1] in _TAGS:
        return location[:place] + location[place + 1 :]
    return location


def _accepted(kind: type[Any], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that a section of ``params.yaml`` accepts."""
    named = location[:1] in (("models",), ("committees",))
    for part in location[:1] + location[2:] if named else location:  # the second part is a name, which may be `data`
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
    "augment": Augmentation,
    "pretrain": Fit,
    "finetune": Fit,
}

_TAGS = (("network",), ("classical",), ("names",), ("word",), ("section",))

# The accepted values for each type of pydantic error. The numbers in braces come from the error.
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
