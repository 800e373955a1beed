"""Whether recipes differ by more than chance, where each was trained with several seeds: arrays in, numbers out.

A test on images alone takes the trained models as they are. A recipe is what the next training follows, too, whose seed
gives another model; so its accuracy is uncertain by the draw of the images and by that of the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from lineup.errors import LineupError
from lineup.evaluation.significance import LEVEL, holm


@dataclass(frozen=True)
class SeedDeviation:
    """An estimate of how far trainings that differ in their seed are apart; equal ones are the same estimate.

    Attributes
    ----------
    value : float
        Standard deviation of accuracy between seeds.
    freedom : int
        Its degrees of freedom: of all trainings that it was estimated from, those beyond the first of each recipe. 0 if
        there are none, and the value is 0, too.
    """

    value: float
    freedom: int


@dataclass(frozen=True)
class RecipePair:
    """Two recipes on the same images.

    Attributes
    ----------
    a, b : str
        Their names.
    difference : float
        Mean accuracy of the trainings of ``a`` less that of ``b``, a share from -1 to 1.
    images_error : float
        Standard error of the difference by the draw of the images.
    seeds_error : float
        Standard error of the difference by the draw of the seeds.
    freedom : float
        Degrees of freedom of both errors together; infinite if seeds play no part.
    p : float
        Two-sided p-value of no difference, see :func:`compare_recipes`.
    p_holm : float
        ``p`` adjusted for all the pairs that were compared with this one.
    """

    a: str
    b: str
    difference: float
    images_error: float
    seeds_error: float
    freedom: float
    p: float
    p_holm: float

    @property
    def error(self) -> float:
        """Standard error of the difference, by images and seeds together."""
        return math.hypot(self.images_error, self.seeds_error)

    @property
    def distinguishable(self) -> bool:
        """Whether the two can be told apart: ``p_holm`` is at most 0.05."""
        return self.p_holm <= LEVEL


def compare_recipes(
    correct: Mapping[str, NDArray[np.bool_]],
    deviations: Mapping[str, SeedDeviation],
    pairs: Sequence[tuple[str, str]] | None = None,
) -> list[RecipePair]:
    """Compare recipes by all their trainings.

    Parameters
    ----------
    correct : mapping of str to ndarray of bool, shape (k, n)
        By name of the recipe: for each of its k trainings, and for each image, the same in all, whether it is
        classified correctly. The number of trainings may differ.
    deviations : mapping of str to SeedDeviation
        By name of the recipe: the standard deviation of accuracy between seeds that is reckoned with. Three trainings
        say little about their own, so that this should be that of many recipes together.
    pairs : sequence of pairs of str, optional
        Which to compare. Default: each with every other, ``a`` before ``b`` as in ``correct``.

    Returns
    -------
    list of RecipePair
        In the order of ``pairs``; p-values are adjusted for all of them.

    Raises
    ------
    LineupError
        If the arrays are not of booleans, not of two dimensions, empty, or not of the same images; the message names
        the recipe.

    Notes
    -----
    The difference over its standard error, held against Student's distribution. With d_i the difference in the shares
    of trainings that have image i right, the variance of its mean by the images is var(d) / n; by the seeds it is
    s_a² / k_a + s_b² / k_b. The degrees of freedom are those of F. E. Satterthwaite, "An Approximate Distribution of
    Estimates of Variance Components", Biometrics Bulletin 2 (1946): the square of the whole variance, over the sum of
    the squares of what each estimate s contributes to it, each over the freedom of s. What a seed changes in single
    images is in both errors, so that the whole is rather too large than too small. It also is where recipes share what
    a seed does, such as a committee and its members, since all trainings are taken as independent. X. Bouthillier et
    al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021, say why both draws belong into it.
    """
    _check(correct)
    shares = {name: answers.mean(axis=0) for name, answers in correct.items()}
    chosen = list(combinations(correct, 2)) if pairs is None else list(pairs)
    found = []
    for a, b in chosen:
        difference = shares[a] - shares[b]
        of_images = float(difference.var()) / difference.size
        of_seeds: dict[SeedDeviation, float] = {}
        for name in (a, b):
            estimate = deviations[name]
            of_seeds[estimate] = of_seeds.get(estimate, 0.0) + estimate.value**2 / len(correct[name])
        freedom = _freedom(of_images, of_seeds)
        found.append((float(difference.mean()), math.sqrt(of_images), math.sqrt(sum(of_seeds.values())), freedom))
    p_values = [_two_sided(difference, math.hypot(*errors), freedom) for difference, *errors, freedom in found]
    return [
        RecipePair(a, b, *numbers, p, p_holm)
        for (a, b), numbers, p, p_holm in zip(chosen, found, p_values, holm(p_values).tolist(), strict=True)
    ]


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of a metric over seeds.

    Parameters
    ----------
    values : sequence of float
        The metric of each training, all of the same recipe.

    Returns
    -------
    low, high : float
        By Student's t distribution; NaN for fewer than two values.

    Examples
    --------
    >>> low, high = mean_interval([0.90, 0.91, 0.92])
    >>> print(f"{low:.3f} to {high:.3f}")
    0.885 to 0.935
    """
    if len(values) < 2:
        return math.nan, math.nan
    mean, k = float(np.mean(values)), len(values)
    half = float(stdtrit(k - 1, 0.975)) * float(np.std(values, ddof=1)) / math.sqrt(k)
    return mean - half, mean + half


def _freedom(of_images: float, of_seeds: Mapping[SeedDeviation, float]) -> float:
    """Return the degrees of freedom of a variance; the images are so many that they count as infinitely many."""
    uncertain = sum(part**2 / estimate.freedom for estimate, part in of_seeds.items() if part)
    return (of_images + sum(of_seeds.values())) ** 2 / uncertain if uncertain else math.inf


def _two_sided(difference: float, error: float, freedom: float) -> float:
    """Return the chance of so large a difference, either way, if there is none; 1 for none without an error."""
    if not error:
        return 0.0 if difference else 1.0
    return 2 * float(stdtr(freedom, -abs(difference) / error))


def _check(correct: Mapping[str, NDArray[np.bool_]]) -> None:
    """Refuse answers that are not to the same images."""
    images = {name: answers.shape[-1] for name, answers in correct.items() if answers.ndim}
    for name, answers in correct.items():
        if answers.ndim != 2 or answers.size == 0 or answers.dtype.kind != "b":
            raise LineupError(f"{name}: expected booleans of shape (k, n), found {answers.dtype} {answers.shape}")
        first = next(iter(images))
        if images[name] != images[first]:
            raise LineupError(
                f"{name}: answers to {images[name]} images, but {first} to {images[first]}; compare on the same"
            )
