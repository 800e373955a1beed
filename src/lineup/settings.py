"""What all settings of ``params.yaml`` share: frozen, strict dataclasses, and the words of their errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import ConfigDict, Field

from lineup.errors import expected_one_of, shortened

STRICT = ConfigDict(extra="forbid", strict=True)

Seed = Annotated[int, Field(ge=0, lt=2**31)]
SHOWN = 120
"""Of a wrong value an error shows so many characters."""


def shown(value: object) -> str:
    """Return a wrong value as an error shows it."""
    return shortened(repr(value), SHOWN)


def unknown(key: str, value: str, accepted: Iterable[str]) -> str:
    """Return the error of a key whose value is none of the accepted ones."""
    return f"{key} = {shown(value)}: {expected_one_of(value, accepted)}"
