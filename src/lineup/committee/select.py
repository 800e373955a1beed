"""Choose the members of each committee before the committees are built.

The members of a committee cannot be the dependencies of a DVC stage, because the number of members varies. The stage
``select`` therefore writes one small file per committee. The file contains the settings, the members, and hashes of the
members' predictions. The stage that builds a committee depends only on the file of this committee. DVC builds a
committee again if its settings or the predictions of a member change.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> member = Member("basic_cnn", 2, key="0123456789abcdef", predictions_sha256="0" * 64)
>>> with TemporaryDirectory() as folder:
...     write_selection(Path(folder, "pair.json"), Selection(Committee(["basic_cnn"], "average"), [[member]]))
...     selection = read_selection(Path(folder, "pair.json"))
>>> selection.runs[0][0].label
'basic_cnn_seed2'
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic.dataclasses import dataclass

from lineup.committee.candidates import Candidate, candidates, split_member
from lineup.committee.gather import gather
from lineup.committee.settings import Committee
from lineup.errors import LineupError
from lineup.files import file_sha256, replacing_folder
from lineup.paths import seed_folder
from lineup.records.header import STRICT, Member
from lineup.records.record import PREDICTIONS, Record, read_record
from lineup.schema import checked, read_json, write_json


@dataclass(frozen=True, config=STRICT)
class Selection:
    """Settings of a committee, and the selected members of each run."""

    committee: Committee
    runs: list[list[Member]]


def select_all(
    committees: Mapping[str, Committee],
    models: Mapping[str, Candidate],
    records: Path,
    target: Path,
) -> None:
    """Select the members of each committee, and write them to one JSON file per committee.

    Parameters
    ----------
    committees : mapping of str to Committee
        All committees of the project, by name.
    models : mapping of str to Candidate
        All models of the project, by name.
    records : Path
        Folder of the models' records.
    target : Path
        Folder of the files ``<committee>.json``. The folder is replaced as a whole.
    """
    with replacing_folder(target) as partial:
        for name, committee in committees.items():
            runs = [select(name, committee, models, records, run=run) for run in range(1, committee.seeds + 1)]
            write_selection(partial / f"{name}.json", Selection(committee, runs))


def select(
    name: str,
    committee: Committee,
    models: Mapping[str, Candidate],
    records: Path,
    *,
    run: int = 1,
) -> list[Member]:
    """Return the members of a committee for one run. Each member contains the hash of its predictions.

    Parameters
    ----------
    name, committee, models, records
        See `select_all`.
    run : int
        Number of the run: run 1 takes the first seed of each member, run 2 the second. Default 1.

    Raises
    ------
    LineupError
        If a member has no record or no predictions. If the best members are selected and one candidate was trained on
        images that another one held out.
    """
    chosen = []
    for member in candidates(committee.members, models):
        model, seed = split_member(member, models)
        seed = models[model].seeds[run - 1] if seed is None else seed
        chosen.append(read_record(seed_folder(records / model, seed)))
    # Hash before reading: in a clone without predictions, this error says how to make them.
    hashes = {record.folder: file_sha256(record.folder / PREDICTIONS) for record in chosen}
    if not isinstance(committee.members, (list, str)) and committee.members.best:
        chosen = _best(f"committee {name}", chosen, committee.members.best)
    return [
        Member(record.header.name, record.header.seed, record.header.key, hashes[record.folder]) for record in chosen
    ]


def _best(committee: str, records: Sequence[Record], count: int) -> list[Record]:
    """Return the records with the highest accuracy on the held-out images.

    The order of the records is kept.
    """
    holdout, _ = gather(committee, records)
    right = holdout.correct().sum(axis=1)
    ranked = sorted(range(len(records)), key=lambda number: -right[number])  # a stable sort: ties go to the first
    return [records[number] for number in sorted(ranked[:count])]


def write_selection(path: Path, selection: Selection) -> None:
    """Write a selection to a JSON file."""
    write_json(path, dataclasses.asdict(selection))


def read_selection(path: Path) -> Selection:
    """Read a selection from a JSON file.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not in the format of `write_selection`.
    """
    if not path.is_file():
        raise LineupError(f"{path}: no such file; run lineup select first")
    selection: Selection = checked(read_json(path), Selection, path, strict=True)
    return selection
