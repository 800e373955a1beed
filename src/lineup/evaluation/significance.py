"""Whether models differ by more than chance: arrays in, numbers out.

All of it compares answers to the same images, in the same order: where two models are both right or both wrong, the
image says nothing about which is better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError

LEVEL = 0.05
"""Models count as told apart if the p-value of their difference, adjusted by Holm's method, is at most this."""


@dataclass(frozen=True)
class Pair:
    """Two models on the same images.

    Attributes
    ----------
    a, b : str
        Their names.
    difference : float
        Accuracy of ``a`` less that of ``b``, a share from -1 to 1.
    low, high : float
        Bounds of its 95 % interval, by the paired bootstrap over images.
    a_only, b_only : int
        Number of images that only the one of them classifies correctly.
    p : float
        Two-sided p-value of McNemar's exact test; 1 if the two are right on the same images.
    p_holm : float
        ``p`` adjusted for all the pairs that were compared with this one, see :func:`holm`.
    """

    a: str
    b: str
    difference: float
    low: float
    high: float
    a_only: int
    b_only: int
    p: float
    p_holm: float

    @property
    def distinguishable(self) -> bool:
        """Whether the two can be told apart: ``p_holm`` is at most 0.05."""
        return self.p_holm <= LEVEL


@dataclass(frozen=True)
class SeedSpread:
    """How far the seeds of one model are apart, beside how far the images let one see.

    Attributes
    ----------
    seeds : int
        Number of trainings.
    mean : float
        Their mean accuracy.
    deviation : float
        Sample standard deviation of their accuracies (divisor seeds - 1); NaN for one seed.
    sampling_error : float
        Standard error of one accuracy of ``mean`` by the draw of the images.
    """

    seeds: int
    mean: float
    deviation: float
    sampling_error: float


def holm(p_values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Adjust p-values for their number, so that one level holds for all of them together.

    Parameters
    ----------
    p_values : sequence of float, shape (m,)
        From 0 to 1, in any order.

    Returns
    -------
    ndarray of float64, shape (m,)
        Adjusted p-values in the order given, at most 1. Those at most 0.05 reject with a probability of any false
        rejection of at most 0.05, whatever the dependence between the tests.

    Raises
    ------
    LineupError
        If a value is not between 0 and 1.

    Notes
    -----
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979),
    65-70: the i-th smallest of m is multiplied by m - i + 1, and is at least as large as the one before it.
    """
    values = np.asarray(p_values, dtype=np.float64)
    # A comparison with NaN is false, so that NaN counts as outside.
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        raise LineupError(f"p-values: {values[outside][0]} is not between 0 and 1")
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def pairwise(correct: Mapping[str, NDArray[np.bool_]]) -> list[Pair]:
    """Compare every model with every other.

    Parameters
    ----------
    correct : mapping of str to ndarray of bool, shape (n,)
        By name of the model: for each image, the same in all, whether it is classified correctly.

    Returns
    -------
    list of Pair
        The m (m - 1) / 2 pairs, ``a`` before ``b`` as in ``correct``; with 95 % intervals, and p-values adjusted for
        all the pairs.

    Raises
    ------
    LineupError
        If the arrays are not of booleans or of the same length, or empty; the message names the model.
    """
    names = list(correct)
    if len(names) < 2:
        return []
    for name in names[1:]:
        _check(correct[names[0]], correct[name], names[0], name)
    answers = np.stack([correct[name] for name in names]).astype(np.float64)
    m, n = answers.shape
    # Floats, for the quick matrix product; they are exact up to 2^53 images.
    only = (answers @ (1 - answers).T).astype(np.int64)
    counts = [(int(only[i, j]), int(only[j, i])) for i, j in combinations(range(m), 2)]
    p_values = [_two_sided(a_only, b_only) for a_only, b_only in counts]
    return [
        Pair(a, b, (a_only - b_only) / n, *_interval(a_only, b_only, n), a_only, b_only, p, p_holm)
        for (a, b), (a_only, b_only), p, p_holm in zip(
            combinations(names, 2), counts, p_values, holm(p_values).tolist(), strict=True
        )
    ]


def shared_ranks(accuracies: Mapping[str, float], distinguishable: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Rank models so that those which cannot be told apart from the best of them share a rank.

    Parameters
    ----------
    accuracies : mapping of str to float
        Accuracy of each model.
    distinguishable : iterable of pairs of str
        The pairs of models that can be told apart, each once and in either order: those :attr:`Pair.distinguishable`.

    Returns
    -------
    dict of str to int
        By name, most accurate first: 1 + the number of models that are better and can be told apart from this one.
        All models of rank 1 are possibly the best; rank 5 says that exactly four models are better for certain.

    Raises
    ------
    LineupError
        If a pair names a model without an accuracy.

    Notes
    -----
    "Cannot be told apart" is not transitive: of three models the first and the last may be distinguishable while
    neither is from the middle one. Ranks then are 1, 1, 2. They need not even rise with falling accuracy, since a pair
    that errs on the same images is told apart by a smaller difference than one that does not.
    """
    better = dict.fromkeys(sorted(accuracies, key=lambda name: (-accuracies[name], name)), 0)
    for pair in distinguishable:
        unknown = [name for name in pair if name not in accuracies]
        if unknown:
            raise LineupError(f"ranks: no accuracy of {unknown[0]}; there are {', '.join(accuracies)}")
        best, worst = sorted(pair, key=lambda name: -accuracies[name])
        better[worst] += accuracies[best] > accuracies[worst]
    return {name: 1 + count for name, count in better.items()}


