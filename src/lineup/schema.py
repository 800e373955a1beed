"""Read and write JSON files, and read YAML files. Files can be damaged, so they are validated when they are read.

Examples
--------
>>> checked({"seed": 1}, dict[str, int], Path("record.json"))
{'seed': 1}
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_origin

from lineup.errors import LineupError, shortened
from lineup.files import read_text, replacing_file

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

YAML_BYTES = 2**20
"""Maximum size of a YAML file that people write, in bytes."""
LOCK_BYTES = 64 * 2**20
"""Maximum size of ``dvc.lock``, in bytes. Each stage needs about 2 kB."""
YAML_RATIO = 4
"""Maximum number of characters in all keys and values, plus 1 per key or value, with aliases expanded, relative to the
maximum size of the file."""
YAML_DEPTH = 32
"""Maximum depth of lists and sections in a YAML file."""
YAML_SCALAR = 10_000
"""Maximum number of characters in one key or value of a YAML file."""
VALUES = 100_000
"""Maximum number of values that are validated together, because each can cause several errors of some 500 bytes."""
PROBLEMS = 10_000
"""Maximum number of errors that are searched for the one to report."""


def to_json(values: Any) -> str:
    """Return values as indented JSON text.

    Raises
    ------
    ValueError
        If a number is NaN or infinite.

    Examples
    --------
    >>> print(to_json({"epochs": 3}), end="")
    {
      "epochs": 3
    }
    """
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, values: Any) -> None:
    """Write values to a JSON file atomically. See `to_json` for errors."""
    with replacing_file(path) as partial:
        partial.write_text(to_json(values), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    LineupError
        If the file cannot be read, is too large (see `lineup.files.read_text`), or is not JSON. NaN, infinity, and
        numbers that do not fit into 64 bits are errors too.
    """
    try:
        text = read_text(path)
        values = json.loads(text, parse_constant=_refuse, parse_int=_integer, parse_float=_finite)
        if "\\ud" in text.lower():  # half of a character, which no file can contain
            to_json(values).encode()
        return values
    except RecursionError as error:
        raise LineupError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise LineupError(f"{path}: not JSON: {shortened(error)}") from error


