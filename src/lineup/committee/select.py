"""Write down who sits in each committee, before any is combined.

DVC cannot list the predictions of a committee's members as its dependencies, because their number varies. So one stage
that depends on all models writes one small file a committee, with the members and a hash of each one's predictions.
The committee depends on its file alone, and is combined again exactly if a member's predictions changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic.dataclasses import dataclass

from lineup.committee.gather import gather
from lineup.errors import LineupError
from lineup.files import file_sha256, replacing_file, replacing_folder
from lineup.records.record import PREDICTIONS, STRICT, Member, Record, read_record
from lineup.schema import read_checked
from lineup.seeds import seed_of

if TYPE_CHECKING:
    from lineup.committee.settings import Committee, MemberFilter


@dataclass(frozen=True, config=STRICT)
class Selection:
    """Content of the JSON file of a committee: its members."""

    members: list[Member]


class Entry(Protocol):
    """What is known of a model before it is trained, as of a `lineup.models.registry.Architecture`."""

    @property
    def kind(self) -> str:
        """``network`` or ``classical``."""

    @property
    def family(self) -> str:
        """Its family."""

    @property
    def report(self) -> str:
        """Letter of the report that describes it."""


def candidates(members: list[str] | str | MemberFilter, models: Mapping[str, Entry]) -> list[str]:
    """Return the names of the models that a committee's members are, or are chosen from.

    Parameters
    ----------
    members : list of str, "all" or MemberFilter
        As in ``params.yaml``. A list is returned as it is.
    models : mapping of str to Entry
        The line-up. For ``all`` and a filter its repeats with other seeds are passed over: they are the same model.
    """
    if isinstance(members, list):
        return members
    once = {name: entry for name, entry in models.items() if seed_of(name) is None}
    if isinstance(members, str):
        return list(once)
    given = {name: value for name in ("kind", "family", "report") if (value := getattr(members, name)) is not None}
    return [name for name, entry in once.items() if all(getattr(entry, key) == given[key] for key in given)]


def select_all(committees: Mapping[str, Committee], models: Mapping[str, Entry], records: Path, target: Path) -> None:
    """Write ``<target>/<committee>.json`` for every committee.

    Parameters
    ----------
    committees : mapping of str to Committee
        By name.
    models : mapping of str to Entry
        The line-up, by name.
    records : Path
        Folder of the models' records.
    target : Path
        Replaced as a whole.
    """
    with replacing_folder(target) as partial:
        for name, committee in committees.items():
            write_selection(partial / f"{name}.json", select(name, committee, models, records))


def select(name: str, committee: Committee, models: Mapping[str, Entry], records: Path) -> list[Member]:
    """Return the members of a committee, with a hash of each one's predictions.

    Parameters
    ----------
    name, committee, models, records
        As of `select_all`, of one committee.

    Raises
    ------
    LineupError
        If a member has no record or no predictions, or the best are sought among models of which one was trained on
        images that another held out.
    """
    chosen = [read_record(records / member) for member in candidates(committee.members, models)]
    # Hashed before they are read: where a clone has no predictions, this says what to do.
    hashes = {record.folder: file_sha256(record.folder / PREDICTIONS) for record in chosen}
    if not isinstance(committee.members, (list, str)) and committee.members.best:
        chosen = _best(f"committee {name}", chosen, committee.members.best)
    return [Member(record.folder.name, record.header.key, hashes[record.folder]) for record in chosen]


def _best(committee: str, records: Sequence[Record], count: int) -> list[Record]:
    """Return the most accurate on the images that all of them held out, in the order in which they came."""
    holdout, _ = gather(committee, records)
    right = (holdout.probabilities.argmax(axis=2) == holdout.labels).sum(axis=1)
    ranked = sorted(range(len(records)), key=lambda number: -right[number])  # a stable sort: of equals the first
    return [records[number] for number in sorted(ranked[:count])]


def write_selection(path: Path, members: list[Member]) -> None:
    """Write a committee's members to a JSON file."""
    values = [{"name": m.name, "key": m.key, "predictions_sha256": m.predictions_sha256} for m in members]
    with replacing_file(path) as partial:
        partial.write_text(json.dumps({"members": values}, indent=2) + "\n", encoding="utf-8")


def read_selection(path: Path) -> list[Member]:
    """Read what `write_selection` wrote.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not of this format.
    """
    if not path.is_file():
        raise LineupError(f"{path}: no such file; run lineup select first")
    selection: Selection = read_checked(path, Selection)
    return selection.members
