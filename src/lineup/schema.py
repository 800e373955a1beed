"""Read JSON and YAML files that may come from another machine, and check them against a type."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineup.errors import LineupError, shortened
from lineup.files import read_text

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

YAML_BYTES = 2**20
"""Most bytes of a YAML file."""
YAML_SIZE = 4_000_000
"""Most characters of a YAML file's keys and values, plus 1 for each, an alias counted as what it repeats."""
YAML_DEPTH = 32
"""Most levels of lists and sections in a YAML file."""
YAML_SCALAR = 10_000
"""Most characters of one key or value in a YAML file."""


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    LineupError
        If the file cannot be read, is too large (see `lineup.files.read_text`) or is not JSON. NaN and infinity, which
        JSON does not have, are refused too, and numbers that 64 bits do not hold.
    """
    try:
        return json.loads(read_text(path), parse_constant=_refuse, parse_int=_integer, parse_float=_finite)
    except RecursionError as error:
        raise LineupError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise LineupError(f"{path}: not JSON: {shortened(error)}") from error


def read_yaml(path: Path) -> Any:
    """Return the value in a YAML file.

    A few bytes of YAML can stand for gigabytes, because an alias repeats what it names. The file is therefore measured
    before any value is made.

    Raises
    ------
    LineupError
        If the file cannot be read, is not YAML, has a tag or a duplicate key, or is too large, too deep, or too large
        once its aliases are expanded. The line names file, line and column.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = read_text(path, max_bytes=YAML_BYTES)
    try:
        _check_events(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader)  # one of the safe loaders
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = shortened(", ".join(filter(None, (error.context, error.problem))))
        raise LineupError(f"{path}: cannot be read as YAML: {where}{problem}") from error
    # A character that YAML refuses, a number of 5,000 digits, a date that no calendar has, a number beyond all limits.
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise LineupError(f"{path}: cannot be read as YAML: {shortened(error)}") from error


def checked(values: Any, kind: Any, path: Path, *, strict: bool = False) -> Any:
    """Return values as an instance of a type, such as a pydantic dataclass.

    Parameters
    ----------
    values : object
        As `read_json` or `read_yaml` returns it.
    kind : type
        Any type that pydantic can validate.
    path : Path
        The file that errors name.
    strict : bool
        Whether the type has pydantic's strict mode, which takes a section for a dataclass in JSON only. Default no.

    Raises
    ------
    LineupError
        If the values do not fit. The line names file and key, an unknown one first: it may be the missing one with a
        typo.
    """
    from pydantic import ValidationError

    try:
        return validated(values, kind, strict=strict)
    except ValidationError as error:
        problem = first_problem(error)
        key = shortened(".".join(map(str, problem["loc"])), 100)
        where = f"{key}: " if key else ""
        raise LineupError(f"{path}: {where}{shortened(problem['msg'])}") from error
    except (TypeError, ValueError) as error:  # a date for a key
        raise LineupError(f"{path}: {shortened(error)}") from error


def validated(values: Any, kind: Any, *, strict: bool) -> Any:
    """Return values as an instance of a type; see `checked`, which gives every error a line."""
    from pydantic import TypeAdapter

    if strict:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    return TypeAdapter(kind).validate_python(values)


def first_problem(error: ValidationError) -> ErrorDetails:
    """Return the first unknown key of pydantic's problems, or else the first problem."""
    problems = error.errors(include_url=False)
    return next((problem for problem in problems if problem["type"] == "unexpected_keyword_argument"), problems[0])


def read_checked(path: Path, kind: Any) -> Any:
    """Return the content of a JSON file as an instance of a type; see `read_json` and `checked`."""
    return checked(read_json(path), kind, path)


def _integer(digits: str) -> int:
    # Python itself refuses to read a number of thousands of digits.
    if len(digits) > 20 or not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError(f"{shortened(digits, 40)} is too large a number")
    return value


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"{shortened(digits, 40)} is too large a number")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


@dataclass
class _Collection:
    """A list or section of a YAML file, as far as it has been read.

    Parameters
    ----------
    anchor : str or None
        The name by which an alias repeats it.
    section : bool
        Whether its items are keys and values in turn.
    size, height : int
        Its expanded size so far, see `YAML_SIZE`, and how many levels it has.
    items : int
        How many items it has so far.
    keys : set of str
        The keys of a section.
    """

    anchor: str | None = None
    section: bool = False
    size: int = 1
    height: int = 1
    items: int = 0
    keys: set[str] = field(default_factory=set)


def _check_events(events: Iterable[Any]) -> None:
    """Refuse a YAML text by its parsing events, before any value is made of it; see `read_yaml`."""
    import yaml

    measured: dict[str, tuple[int, int] | None] = {}  # size and height by anchor; None while the end is not yet read
    stack = [_Collection()]
    for event in events:
        if getattr(event, "tag", None) is not None:
            _refuse_event(event, f"tag {shortened(event.tag, 50)}: tags are not accepted")
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append(_Collection(event.anchor, isinstance(event, yaml.MappingStartEvent)))
            anchor, size, height = event.anchor, 0, 0
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            anchor, size, height = done.anchor, done.size, done.height
        elif isinstance(event, yaml.ScalarEvent):
            _check_scalar(event, stack[-1])
            anchor, size, height = event.anchor, 1 + len(event.value), 0
        elif isinstance(event, yaml.AliasEvent):
            anchor, (size, height) = None, _measured(event, measured)
        else:
            continue
        if len(stack) + height > YAML_DEPTH:
            _refuse_event(event, f"more than {YAML_DEPTH} levels of lists and sections")
        if anchor is not None:
            measured[anchor] = (size, height) if size else None
        if size:
            _add(event, stack[-1], size, height)


def _check_scalar(event: Any, parent: _Collection) -> None:
    """Refuse a long text and a key that its section has already."""
    if len(event.value) > YAML_SCALAR:
        _refuse_event(event, f"a key or value of more than {YAML_SCALAR:,} characters")
    if parent.section and parent.items % 2 == 0:
        if event.value in parent.keys:
            _refuse_event(event, f"duplicate key {shortened(repr(event.value), 100)}")
        parent.keys.add(event.value)


def _measured(event: Any, measured: dict[str, tuple[int, int] | None]) -> tuple[int, int]:
    """Return size and height of what an alias repeats."""
    found = measured.get(event.anchor, (1, 0))  # an unknown one is refused when the text is loaded
    if found is None:
        _refuse_event(event, f"alias {shortened(repr(event.anchor), 100)} inside of what it repeats")
    return found or (1, 0)


def _add(event: Any, parent: _Collection, size: int, height: int) -> None:
    """Add an item to the collection that holds it."""
    parent.items += 1
    parent.size += size
    parent.height = max(parent.height, height + 1)
    if parent.size > YAML_SIZE:
        _refuse_event(event, f"more than {YAML_SIZE:,} characters once its aliases are expanded")


def _refuse_event(event: Any, problem: str) -> None:
    import yaml

    raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
