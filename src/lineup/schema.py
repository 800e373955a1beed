"""Read JSON files that may come from another machine, and check them against a type."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lineup.errors import LineupError, shortened
from lineup.files import read_text


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
    except (ValueError, RecursionError) as error:
        raise LineupError(f"{path}: not JSON: {shortened(error)}") from error


def checked(values: Any, kind: Any, path: Path) -> Any:
    """Return values as an instance of a type, such as a pydantic dataclass.

    Parameters
    ----------
    values : object
        As `read_json` returns it.
    kind : type
        Any type that pydantic can validate.
    path : Path
        The file that errors name.

    Raises
    ------
    LineupError
        If the values do not fit. The line names file and key.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = shortened(".".join(map(str, problem["loc"])), 100)
        where = f"{key}: " if key else ""
        raise LineupError(f"{path}: {where}{shortened(problem['msg'])}") from error


def read_checked(path: Path, kind: Any) -> Any:
    """Return the content of a JSON file as an instance of a type; see `read_json` and `checked`."""
    return checked(read_json(path), kind, path)


def _integer(digits: str) -> int:
    if not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError(f"{shortened(digits, 40)} is too large a number")
    return value


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"{shortened(digits, 40)} is too large a number")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
