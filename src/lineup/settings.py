"""Types and error messages shared by all settings in ``params.yaml``.

Examples
--------
>>> from pydantic import TypeAdapter
>>> TypeAdapter(Seeds).validate_python(3)
[1, 2, 3]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from lineup.errors import expected_one_of, shortened

STRICT = ConfigDict(extra="forbid", strict=True)

Seed = Annotated[int, Field(ge=0, lt=2**31)]
MAX_SEEDS = 1_000


def _listed(seeds: Any) -> Any:
    """Convert a number n to the list of seeds from 1 to n. Other values are returned unchanged."""
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= MAX_SEEDS:
        return list(range(1, seeds + 1))
    return seeds


Seeds = Annotated[list[Seed], BeforeValidator(_listed), Field(min_length=1, max_length=MAX_SEEDS)]
"""The seeds of a model: a number n for the seeds 1 to n, or a list."""
SHOWN = 120
"""Maximum number of characters of an invalid value in an error message."""


def shown(value: object) -> str:
    """Format an invalid value for an error message."""
    return shortened(repr(value), SHOWN)


def unknown(key: str, value: str, accepted: Iterable[str]) -> str:
    """Return an error message for a value that is not accepted."""
    return f"{key} = {shown(value)}: {expected_one_of(value, accepted)}"
