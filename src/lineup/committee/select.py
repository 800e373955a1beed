"""Write down who sits in each committee, before any is combined.

DVC cannot list the predictions of a committee's members as its dependencies, because their number varies. So one stage
that depends on all models writes one small file a committee, with the members and a hash of each one's predictions.
The committee depends on its file alone, and is combined again exactly if a member's predictions changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.errors import LineupError
from lineup.files import file_sha256, replacing_file, replacing_folder
from lineup.records.record import PREDICTIONS, Member, read_record

if TYPE_CHECKING:
    from lineup.config import Committee


def select_all(committees: Mapping[str, Committee], models: Path, target: Path) -> None:
    """Write ``<target>/<committee>.json`` for every committee.

    Parameters
    ----------
    committees : mapping of str to Committee
        By name.
    models : Path
        Folder of the models' records.
    target : Path
        Replaced as a whole.
    """
    with replacing_folder(target) as partial:
        for name, committee in committees.items():
            write_selection(partial / f"{name}.json", select(committee, models))


def select(committee: Committee, models: Path) -> list[Member]:
    """Return the members of a committee, with a hash of each one's predictions.

    Raises
    ------
    LineupError
        If a member has no record.
    """
    members = []
    for name in committee.members:
        record = read_record(models / name)
        members.append(Member(name, record.header.key, file_sha256(record.folder / PREDICTIONS)))
    return members


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
        If the file is missing or is not of this format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return [Member(**member) for member in values["members"]]
    except OSError as error:
        raise LineupError(f"{path}: cannot be read ({error.strerror}); run lineup select first") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LineupError(f"{path}: not a list of members: {' '.join(str(error).split())}") from error
