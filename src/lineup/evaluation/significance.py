"""Test whether the accuracies of models differ significantly.

All functions require predictions for the same images in the same order. McNemar's test uses only images that exactly
one of the two models classifies correctly.

Examples
--------
>>> holm([0.04, 0.01, 0.03]).tolist()
[0.06, 0.03, 0.06]
>>> shared_ranks({"a": 0.93, "b": 0.92, "c": 0.80}, significant=[("a", "c"), ("b", "c")])
{'a': 1, 'b': 1, 'c': 3}
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
"""Largest p-value, adjusted by Holm's method, of a significant difference."""


@dataclass(frozen=True)
class Pair:
    """Two models on the same images.

    Attributes
    ----------
    a, b : str
        Their names.
    difference : float
        Accuracy of ``a`` minus accuracy of ``b``, from -1 to 1.
    low, high : float
        Bounds of its 95 % interval, from the paired bootstrap over images.
    a_only, b_only : int
        Number of images that only ``a``, or only ``b``, classifies correctly.
    p : float
        Two-sided p-value of McNemar's exact test; 1 if both classify the same images correctly.
    p_holm : float
        ``p`` adjusted for the number of compared pairs, see :func:`holm`.
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
    def significant(self) -> bool:
        """Return whether the difference in accuracy is significant at the 0.05 level."""
        return self.p_holm <= LEVEL


@dataclass(frozen=True)
class SeedSpread:
    """Mean accuracy over the seeds of a model, and the uncertainty of this mean.

    Attributes
    ----------
    seeds : int
        Number of training runs.
    mean : float
        Mean accuracy of the training runs.
    deviation : float
        Sample standard deviation of the accuracies (divisor seeds - 1); NaN for one seed.
    sampling_error : float
        Standard error of the accuracy ``mean`` from the sample of images.
    """

    seeds: int
    mean: float
    deviation: float
    sampling_error: float


def holm(p_values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Adjust p-values for multiple comparisons with Holm's method.

    Parameters
    ----------
    p_values : sequence of float, shape (m,)
        From 0 to 1, in any order.

    Returns
    -------
    ndarray of float64, shape (m,)
        Adjusted p-values in the given order, at most 1. Rejecting all hypotheses with an adjusted p-value up to 0.05
        has a probability of at most 0.05 for one or more false rejections, for any dependence between the tests.

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
    # A comparison with NaN is false, so NaN counts as outside.
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        raise LineupError(f"p-values: {values[outside][0]} is not between 0 and 1")
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def pairwise(correct: Mapping[str, NDArray[np.bool_]], reference: str | None = None) -> list[Pair]:
    """Compare all pairs of models, or compare one model with all other models.

    Parameters
    ----------
    correct : mapping of str to ndarray of bool, shape (n,)
        For each model, whether each image is classified correctly. All arrays are for the same images.
    reference : str, optional
        Name of a model. Only pairs with this model are compared. Default: all pairs are compared.

    Returns
    -------
    list of Pair
        The m (m - 1) / 2 pairs, or the m - 1 pairs with the reference. In each pair, ``a`` precedes ``b`` in
        ``correct``. The p-values are adjusted for the number of pairs.

    Raises
    ------
    LineupError
        If an array is empty, not boolean, or differs in length from the first array. The message names the model.
    """
    names = list(correct)
    if len(names) < 2:
        return []
    for name in names[1:]:
        _check(correct[names[0]], correct[name], names[0], name)
    n = len(correct[names[0]])
    if reference is None:
        chosen = list(combinations(names, 2))
        hits = np.stack([correct[name] for name in names]).astype(np.float64)
        # The matrix product of floats is fast, and exact up to 2^53 images.
        only = (hits @ (1 - hits).T).astype(np.int64)
        counts = [(int(only[i, j]), int(only[j, i])) for i, j in combinations(range(len(names)), 2)]
    else:
        place = names.index(reference)
        chosen = [(names[min(i, place)], names[max(i, place)]) for i in range(len(names)) if i != place]
        counts = [(int((correct[a] & ~correct[b]).sum()), int((correct[b] & ~correct[a]).sum())) for a, b in chosen]
    p_values = [mcnemar(a_only, b_only) for a_only, b_only in counts]
    return [
        Pair(a, b, (a_only - b_only) / n, *_interval(a_only, b_only, n), a_only, b_only, p, p_holm)
        for (a, b), (a_only, b_only), p, p_holm in zip(chosen, counts, p_values, holm(p_values).tolist(), strict=True)
    ]


def mcnemar(a_only: int, b_only: int) -> float:
    """Compute the p-value of McNemar's exact test for two models.

    Parameters
    ----------
    a_only, b_only : int
        Number of images that only one of the models classifies correctly.

    Returns
    -------
    float
        Two-sided; 1 if both models classify the same images correctly.

    Notes
    -----
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), 153-157, without his approximation. If the models are equally good, each of the a_only +
    b_only images belongs to either count with probability 1/2. Therefore p is twice the lower tail of this binomial
    distribution at min(a_only, b_only), at most 1. For its use on classifiers see T. G. Dietterich, "Approximate
    statistical tests for comparing supervised classification learning algorithms", Neural Computation (1998),
    1895-1923. The test compares these trained models and does not account for other seeds.
    """
    from scipy.special import bdtr  # takes 0.3 s to import

    return min(1.0, 2 * float(bdtr(min(a_only, b_only), a_only + b_only, 0.5)))


def shared_ranks(accuracies: Mapping[str, float], significant: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Compute the rank of each model: 1 plus the number of models that are significantly better.

    Parameters
    ----------
    accuracies : mapping of str to float
        Accuracy of each model.
    significant : iterable of pairs of str
        The pairs of models with a significant difference, each once and in any order.

    Returns
    -------
    dict of str to int
        Rank of each model, the most accurate model first: 1 + the number of models that are significantly better. Each
        model of rank 1 may be the best one. Rank 5 means that exactly four models are significantly better.

    Raises
    ------
    LineupError
        If a pair names a model without an accuracy.

    Notes
    -----
    A difference that is not significant is not a transitive relation. The first and the third of three models can
    differ significantly, while neither differs significantly from the second. The ranks are then 1, 1, 2. A model can
    have a better rank than a more accurate model, because a small difference between models with similar errors can be
    significant.
    """
    better = dict.fromkeys(sorted(accuracies, key=lambda name: (-accuracies[name], name)), 0)
    for pair in significant:
        unknown = [name for name in pair if name not in accuracies]
        if unknown:
            raise LineupError(f"ranks: no accuracy for {unknown[0]}; expected one of {', '.join(accuracies)}")
        best, worst = sorted(pair, key=lambda name: -accuracies[name])
        better[worst] += accuracies[best] > accuracies[worst]
    return {name: 1 + count for name, count in better.items()}


