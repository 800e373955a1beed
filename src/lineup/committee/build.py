"""Combine the stored predictions of several records into the record of a committee. No model is opened."""

from __future__ import annotations

import json
import platform
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineup.committee.rules import combine
from lineup.errors import LineupError
from lineup.evaluation.metrics import confusion_counts
from lineup.files import file_sha256, replacing_folder
from lineup.records.machine import this_machine
from lineup.records.record import (
    MODEL,
    PREDICTIONS,
    DataIdentity,
    Device,
    Header,
    Member,
    Predictions,
    Record,
    now,
    read_record,
    runtime_of,
    write_record,
)
from lineup.records.score import score

if TYPE_CHECKING:
    from lineup.config import Committee


def build_committee(
    name: str,
    committee: Committee,
    members: Sequence[Member],
    models: Path,
    folder: Path,
    *,
    experiment: str | None = None,
) -> Record:
    """Combine the members' probabilities by the committee's rule and write its record.

    Parameters
    ----------
    name : str
        Name of the record.
    committee : Committee
        Its rule, and what its report says.
    members : sequence of Member
        As `lineup.committee.select` wrote them.
    models : Path
        Folder of the models' records.
    folder : Path
        Where the committee's record goes.
    experiment : str, optional
        A name of its own for a single experiment. Default: a run of the pipeline.

    Returns
    -------
    Record

    Raises
    ------
    LineupError
        If a member's predictions are not those that were selected, or the members were trained on different data.
    """
    attempt, started, clock = uuid.uuid4().hex, now(), time.perf_counter()
    records = [read_record(models / member.name) for member in members]
    for member, record in zip(members, records, strict=True):
        if file_sha256(record.folder / PREDICTIONS) != member.predictions_sha256:
            raise LineupError(
                f"committee {name}: the predictions of {member.name} have changed; run lineup select again"
            )
    _check_same_data(name, records)
    predictions = combine_predictions(committee.rule, [record.predictions() for record in records])
    header = _header(name, committee, members, records, len(predictions.val_labels), experiment)
    seconds = time.perf_counter() - clock
    classes = header.data.classes
    with replacing_folder(folder) as partial:
        _write_model(partial / MODEL, committee.rule, members)
        write_record(
            partial,
            header,
            [],
            score(predictions, classes),
            predictions,
            confusion_counts(predictions.test_probabilities, predictions.test_labels, len(classes)),
            runtime_of(attempt, started, {"combining": seconds}, images_per_second=None),
        )
    return read_record(folder)


def combine_predictions(rule: str, members: Sequence[Predictions]) -> Predictions:
    """Combine predictions on the test images, and on the validation images that all members share.

    Members may have held out different shares of the training images. The split is nested, so the images that all of
    them held out are those of the smallest share; on the others a member's answer would be one on its training images.
    """
    shared = min((member.val_indices for member in members), key=len)
    on_shared = []
    for member in members:
        position = {int(index): row for row, index in enumerate(member.val_indices)}
        on_shared.append(member.val_probabilities[[position[int(index)] for index in shared]])
    first = min(members, key=lambda member: len(member.val_indices))
    return Predictions(
        val_indices=shared,
        val_labels=first.val_labels,
        val_probabilities=combine(rule, np.stack(on_shared)),
        test_indices=first.test_indices,
        test_labels=first.test_labels,
        test_probabilities=combine(rule, np.stack([member.test_probabilities for member in members])),
    )


def _check_same_data(name: str, records: Sequence[Record]) -> None:
    first = records[0].header
    for record in records[1:]:
        if record.header.data.fingerprint != first.data.fingerprint:
            raise LineupError(
                f"committee {name}: {record.header.name} was trained on other data or another split"
                f" than {first.name}; train both on the same"
            )


def _header(
    name: str,
    committee: Committee,
    members: Sequence[Member],
    records: Sequence[Record],
    shared_validation: int,
    experiment: str | None,
) -> Header:
    data = records[0].header.data
    return Header(
        name=name,
        kind="committee",
        family="committee",
        architecture=committee.rule,
        report=committee.report,
        parameters={"rule": committee.rule, "members": ", ".join(member.name for member in members)},
        seed=None,
        threads=None,
        device=Device("cpu", this_machine().cpu_model),
        onednn=False,
        libraries={"python": platform.python_version(), "numpy": np.__version__},
        data=DataIdentity(
            name=data.name,
            title=data.title,
            generated=data.generated,
            fingerprint=data.fingerprint,
            classes=data.classes,
            training_images=min(record.header.data.training_images for record in records),
            validation_images=shared_validation,
            test_images=data.test_images,
        ),
        members=list(members),
        experiment=experiment,
    )


def _write_model(folder: Path, rule: str, members: Sequence[Member]) -> None:
    folder.mkdir()
    values = {"rule": rule, "members": [member.name for member in members]}
    (folder / "committee.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
