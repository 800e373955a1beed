"""Compare groups of training runs, such as runs on two machines, by accuracy, time and memory.

Examples
--------
>>> compare_by([], "device")
Traceback (most recent call last):
    ...
lineup.errors.LineupError: compare: no records of trained models
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError, shortened
from lineup.evaluation.groups import GroupDifference, adjusted, compare_groups, paired_noise, seed_noise
from lineup.evaluation.metrics import accuracy_interval
from lineup.evaluation.seeds import SeedDeviation
from lineup.evaluation.significance import Pair, holm, pairwise
from lineup.records.compact import predicted_classes
from lineup.records.groups import Matched, MatchedModel, cores_and_memory, libraries_of, match_records, short_commit
from lineup.records.record import Record


@dataclass(frozen=True)
class GroupRow:
    """Training runs of one model in one group.

    Parameters
    ----------
    model, group : str
        Name of the model and label of the group.
    runs : list of Record
        Sorted by seed.
    low, high : float
        95 % Wilson interval of the mean test accuracy for the number of test images.
    speed_up : float or None
        Training time per epoch of the reference group divided by that of this group; for a model without epochs, the
        ratio of the training times. None for the reference group.
    difference : GroupDifference or None
        Difference in accuracy from the reference group; None for the reference group.
    """

    model: str
    group: str
    runs: list[Record]
    low: float
    high: float
    speed_up: float | None = None
    difference: GroupDifference | None = None

    @property
    def accuracies(self) -> list[float]:
        """Return the test accuracy of each training run."""
        return [run.metrics["test_accuracy"] for run in self.runs]

    @property
    def seconds(self) -> float:
        """Return the mean training time in seconds."""
        return statistics.fmean(run.runtime.training_seconds for run in self.runs)

    @property
    def seconds_per_epoch(self) -> float | None:
        """Return the mean training time per epoch, or None for a model without epochs."""
        if not all(run.history for run in self.runs):
            return None
        return statistics.fmean(run.runtime.training_seconds / len(run.history) for run in self.runs)

    @property
    def images_per_second(self) -> float | None:
        """Return the mean training speed in images per second. If a record has no speed, return None."""
        values = [run.runtime.images_per_second for run in self.runs]
        return statistics.fmean(value for value in values if value) if all(values) else None

    @property
    def energy_joules(self) -> float | None:
        """Return the mean energy of CPU and GPU together, in joules. If a training run has no energy value, return
        None.
        """
        energies = [run.runtime.energy_joules for run in self.runs]
        return statistics.fmean(sum(energy.values()) for energy in energies) if all(energies) else None

    @property
    def memory_bytes(self) -> int:
        """Return the peak memory of the largest training process in bytes, or 0 if it is unknown."""
        return max(run.runtime.peak_memory_bytes for run in self.runs)


@dataclass(frozen=True)
class SeedPair:
    """Two training runs with the same seed. One run is in the reference group, and the other run is in another group.

    Parameters
    ----------
    model, group : str
        Name of the model and label of the other group.
    seed : int
    pair : Pair
        McNemar's test; ``a`` is the training of the other group and ``b`` that of the reference.
    """

    model: str
    group: str
    seed: int
    pair: Pair


@dataclass(frozen=True)
class GroupComparison:
    """Comparison of groups of training runs.

    Parameters
    ----------
    matched : Matched
        The groups with their records.
    rows : list of GroupRow
        By model. The first row of each model is its reference.
    pairs : list of SeedPair
        All pairs of training runs with the same seed. The p-values are adjusted for their number.
    noise : dict of str to SeedDeviation
        Standard deviation of the accuracy between seeds, by kind of model.
    """

    matched: Matched
    rows: list[GroupRow]
    pairs: list[SeedPair]
    noise: dict[str, SeedDeviation]

    @property
    def first(self) -> Record:
        """Return a record of the comparison. All records have the same test images."""
        return self.rows[0].runs[0]

    @cached_property
    def records(self) -> dict[str, list[Record]]:
        """Return the compared records of each group."""
        rows = self.rows
        return {group: [run for row in rows if row.group == group for run in row.runs] for group in self.matched.groups}

    @property
    def confounders(self) -> list[str]:
        """Return the names of other properties that also differ between the groups."""
        key = self.matched.key
        values: dict[str, Callable[[Record], str]] = {
            "device": lambda record: record.header.device.name,
            "host": lambda record: record.runtime.machine.host,
            "processor": lambda record: record.runtime.machine.cpu_model,
            "cores and memory": lambda record: cores_and_memory(record.runtime.machine),
            "system": lambda record: record.runtime.machine.system,
            "libraries": lambda record: libraries_of(record, without=key),
            "use of oneDNN": lambda record: str(record.header.onednn),
            "commit": lambda record: short_commit(record.runtime.git_commit),
        }
        groups = self.records.values()
        return [
            name
            for name, value in values.items()
            if name != key and len({frozenset(map(value, records)) for records in groups}) > 1
        ]


def compare_by(records: Sequence[Record], key: str, names: Collection[str] = ()) -> GroupComparison:
    """Divide records into groups, and compare the groups for each model.

    Parameters
    ----------
    records : sequence of Record
        Records of the pipeline, of experiments and of other machines.
    key : str
        What the groups differ in, see `lineup.records.groups.match_records`.
    names : collection of str, optional
        Names of the models to compare. Default: all.

    Raises
    ------
    LineupError
        If there are fewer than two groups, if no model has training runs in two groups, if the key or a name is
        unknown, or if predictions cannot be read.
    """
    matched = match_records(records, key, names)
    if not matched.found:
        raise LineupError("compare: no records of trained models")
    if len(matched.found) == 1:
        raise LineupError(f"compare --by {key}: all training runs have {key} {shortened(repr(matched.found[0]), 100)}")
    if not matched.models:
        raise LineupError(
            f"compare --by {key}: no model has training runs with the same settings and data in two groups;"
            f" the groups are {shortened(', '.join(matched.found))}"
        )
    return compare_matched(matched)


def compare_matched(matched: Matched) -> GroupComparison:
    """Compare matching records between groups. There must be at least one model.

    Raises
    ------
    LineupError
        If the predictions of a record cannot be read.
    """
    kinds = dict.fromkeys(runs[0].header.kind for runs in matched.repeated)
    noise = {kind: seed_noise(_accuracies(matched, kind)) for kind in kinds}
    paired = {kind: paired_noise(_paired_differences(matched, kind)) for kind in kinds}
    rows: list[GroupRow] = []
    pairs: list[SeedPair] = []
    for model in matched.models:
        kind = _kind(model)
        found, tests = _compare_model(model, noise[kind], paired[kind])
        rows += found
        pairs += tests
    return GroupComparison(matched, _adjusted_rows(rows), _adjusted_pairs(pairs), noise)


def _compare_model(
    model: MatchedModel, noise: SeedDeviation, paired: SeedDeviation
) -> tuple[list[GroupRow], list[SeedPair]]:
    """Return the table rows of a model, and the test results for all pairs of runs with the same seed."""
    rows: list[GroupRow] = []
    pairs: list[SeedPair] = []
    reference: dict[int, NDArray[np.bool_]] = {}
    for group, runs in model.runs.items():
        correct = {seed: predicted_classes(run).correct() for seed, run in runs.items()}
        difference = None
        if group == model.reference:
            reference = correct
        else:
            difference = compare_groups(reference, correct, noise, paired)
            for seed in difference.seeds:
                (pair,) = pairwise({"other": correct[seed], "reference": reference[seed]})
                pairs.append(SeedPair(model.name, group, seed, pair))
        row = GroupRow(model.name, group, list(runs.values()), *_interval(correct.values()), difference=difference)
        rows.append(row)
    return [rows[0], *(_with_speed_up(row, rows[0]) for row in rows[1:])], pairs


def _kind(model: MatchedModel) -> str:
    return next(iter(model.runs[model.reference].values())).header.kind


def _interval(correct: Iterable[NDArray[np.bool_]]) -> tuple[float, float]:
    """Compute the Wilson interval for the mean accuracy of several runs.

    All runs are evaluated on the same images.
    """
    hits = np.stack(list(correct))
    return accuracy_interval(round(float(hits.sum()) / len(hits)), hits.shape[1])


def _with_speed_up(row: GroupRow, reference: GroupRow) -> GroupRow:
    times = (reference.seconds_per_epoch, row.seconds_per_epoch)
    before, now = times if all(times) else (reference.seconds, row.seconds)
    return replace(row, speed_up=before / now if before and now else None)


def _accuracies(matched: Matched, kind: str) -> list[list[float]]:
    """For each group and each model of the given kind, return the accuracies of all runs."""
    return [[_accuracy(run) for run in runs] for runs in matched.repeated if runs[0].header.kind == kind]


def _paired_differences(matched: Matched, kind: str) -> list[list[float]]:
    """Return the differences in accuracy between runs with the same seed.

    There is one list for each group and each model of the given kind.
    """
    found = []
    for model in matched.models:
        reference = model.runs[model.reference]
        for group, runs in model.runs.items():
            if group != model.reference and _kind(model) == kind:
                common = sorted(runs.keys() & reference.keys())
                found.append([_accuracy(runs[seed]) - _accuracy(reference[seed]) for seed in common])
    return found


def _accuracy(run: Record) -> float:
    return run.metrics["test_accuracy"]


def _adjusted_rows(rows: Sequence[GroupRow]) -> list[GroupRow]:
    """Adjust the p-values of all differences for multiple comparisons."""
    differences = iter(adjusted([row.difference for row in rows if row.difference]))
    return [replace(row, difference=next(differences)) if row.difference else row for row in rows]


def _adjusted_pairs(pairs: Sequence[SeedPair]) -> list[SeedPair]:
    """Adjust the p-values of McNemar's tests for multiple comparisons."""
    p_values = holm([one.pair.p for one in pairs]).tolist()
    return [replace(one, pair=replace(one.pair, p_holm=p)) for one, p in zip(pairs, p_values, strict=True)]