def seed_spread(accuracies: Sequence[float] | NDArray[np.floating], images: int) -> SeedSpread:
    """Compute the mean accuracy over the seeds of a model, and the uncertainty of this mean.

    Parameters
    ----------
    accuracies : sequence of float
        Accuracy of each training run on the same images, from 0 to 1.
    images : int
        Number of images.

    Returns
    -------
    SeedSpread
        The deviation between training runs, caused by the seed, and the standard error ``sqrt(mean (1 - mean) /
        images)`` of a binomial share, caused by the sample of images. They are two separate sources of uncertainty.

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
    """Check that two arrays are boolean and have the same number of images."""
    for name, correct in ((a, correct_a), (b, correct_b)):
        if correct.ndim != 1 or correct.size == 0 or correct.dtype.kind != "b":
            raise LineupError(f"{name}: expected booleans of shape (n,), found {correct.dtype} {correct.shape}")
    if len(correct_a) != len(correct_b):
        raise LineupError(
            f"{b}: predictions for {len(correct_b)} images, but {len(correct_a)} for {a}; expected the same images"
        )


def _interval(a_only: int, b_only: int, n: int) -> tuple[float, float]:
    """Compute a 95 % bootstrap interval for the difference in accuracy between two models.

    Parameters
    ----------
    a_only, b_only : int
        Number of images that only one of the models classifies correctly.
    n : int
        Number of all images, at least 1.

    Returns
    -------
    low, high : float
        Bounds of the accuracy of ``a`` minus that of ``b``, from -1 to 1.

    Notes
    -----
    The percentile interval of B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13,
    over images that are sampled with replacement, each with the predictions of both models. All possible resamples are
    used (the "ideal bootstrap"), so that no random numbers are needed. Each sampled image adds 1, 0 or -1 to the
    difference in correct predictions. The distribution of the sum of n such steps is the n-fold convolution of the
    distribution of one step, which is an n-th power after a Fourier transform.

    The interval estimates the size of the difference and is not a test: an interval that just excludes 0 can belong to
    an exact p of a little more than 0.05.
    """
    # Ten standard deviations are enough, because the probability of larger sums is below the precision of a float. The
    # variance of one step is at most (a_only + b_only) / n. The minimum is 64, because a sum of few steps is not
    # normal.
    size = min(2 * n + 1, 2 ** math.ceil(math.log2(20 * math.sqrt(a_only + b_only) + 64)))
    first = min(max(a_only - b_only - size // 2, -n), n + 1 - size)
    turns = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    step = (n - a_only - b_only + a_only * turns + b_only / turns) / n
    below = np.cumsum(np.fft.irfft(step**n / turns**first, size))
    low, high = np.searchsorted(below, [0.025, 0.975]) + first
    return int(low) / n, int(high) / n
