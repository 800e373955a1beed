"""Choose the champion of the line-up by validation, and say what choosing cost.

The best of many looks better on the images that it was chosen by than it is: its score there, less its score on the
test images, is what choosing cost. Only the validation images choose. The test images score the one that was chosen.

A committee whose members are the best so many of the line-up has an advantage that is no merit: its members were chosen
by these images, too. Whatever else is fitted for a committee is cross-fitted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lineup.committee.gather import Answers, gather
from lineup.errors import LineupError
from lineup.evaluation.metrics import log_loss
from lineup.files import replacing_file
from lineup.records.record import Record
from lineup.schema import read_checked

if TYPE_CHECKING:
    from lineup.committee.settings import ChampionRule

RUNNERS_UP = 5
"""How many candidates are listed beside the champion."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
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


def rank(names: Sequence[str], holdout: Answers, metric: str) -> dict[str, float]:
    """Rank candidates on the images that all of them held out.

    Parameters
    ----------
    names : sequence of str
        Of the candidates.
    holdout : Answers
        Of all of them, in the same order; the test images have no way in.
    metric : {"accuracy", "loss"}
        The highest accuracy, or the lowest mean negative log-likelihood, in nats. Of equals, the first.

    Returns
    -------
    dict of str to float
        Best first.
    """
    measure, sign = (_accuracy, -1) if metric == "accuracy" else (log_loss, 1)
    values = {
        name: measure(probabilities, holdout.labels)
        for name, probabilities in zip(names, holdout.probabilities, strict=True)
    }
    return dict(sorted(values.items(), key=lambda item: sign * item[1]))


def choose(records: Sequence[Record], rule: ChampionRule) -> Champion:
    """Return the champion of records: the best by the rule on the images that all of them held out.

    Parameters
    ----------
    records : sequence of Record
        All models and committees of the pipeline.
    rule : ChampionRule
        From ``params.yaml``.

    Raises
    ------
    LineupError
        If there are none to choose from, or they cannot be compared: see `lineup.committee.gather.gather`.
    """
    wanted = {"models": ("network", "classical"), "committees": ("committee",)}
    candidates = [record for record in records if record.header.kind in wanted.get(rule.among, (record.header.kind,))]
    if not candidates:
        raise LineupError(f"champion.among = {rule.among!r}: params.yaml has none of these")
    holdout, _ = gather("champion", candidates)
    names = [record.header.label for record in candidates]
    values = rank(names, holdout, rule.metric)
    name = next(iter(values))
    place = names.index(name)
    record = candidates[place]
    val_accuracy = _accuracy(holdout.probabilities[place], holdout.labels)
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
        If the file cannot be read, is too large or is not of this format.
    """
    champion: Champion = read_checked(path, Champion)
    return champion


def _accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(probabilities.argmax(axis=1) == labels))