def read_yaml(path: Path, *, max_bytes: int = YAML_BYTES) -> Any:
    """Return the value in a YAML file.

    In YAML, an alias can repeat a whole section, so a small file can expand to gigabytes. The expanded size of a YAML
    file is therefore checked before any value is created.

    Raises
    ------
    LineupError
        If the file cannot be read, is not YAML, contains a tag or a duplicate key, is nested too deeply, or is too
        large before or after expanding its aliases. The message gives file, line and column.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = read_text(path, max_bytes=max_bytes)
    try:
        _check_events(yaml.parse(text, Loader=loader), YAML_RATIO * max_bytes)
        return yaml.load(text, Loader=loader)  # one of the safe loaders
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = shortened(", ".join(filter(None, (error.context, error.problem))))
        raise LineupError(f"{path}: cannot be read as YAML: {where}{problem}") from error
    # For example an invalid character, a number of 5,000 digits or an impossible date.
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise LineupError(f"{path}: cannot be read as YAML: {shortened(error)}") from error


def checked(values: Any, kind: Any, path: Path, *, strict: bool = False) -> Any:
    """Validate values and convert them to a type such as a pydantic dataclass.

    Parameters
    ----------
    values : object
        Values returned by `read_json` or `read_yaml`.
    kind : type
        Any type that pydantic can validate.
    path : Path
        The file, for error messages.
    strict : bool
        Whether the type uses pydantic's strict mode. Strict mode accepts a section as a dataclass only in JSON, so the
        values are converted to JSON first. Default no.

    Raises
    ------
    LineupError
        If the values do not match the type. The message names the file and the key. An unknown key comes before a
        missing one, because it may be the same key with a typo.
    """
    from pydantic import ValidationError

    try:
        return validated(values, kind, strict=strict)
    except ValidationError as error:
        problem = first_problem(error)
        key = shortened(".".join(map(str, problem["loc"])), 100)
        where = f"{key}: " if key else ""
        raise LineupError(f"{path}: {where}{shortened(problem['msg'])}") from error
    except (TypeError, ValueError) as error:  # for example, a key that is a date
        raise LineupError(f"{path}: {shortened(error)}") from error


def validated(values: Any, kind: Any, *, strict: bool) -> Any:
    """Validate values like `checked`, but raise pydantic's own errors.

    A file of a few megabytes can contain millions of wrong values. Their errors would need gigabytes. For a list,
    validation therefore stops at the first wrong item. For all other types, the values are first counted, and then
    validated.

    Raises
    ------
    ValidationError
        If the values do not match the type.
    ValueError
        If there are more than `VALUES` values or more than `PROBLEMS` errors.
    """
    from pydantic import FailFast, TypeAdapter, ValidationError

    if get_origin(kind) is list:
        kind = Annotated[kind, FailFast()]
    elif _count(values) > VALUES:
        raise ValueError(f"expected at most {VALUES:,} values, found more")
    try:
        if strict:
            return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        if error.error_count() > PROBLEMS:
            raise ValueError(f"more than {PROBLEMS:,} values are wrong") from None
        raise


def _count(values: Any) -> int:
    """Count all values in nested lists and sections, but stop when the count exceeds `VALUES`."""
    number, todo = 1, [values]
    while todo and number <= VALUES:
        value = todo.pop()
        if isinstance(value, dict | list):
            number += len(value)
            todo += value.values() if isinstance(value, dict) else value
    return number


def first_problem(error: ValidationError) -> ErrorDetails:
    """Return the first problem of a validation error. Unknown keys come before other problems."""
    problems = error.errors(include_url=False)
    return next((problem for problem in problems if problem["type"] == "unexpected_keyword_argument"), problems[0])


def read_checked(path: Path, kind: Any) -> Any:
    """Read a JSON file and convert its content to a type. The function raises the same errors as `read_json` and
    `checked`.
    """
    return checked(read_json(path), kind, path)


def _integer(digits: str) -> int:
    # int() raises an error for numbers with thousands of digits.
    if len(digits) > 20 or not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError(f"the number {shortened(digits, 40)} is too large")
    return value


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"the number {shortened(digits, 40)} is too large")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


@dataclass
class _Collection:
    """State of the YAML parser while it reads a list or a mapping.

    Parameters
    ----------
    anchor : str or None
        Name that aliases use for the collection.
    section : bool
        Whether the collection is a mapping, whose items alternate between keys and values.
    size, height : int
        Current expanded size (see `YAML_RATIO`) and current number of levels.
    items : int
        Current number of items.
    keys : set of str
        The keys of a section.
    """

    anchor: str | None = None
    section: bool = False
    size: int = 1
    height: int = 1
    items: int = 0
    keys: set[str] = field(default_factory=set)


def _check_events(events: Iterable[Any], largest: int) -> None:
    """Check the events of the YAML parser before Python values are created."""
    import yaml

    measured: dict[str, tuple[int, int] | None] = {}  # size and height by anchor; None before its end
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
            _add(event, stack[-1], size, height, largest)


def _check_scalar(event: Any, parent: _Collection) -> None:
    """Reject long scalars and duplicate keys."""
    if len(event.value) > YAML_SCALAR:
        _refuse_event(event, f"a key or value of more than {YAML_SCALAR:,} characters")
    if parent.section and parent.items % 2 == 0:
        if event.value in parent.keys:
            _refuse_event(event, f"duplicate key {shortened(repr(event.value), 100)}")
        parent.keys.add(event.value)


def _measured(event: Any, measured: dict[str, tuple[int, int] | None]) -> tuple[int, int]:
    """A YAML alias repeats a section. Return the nesting depth and the expanded size of this section."""
    found = measured.get(event.anchor, (1, 0))  # loading the text raises an error for an unknown anchor
    if found is None:
        _refuse_event(event, f"alias {shortened(repr(event.anchor), 100)} inside its own anchor")
    return found or (1, 0)


def _add(event: Any, parent: _Collection, size: int, height: int, largest: int) -> None:
    """Add an item to its collection."""
    parent.items += 1
    parent.size += size
    parent.height = max(parent.height, height + 1)
    if parent.size > largest:
        _refuse_event(event, f"more than {largest:,} characters with its aliases expanded")


def _refuse_event(event: Any, problem: str) -> None:
    import yaml

    raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
