"""Test whether the accuracies of two groups of training runs differ, such as runs on two machines.

Runs with the same seed are compared in pairs.

Examples
--------
>>> noise = seed_noise([[0.90, 0.91, 0.92], [0.80, 0.82]])
>>> print(f"{noise.value:.4f} with {noise.dof} degrees of freedom")
0.0115 with 3 degrees of freedom
>>> hits = np.arange(100) < 90
>>> found = compare_groups({1: hits}, {1: hits}, noise, paired_noise([]))
>>> found.difference, found.seeds, found.verdict
(0.0, (1,), 'not significant')
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lineup.evaluation.seeds import SeedDeviation, compare_recipes, t_quantile
from lineup.evaluation.significance import LEVEL, holm

ENOUGH = 5
"""Fewest degrees of freedom of `paired_noise` for which `compare_groups` uses it."""

Hits = Mapping[int, NDArray[np.bool_]]
"""For each seed, a boolean array of shape (n,): whether each image is classified correctly."""


@dataclass(frozen=True)
class GroupDifference:
    """Accuracy of a group of training runs, compared with the reference group.

    Parameters
    ----------
    difference : float
        Mean accuracy of the group minus that of the reference, from -1 to 1.
    low, high : float
        Bounds of its 95 % interval, which includes the variation between images and between seeds.
    seeds : tuple of int
        The seeds that both groups have. Only their training runs are compared. Empty if the groups have no common seed;
        all training runs are then compared.
    noise : SeedDeviation
        Standard deviation between seeds that the test uses.
    p, p_holm : float
        Two-sided p-value of the difference; the same adjusted for the number of comparisons.
    """

    difference: float
    low: float
    high: float
    seeds: tuple[int, ...]
    noise: SeedDeviation
    p: float
    p_holm: float

    @property
    def verdict(self) -> str:
        """Describe the result of the significance test in words, such as ``not significant``.

        If the variation between seeds is unknown, the test includes only the sampling error of the images. In this
        case, the variation between seeds alone can make the result significant.
        """
        if self.p_holm > LEVEL:
            return "not significant"
        if not self.noise.dof:
            return "more than sampling error, but seed noise is unknown"
        return "higher" if self.difference > 0 else "lower"


def compare_groups(reference: Hits, other: Hits, noise: SeedDeviation, paired: SeedDeviation) -> GroupDifference:
    """Compare two groups of training runs of the same model.

    Parameters
    ----------
    reference, other : mapping of int to ndarray of bool, shape (n,)
        At least one training run in each group, for the same n images.
    noise : SeedDeviation
        From `seed_noise`.
    paired : SeedDeviation
        From `paired_noise`. It is used if the groups have common seeds and it has at least 5 degrees of freedom.

    Returns
    -------
    GroupDifference
        With ``p_holm`` equal to ``p``; see `adjusted`.

    Raises
    ------
    LineupError
        See `lineup.evaluation.seeds.compare_recipes`, which describes the test.

    Notes
    -----
    ``noise`` treats two runs with the same seed as independent. This is conservative, because they have the same
    initial weights and the same order of images.
    """
    common = tuple(sorted(reference.keys() & other.keys()))
    deviation = paired if common and paired.dof >= ENOUGH else noise
    correct = {
        name: np.stack([hits[seed] for seed in common or sorted(hits)])
        for name, hits in (("other", other), ("reference", reference))
    }
    (pair,) = compare_recipes(correct, dict.fromkeys(correct, deviation))
    half = t_quantile(pair.dof) * pair.error
    low, high = max(-1.0, pair.difference - half), min(1.0, pair.difference + half)
    return GroupDifference(pair.difference, low, high, common, deviation, pair.p, pair.p)


def adjusted(differences: Sequence[GroupDifference]) -> list[GroupDifference]:
    """Adjust the p-values for the number of comparisons with Holm's method."""
    p_values = holm([one.p for one in differences]).tolist()
    return [replace(one, p_holm=p_holm) for one, p_holm in zip(differences, p_values, strict=True)]


def seed_noise(accuracies: Iterable[Sequence[float]]) -> SeedDeviation:
    """Estimate how much the accuracy varies between seeds, as a standard deviation.

    Parameters
    ----------
    accuracies : iterable of sequence of float
        Accuracies of training runs that differ only in the seed, for each model and group.

    Returns
    -------
    SeedDeviation
        Pooled over all models and groups with at least two training runs. Its value and its degrees of freedom are 0 if
        there are none.
    """
    several = [np.asarray(values, dtype=np.float64) for values in accuracies if len(values) > 1]
    dof = sum(len(values) - 1 for values in several)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    return SeedDeviation(math.sqrt(squares / dof) if dof else 0.0, dof)


def paired_noise(differences: Iterable[Sequence[float]]) -> SeedDeviation:
    """Estimate how much the difference between two runs varies between seeds.

    Both runs have the same seed.

    Parameters
    ----------
    differences : iterable of sequence of float
        For each model and pair of groups, the difference in accuracy of each common seed.

    Returns
    -------
    SeedDeviation
        The pooled standard deviation of the differences divided by √2, so that it is comparable with `seed_noise`: if
        training runs with the same seed are independent, both estimate the same value.

    Examples
    --------
    >>> print(f"{paired_noise([[0.01, 0.03]]).value:.4f}")
    0.0100
    """
    pooled = seed_noise(differences)
    return SeedDeviation(pooled.value / math.sqrt(2), pooled.dof)