def seed_spread(accuracies: Sequence[float] | NDArray[np.floating], images: int) -> SeedSpread:
    """Return how far trainings of one model that differ in their seed are apart.

    Parameters
    ----------
    accuracies : sequence of float
        Accuracy of each training, as a share from 0 to 1, on the same images.
    images : int
        Number of these images.

    Returns
    -------
    SeedSpread
        Two sources of chance side by side: the seed, by the deviation between trainings, and the draw of the images,
        by ``sqrt(mean (1 - mean) / images)``, the standard error of a binomial share. Neither covers the other.

    Raises
    ------
    LineupError
        If there is no accuracy or no image, or an accuracy is not between 0 and 1.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    if values.size == 0 or images < 1:
        raise LineupError(f"seeds: expected accuracies on images, found {values.size} accuracies on {images} images")
    if not ((values >= 0) & (values <= 1)).all():
        raise LineupError(f"seeds: expected accuracies between 0 and 1, found {values.tolist()}")
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return SeedSpread(values.size, mean, deviation, math.sqrt(mean * (1 - mean) / images))


def _check(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_], a: str, b: str) -> None:
    """Refuse answers that are not to the same images."""
    for name, correct in ((a, correct_a), (b, correct_b)):
        if correct.ndim != 1 or correct.size == 0 or correct.dtype.kind != "b":
            raise LineupError(f"{name}: expected booleans of shape (n,), found {correct.dtype} {correct.shape}")
    if len(correct_a) != len(correct_b):
        raise LineupError(f"{b}: answers to {len(correct_b)} images, but {a} to {len(correct_a)}; compare on the same")


def _two_sided(a_only: int, b_only: int) -> float:
    """Return the p-value of McNemar's exact test of whether two models are equally often right.

    Parameters
    ----------
    a_only, b_only : int
        Number of images that only the one of them classifies correctly.

    Returns
    -------
    float
        Two-sided; 1 if the models are right on the same images.

    Notes
    -----
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), 153-157, without his approximation: were the models equally good, each of the
    a_only + b_only images would fall to either with probability 1/2, so that p is twice the lower tail of that
    binomial distribution at min(a_only, b_only), at most 1. For its use on classifiers see T. G. Dietterich,
    "Approximate statistical tests for comparing supervised classification learning algorithms", Neural Computation 10
    (1998), 1895-1923. The training is taken as given: the test says nothing of other seeds.
    """
    tosses = a_only + b_only
    steps = np.arange(min(a_only, b_only))
    # Logarithms, since the number of ways soon leaves the range of floats: log C(n, i + 1) = log C(n, i) + log(...).
    ways = np.cumsum(np.log((tosses - steps) / (steps + 1)))
    tail = np.exp(np.append(0.0, ways) - tosses * math.log(2)).sum()
    return min(1.0, 2 * float(tail))


def _interval(a_only: int, b_only: int, n: int) -> tuple[float, float]:
    """Return a 95 % interval of the difference in accuracy of two models, by the bootstrap over images.

    Parameters
    ----------
    a_only, b_only : int
        Number of images that only the one of them classifies correctly.
    n : int
        Number of all images, at least 1.

    Returns
    -------
    low, high : float
        Bounds of the accuracy of ``a`` less that of ``b``, from -1 to 1.

    Notes
    -----
    The percentile interval of B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13,
    over images drawn anew with replacement, each with both answers to it; of all resamples that there are (the "ideal
    bootstrap"), so that no random numbers enter. Each drawn image adds 1, 0 or -1 to the difference in right answers,
    and the distribution of the sum of n such steps is the n-th power of that of one step, in the sense of convolution:
    a power of numbers after a Fourier transform.

    It estimates how large the difference is and is no test: an interval that just excludes 0 can go with an exact p of
    a little over 0.05.
    """
    # Sums far from their mean have no probability that a float would show, so ten standard deviations do: of a sum each
    # step of which has at most the variance (a_only + b_only) / n. Few steps make no normal distribution, hence the 64.
    size = min(2 * n + 1, 2 ** math.ceil(math.log2(20 * math.sqrt(a_only + b_only) + 64)))
    first = min(max(a_only - b_only - size // 2, -n), n + 1 - size)
    turns = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    step = (n - a_only - b_only + a_only * turns + b_only / turns) / n
    below = np.cumsum(np.fft.irfft(step**n / turns**first, size))
    low, high = np.searchsorted(below, [0.025, 0.975]) + first
    return int(low) / n, int(high) / n
