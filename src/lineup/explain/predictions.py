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
from lineup.paths import Project, seed_folder
from lineup.records.compact import find_folder, open_record, predicted_classes, predictions_sha256
from lineup.records.record import Record

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
    found = predicted_classes(record)
    return misclassified(
        dataset.test_images[found.indices],
        found,
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
    found, label, name = predicted_classes(committee), committee.header.label, member.header.label
    return committee_differences(
        dataset.test_images[found.indices],
        found,
        predicted_classes(member),
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
        Folder of the models' records, ``runs/models`` in the project.

    Raises
    ------
    LineupError
        If the record is not that of a committee, or the member was trained again after the committee was made.
    """
    members, label = committee.header.members, committee.header.label
    if not members:
        raise LineupError(f"{label} is not a committee; expected the name of a committee")
    project = Project(models.parents[1])
    groups = [(models / member.name, member.seed) for member in members]
    records = [open_record(find_folder(project, *group) or seed_folder(*group)) for group in groups]
    best = max(range(len(records)), key=lambda number: records[number].metrics["val_accuracy"])
    if predictions_sha256(records[best]) != members[best].predictions_sha256:
        raise LineupError(f"{members[best].label} was trained again after {label} was made; run dvc repro")
    return records[best]
