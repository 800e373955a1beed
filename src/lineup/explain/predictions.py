"""Plot misclassified test images, and test images on which a committee and its best member disagree.

Examples
--------
>>> from types import SimpleNamespace
>>> model = SimpleNamespace(header=SimpleNamespace(members=[], label="knn_seed1"))
>>> best_member(model, Path("runs/models"))
Traceback (most recent call last):
    ...
lineup.errors.LineupError: knn_seed1 is not a committee; expected the name of a committee
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lineup.errors import LineupError
from lineup.explain.record_figures import data_line
from lineup.figures.mistakes import committee_differences, misclassified
from lineup.files import file_sha256
from lineup.paths import seed_folder
from lineup.records.record import PREDICTIONS, Record, read_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineup.data.dataset import Dataset


def errors(record: Record, dataset: Dataset) -> Figure:
    """Plot the misclassified test images for which a model has the highest confidence.

    Raises
    ------
    NothingToShowError
        If no image is misclassified.
    """
    scores = record.predictions().test
    return misclassified(
        dataset.test_images[scores.indices],
        scores,
        dataset.classes,
        title=f"{record.header.label}: misclassified images",
        subtitle=data_line(record),
    )


def differences(committee: Record, member: Record, dataset: Dataset) -> Figure:
    """Plot test images on which a committee and its best member disagree.

    Raises
    ------
    NothingToShowError
        If they predict the same class for every image.
    """
    scores, label, name = committee.predictions().test, committee.header.label, member.header.label
    return committee_differences(
        dataset.test_images[scores.indices],
        scores,
        member.predictions().test,
        dataset.classes,
        name=name,
        title=f"{label} and its best member {name}: images on which they differ",
        subtitle=data_line(committee),
    )


def best_member(committee: Record, models: Path) -> Record:
    """Return the record of the member with the highest validation accuracy. Ties go to the first member.

    Parameters
    ----------
    committee : Record
        Record of a committee.
    models : Path
        Folder of the models' records.

    Raises
    ------
    LineupError
        If the record is not that of a committee, or the member was trained again after the committee was made.
    """
    members, label = committee.header.members, committee.header.label
    if not members:
        raise LineupError(f"{label} is not a committee; expected the name of a committee")
    records = [read_record(seed_folder(models / member.name, member.seed)) for member in members]
    best = max(range(len(records)), key=lambda number: records[number].metrics["val_accuracy"])
    if file_sha256(records[best].folder / PREDICTIONS) != members[best].predictions_sha256:
        raise LineupError(f"{members[best].label} was trained again after {label} was made; run dvc repro")
    return records[best]
