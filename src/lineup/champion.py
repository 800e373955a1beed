"""Choose the champion of the line-up by validation, and say what choosing cost.

The best of many looks better on the images that it was chosen by than it is: its score there, less its score on the
test images, is what choosing cost. Only the validation images choose. The test images score the one that was chosen.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from lineup.errors import LineupError
from lineup.evaluation.metrics import CLIP
from lineup.files import replacing_file
from lineup.records.record import Record

if TYPE_CHECKING:
    from lineup.config import ChampionRule

RUNNERS_UP = 5
"""How many candidates are listed beside the champion."""


@dataclass(frozen=True)
class Answers:
    """What a candidate answers on validation images.

    Parameters
    ----------
    indices : ndarray of shape (n,)
        Which of the training images they are; all of them held out by the candidate.
    labels : ndarray of shape (n,)
    probabilities : ndarray of shape (n, k)
    """

    indices: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Champion:
    """Who was chosen, how, and at what cost: ``reports/champion.json``.

    Parameters
    ----------
    name, key : str
        Of the record.
    metric : str
        ``accuracy`` or ``loss``, on the validation images.
    candidates, images : int
        Among how many, by how many images.
    validation : dict of str to float
        The metric of the champion and of those next to it, best first.
    val_accuracy, test_accuracy : float
        Of the champion, on the images that chose it and on the test images.
    cost : float
        ``val_accuracy - test_accuracy``.
    """

    name: str
    key: str
    metric: str
    candidates: int
    images: int
    validation: dict[str, float]
    val_accuracy: float
    test_accuracy: float
    cost: float


def rank(answers: Mapping[str, Answers], metric: str) -> tuple[dict[str, float], np.ndarray]:
    """Rank candidates on the images that all of them held out.

    Parameters
    ----------
    answers : mapping of str to Answers
        By name; the test images have no way in.
    metric : {"accuracy", "loss"}
        The highest accuracy, or the lowest mean negative log-likelihood, in nats. Of equals, the first.

    Returns
    -------
    values : dict of str to float
        Best first.
    shared : ndarray
        The indices of the images.

    Raises
    ------
    LineupError
        If there is no image that all candidates held out.
    """
    shared = min((answer.indices for answer in answers.values()), key=len)
    for answer in answers.values():
        shared = shared[np.isin(shared, answer.indices)]
    if not len(shared):
        raise LineupError("champion: no validation image was held out by all candidates; they cannot be compared")
    measure = _accuracy if metric == "accuracy" else _loss
    values = {name: measure(_restricted(answer, shared)) for name, answer in answers.items()}
    sign = -1 if metric == "accuracy" else 1
    return dict(sorted(values.items(), key=lambda item: sign * item[1])), shared


def choose(records: Sequence[Record], rule: ChampionRule) -> Champion:
    """Return the champion of records: the best by the rule on the images that all of them held out.

    Parameters
    ----------
    records : sequence of Record
        All models and committees of the pipeline.
    rule : ChampionRule
        From ``params.yaml``.
    """
    wanted = {"models": ("network", "classical"), "committees": ("committee",)}
    candidates = [record for record in records if record.header.kind in wanted.get(rule.among, (record.header.kind,))]
    if not candidates:
        raise LineupError(f"champion.among = {rule.among!r}: params.yaml has none of these")
    answers = {record.header.name: _answers(record) for record in candidates}
    values, shared = rank(answers, rule.metric)
    name = next(iter(values))
    record = next(record for record in candidates if record.header.name == name)
    val_accuracy, test_accuracy = _accuracy(_restricted(answers[name], shared)), record.metrics["test_accuracy"]
    return Champion(
        name=name,
        key=record.header.key,
        metric=rule.metric,
        candidates=len(candidates),
        images=len(shared),
        validation=dict(list(values.items())[: RUNNERS_UP + 1]),
        val_accuracy=val_accuracy,
        test_accuracy=test_accuracy,
        cost=val_accuracy - test_accuracy,
    )


def write_champion(path: Path, champion: Champion) -> None:
    """Write ``champion.json``."""
    with replacing_file(path) as partial:
        partial.write_text(json.dumps(dataclasses.asdict(champion), indent=2) + "\n", encoding="utf-8")


def read_champion(path: Path) -> Champion:
    """Read what `write_champion` wrote.

    Raises
    ------
    LineupError
        If the file cannot be read or is not of this format.
    """
    try:
        return TypeAdapter(Champion).validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LineupError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise LineupError(f"{path}: {where}: {problem['msg']}") from error


def _answers(record: Record) -> Answers:
    predictions = record.predictions()
    return Answers(predictions.val_indices, predictions.val_labels, predictions.val_probabilities)


def _restricted(answers: Answers, shared: np.ndarray) -> Answers:
    """Return the answers on some of the images, in the order of these."""
    position = {int(index): row for row, index in enumerate(answers.indices)}
    rows = [position[int(index)] for index in shared]
    return Answers(shared, answers.labels[rows], answers.probabilities[rows])


def _accuracy(answers: Answers) -> float:
    return float(np.mean(answers.probabilities.argmax(axis=1) == answers.labels))


def _loss(answers: Answers) -> float:
    of_actual = answers.probabilities[np.arange(len(answers.labels)), answers.labels].astype(np.float64)
    return float(-np.log(np.clip(of_actual, CLIP, 1 - CLIP)).mean())
