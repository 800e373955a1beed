"""List the models that can be members of a committee.

This module does not use any records, so ``params.yaml`` can be checked before records exist.

Examples
--------
>>> models = {"cnn": Candidate("network", "cnn", "A"), "svm": Candidate("classical", "classical", "E")}
>>> candidates("all", models)
['cnn', 'svm']
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineup.committee.settings import MemberFilter


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Model that can be a member of a committee.

    Parameters
    ----------
    kind : {"network", "classical"}
    family : str
    report : str
        Letter of the report that describes the architecture.
    seeds : sequence of int
        Seeds of the training runs of the model.
    """

    kind: str
    family: str
    report: str
    seeds: Sequence[int] = (1,)


def candidates(members: list[str] | str | MemberFilter, models: Mapping[str, Candidate]) -> list[str]:
    """Return the names of the models that can be members of a committee.

    Parameters
    ----------
    members : list of str, "all" or MemberFilter
        As in ``params.yaml``. A list is returned as it is.
    models : mapping of str to Candidate
        All models of the project.
    """
    if isinstance(members, list):
        return members
    if isinstance(members, str):
        return list(models)
    given = {name: value for name in ("kind", "family", "report") if (value := getattr(members, name)) is not None}
    return [name for name, entry in models.items() if all(getattr(entry, key) == given[key] for key in given)]


def split_member(member: str, models: Container[str]) -> tuple[str, int | None]:
    """Split the name of a member into the name of its model and a seed.

    If the name contains no seed, the seed is None.

    Examples
    --------
    >>> split_member("basic_cnn", ["basic_cnn"])
    ('basic_cnn', None)
    >>> split_member("basic_cnn_seed2", ["basic_cnn"])
    ('basic_cnn', 2)
    """
    match = re.fullmatch(r"(.+)_seed(\d{1,10})", member)
    if member in models or match is None or match[1] not in models:
        return member, None
    return match[1], int(match[2])
