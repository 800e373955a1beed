"""Build a committee from the stored predictions of its members.

No model is loaded here. Some rules consider the prediction time. These rules receive the measured times of the members.
"""

from __future__ import annotations

import dataclasses
import platform
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lineup.committee.analysis import Analysis, analyse, predictions_without_each
from lineup.committee.cost import Times, compare_cost
from lineup.committee.fitting import FittedRule, cross_fitted, fit_rule
from lineup.committee.gather import gather
from lineup.committee.model import write_analysis, write_committee
from lineup.errors import LineupError
from lineup.evaluation.metrics import confusion_counts
from lineup.evaluation.scores import Scores
from lineup.files import check_room, file_sha256, folder_sha256, replacing_folder
from lineup.paths import seed_folder
from lineup.records.header import Device, Header, Member
from lineup.records.machine import library_version, source_commit, this_machine
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, PREDICTIONS, Record, read_record, write_record
from lineup.records.runtime import now, runtime_of
from lineup.records.score import score

if TYPE_CHECKING:
    from lineup.committee.settings import Committee

Measure = Callable[[Sequence[Record]], Times]
"""Takes the records of the members. Returns their prediction times."""


def build_committee(
    name: str,
    committee: Committee,
    members: Sequence[Member],
    models: Path,
    folder: Path,
    *,
    run: int = 1,
    experiment: str | None = None,
    measure: Measure | None = None,
) -> Record:
    """Build a committee from the predictions of its members, and write its record.

    Parameters
    ----------
    name : str
        Name of the committee.
    committee : Committee
        Settings of the committee.
    members : sequence of Member
        The chosen members, see `lineup.committee.select.select`.
    models : Path
        Folder of the models' records.
    folder : Path
        Folder of the committee's record.
    run : int, optional
        Number of the run, see `lineup.committee.select.select`. Default 1.
    experiment : str, optional
        Random name of an experiment outside the pipeline. Default: None, for a run of the pipeline.
    measure : callable, optional
        See `Measure`. It is called only if the committee needs the times, see `Committee.needs_times`. Default: None,
        the times are unknown.

    Returns
    -------
    Record

    Raises
    ------
    LineupError
        If the predictions of a member have changed since the selection, the members were trained on different data, or
        a member was trained on images that another one held out. If the record cannot be written. If a price is set
        and the times are unknown.
    """
    check_room(folder)
    attempt, started, commit = uuid.uuid4().hex, now(), source_commit()
    records = [_read_member(name, member, models) for member in members]
    holdout, test = gather(f"committee {name}", records)
    times = measure(records) if measure and committee.needs_times else None
    clock = time.perf_counter()
    fitted, predictions = combine_predictions(committee, holdout, test, times)
    seconds = time.perf_counter() - clock
    header = _header(name, committee, members, records, len(holdout.labels), run, experiment)
    classes = header.data.classes
    with replacing_folder(folder) as partial:
        model = partial / MODEL
        model.mkdir()
        names = [member.label for member in members]
        write_committee(model, names, fitted)
        write_analysis(model, analyse_members(committee, fitted, names, holdout, test, times))
        write_record(
            partial,
            dataclasses.replace(header, model_files=folder_sha256(model)),
            [],
            score(predictions, classes),
            predictions,
            confusion_counts(predictions.test.probabilities, predictions.test.labels, len(classes)),
            runtime_of(attempt, started, {"combining": seconds}, images_per_second=None, commit=commit),
        )
    return read_record(folder)


def combine_predictions(
    committee: Committee, holdout: Scores, test: Scores, times: Times | None = None
) -> tuple[FittedRule, Predictions]:
    """Fit the rule of a committee, and combine the predictions of its members.

    The predictions for the held-out images come from cross-validation. The validation metrics are computed from these
    predictions. The predictions for the test images come from a rule that is fitted on all held-out images.

    Parameters
    ----------
    committee : Committee
        Settings that contain the rule, the temperature and the seed.
    holdout, test : Scores
        Predictions of the members, see `lineup.committee.gather.gather`.
    times : Times, optional
        Prediction times of the members. Default: unknown.

    Returns
    -------
    fitted : FittedRule
        Rule, fitted on all held-out images.
    predictions : Predictions
        Predictions of the committee.

    Examples
    --------
    >>> from lineup.committee.settings import Committee
    >>> members = Scores(np.array([0]), np.array([1]), np.array([[[0.5, 0.5]], [[0.0, 1.0]]]))
    >>> _, predictions = combine_predictions(Committee(["a", "b"], "average"), members, members)
    >>> predictions.test.probabilities.tolist()
    [[0.25, 0.75]]
    """
    rule, seed, temperature = committee.rule, committee.seed, committee.temperature
    cost, images = committee.cost(times.seconds if times else ()), (holdout.probabilities, holdout.labels)
    fitted = fit_rule(rule, *images, seed=seed, temperature=temperature, cost=cost)
    validation = cross_fitted(rule, *images, seed=seed, temperature=temperature, cost=cost)
    predictions = Predictions(
        val=Scores(holdout.indices, holdout.labels, validation),
        test=Scores(test.indices, test.labels, fitted.apply(test.probabilities)),
    )
    return fitted, predictions


def analyse_members(
    committee: Committee,
    fitted: FittedRule,
    names: Sequence[str],
    holdout: Scores,
    test: Scores,
    times: Times | None = None,
) -> Analysis:
    """Analyse a committee on the test images, and measure how each member affects the accuracy.

    If the prediction times of the members are known, also compare the committee with its full committee.
    """
    without = predictions_without_each(
        committee.rule,
        holdout.probabilities,
        holdout.labels,
        test.probabilities,
        seed=committee.seed,
        temperature=committee.temperature,
        earlier=fitted.details,
        cost=committee.cost(times.seconds if times else ()),
    )
    cost = compare_cost(committee, fitted, times, holdout, test) if times else None
    return analyse(fitted, names, test.probabilities, test.labels, without, cost)


def _read_member(name: str, member: Member, models: Path) -> Record:
    record = read_record(seed_folder(models / member.name, member.seed))
    if file_sha256(record.folder / PREDICTIONS) != member.predictions_sha256:
        raise LineupError(f"committee {name}: the predictions of {member.label} have changed; run lineup select again")
    return record


def _header(
    name: str,
    committee: Committee,
    members: Sequence[Member],
    records: Sequence[Record],
    shared_validation: int,
    run: int,
    experiment: str | None,
) -> Header:
    libraries = {"python": platform.python_version(), "numpy": np.__version__}
    if committee.rule == "stacking":
        libraries["scikit-learn"] = library_version("scikit-learn")
    return Header(
        name=name,
        kind="committee",
        family="committee",
        architecture=committee.rule,
        report=committee.report,
        parameters={
            "rule": committee.rule,
            "members": ", ".join(member.label for member in members),
            "temperature": committee.temperature,
            "seed": committee.seed,
            **_cost_parameters(committee),
        },
        seed=run,
        threads=None,
        device=Device("cpu", this_machine().cpu_model),
        onednn=False,
        libraries=libraries,
        data=dataclasses.replace(
            records[0].header.data,
            training_images=min(record.header.data.training_images for record in records),
            validation_images=shared_validation,
        ),
        members=list(members),
        experiment=experiment,
    )


def _cost_parameters(committee: Committee) -> dict[str, float]:
    """Return the rule's settings for the prediction time. They become parameters of the record. Most rules have no cost
    settings.
    """
    if committee.rule == "cascade":
        return {"accuracy_loss": committee.cost().accuracy_loss}
    return {} if committee.price is None else {"price": committee.price}
