"""Choose the champion: the model or committee with the best score on the validation images.

The validation score of the champion is too optimistic, because the champion was chosen by this score. This bias is
estimated as the validation accuracy minus the test accuracy. After the selection, the champion is evaluated on the test
images.

The members of some committees are the N models with the best validation scores. Such a committee has an unfair
advantage, because it is validated on the same images. Fitted weights are not an unfair advantage, because the
validation score of a committee is cross-validated.

Examples
--------
>>> import numpy as np
>>> labels = np.array([0, 0])
>>> first, second = [[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.7, 0.3]]
>>> rank(["first", "second"], Scores(np.arange(2), labels, np.array([first, second])), "accuracy")
{'second': 1.0, 'first': 0.5}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lineup.committee.gather import gather
from lineup.errors import LineupError
from lineup.evaluation.metrics import balanced_accuracy, log_loss, macro_f1
from lineup.evaluation.scores import Scores
from lineup.records.record import Record
from lineup.schema import read_checked, write_json

if TYPE_CHECKING:
    from lineup.committee.settings import ChampionRule

RUNNERS_UP = 5
"""Number of other candidates to list after the champion."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Champion:
    """Content of ``reports/champion.json``, which describes the chosen model or committee.

    Parameters
    ----------
    name : str
        Label of the champion's run, such as ``basic_cnn_seed2``.
    key : str
        Key of its record.
    metric : str
        Metric on the validation images, see `lineup.committee.settings.ChampionRule`.
    candidates, images : int
        Number of candidates and of validation images.
    validation : dict of str to float
        The metric of the champion and of the next candidates, best first.
    val_accuracy, test_accuracy : float
        Accuracy of the champion on these validation images and on the test images.
    optimism : float
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
    optimism: float


_OF_CLASSES = {"balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1}


def rank(names: Sequence[str], holdout: Scores, metric: str) -> dict[str, float]:
    """Rank models and committees by a metric on the held-out images.

    Parameters
    ----------
    names : sequence of str
        Names of the candidates.
    holdout : Scores
        Predictions of the candidates for the held-out images, in the same order.
    metric : {"accuracy", "balanced_accuracy", "macro_f1", "loss"}
        The candidate with the lowest log loss or with the highest value of another metric is best. Ties go to the first
        candidate.

    Returns
    -------
    dict of str to float
        Metric of each candidate, best first. The log loss is in nats.
    """
    if metric == "accuracy":
        values, sign = [float(share) for share in holdout.correct().mean(axis=1)], -1
    elif metric in _OF_CLASSES:
        score = _OF_CLASSES[metric]
        values, sign = [score(member.argmax(axis=1), holdout.labels) for member in holdout.probabilities], -1
    else:
        values, sign = [log_loss(member, holdout.labels) for member in holdout.probabilities], 1
    return dict(sorted(zip(names, values, strict=True), key=lambda item: sign * item[1]))


def choose(records: Sequence[Record], rule: ChampionRule) -> Champion:
    """Choose the model or committee with the best score on the held-out images.

    Parameters
    ----------
    records : sequence of Record
        All models and committees of the pipeline.
    rule : ChampionRule
        From ``params.yaml``.

    Raises
    ------
    LineupError
        If there are no candidates, or they cannot be compared, see `lineup.committee.gather.gather`.
    """
    wanted = {"models": ("network", "classical"), "committees": ("committee",)}
    candidates = [record for record in records if record.header.kind in wanted.get(rule.among, (record.header.kind,))]
    if not candidates:
        raise LineupError(f"champion.among = {rule.among!r}: params.yaml has no such candidate")
    holdout, _ = gather("champion", candidates)
    names = [record.header.label for record in candidates]
    values = rank(names, holdout, rule.metric)
    name = next(iter(values))
    place = names.index(name)
    record = candidates[place]
    val_accuracy = float(holdout.correct()[place].mean())
    test_accuracy = record.metrics["test_accuracy"]
    return Champion(
        name=name,
        key=record.header.key,
        metric=rule.metric,
        candidates=len(candidates),
        images=len(holdout.labels),
        validation=dict(list(values.items())[: RUNNERS_UP + 1]),
        val_accuracy=val_accuracy,
        test_accuracy=test_accuracy,
        optimism=val_accuracy - test_accuracy,
    )


def write_champion(path: Path, champion: Champion) -> None:
    """Write ``champion.json``."""
    write_json(path, dataclasses.asdict(champion))


def read_champion(path: Path) -> Champion:
    """Read ``champion.json``.

    Raises
    ------
    LineupError
        If the file is missing, too large, or not in the format of `write_champion`.
    """
    champion: Champion = read_checked(path, Champion)
    return champion
