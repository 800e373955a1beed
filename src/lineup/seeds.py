"""A model with several seeds is several entries of ``params.yaml``: ``<model>`` and ``<model>_seed<n>``.

Each is a stage, a record and a run of its own, so that DVC keeps and MLflow compares each; pages and runs put them
together by name, and ``lineup.params`` sees to it that nothing but the seed differs between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_REPEAT = re.compile(r"^(.+)_seed(\d+)$")


def base_name(name: str) -> str:
    """Return the name of the model or committee that an entry repeats, or its own: ``a_seed2`` repeats ``a``."""
    return match[1] if (match := _REPEAT.match(name)) else name


def seed_of(name: str) -> int | None:
    """Return the seed in an entry's name, None if it repeats no other."""
    return int(match[2]) if (match := _REPEAT.match(name)) else None


def by_base_name(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the entries of each model or committee, in the order in which they come."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(base_name(name), []).append(name)
    return groups
