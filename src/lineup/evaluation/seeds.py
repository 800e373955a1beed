"""Test the differences between models that are trained with several seeds.

A recipe is a model with fixed settings. Each seed gives a different trained model, even if all settings are the same.
The accuracy of a model therefore depends on the seeds and on the test images. The tests consider two sources of
variation: the seeds and the test images.

Examples
--------
>>> correct = {"a": np.ones((3, 100), bool), "b": np.arange(300).reshape(3, 100) % 2 == 0}
>>> estimate = SeedDeviation(value=0.01, dof=4)
>>> [pair.significant for pair in compare_recipes(correct, {"a": estimate, "b": estimate})]
[True]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError
from lineup.evaluation.significance import LEVEL, holm


@dataclass(frozen=True)
class SeedDeviation:
    """Estimate of how much the accuracy varies between seeds.

    Two models share an estimate if their `SeedDeviation` objects are equal.

    Attributes
    ----------
    value : float
        Standard deviation of the accuracy between seeds.
    dof : int
        Degrees of freedom of the estimate: the number of training runs minus the number of recipes. If it is 0,
        ``value`` is 0.
    """

    value: float
    dof: int


@dataclass(frozen=True)
class RecipePair:
    """Two recipes on the same images.

    Attributes
    ----------
    a, b : str
        Their names.
    difference : float
        Mean accuracy of ``a`` over its training runs minus the mean accuracy of ``b``, from -1 to 1.
    images_error : float
        Standard error of the difference from the sample of images.
    seeds_error : float
        Standard error of the difference from the sample of seeds.
    dof : float
        Degrees of freedom of both errors together; infinite if the error of the seeds is 0.
    p : float
        Two-sided p-value, see :func:`compare_recipes`.
    p_holm : float
        ``p`` adjusted for the number of compared pairs.
    """

    a: str
    b: str
    difference: float
    images_error: float
    seeds_error: float
    dof: float
    p: float
    p_holm: float

    @property
    def error(self) -> float:
        """Return the total standard error of the difference in accuracy."""
        return math.hypot(self.images_error, self.seeds_error)

    @property
    def significant(self) -> bool:
        """Return whether the difference in accuracy is significant at the 0.05 level."""
        return self.p_holm <= LEVEL


def compare_recipes(
    correct: Mapping[str, NDArray[np.bool_]],
    deviations: Mapping[str, SeedDeviation],
    pairs: Sequence[tuple[str, str]] | None = None,
) -> list[RecipePair]:
    """Test which models differ significantly in accuracy. The tests use all seeds of each model.

    Parameters
    ----------
    correct : mapping of str to ndarray of bool, shape (k, n)
        For each recipe, whether each of its k training runs classifies each image correctly. All recipes have the same
        images; the number of training runs can differ.
    deviations : mapping of str to SeedDeviation
        For each recipe, the standard deviation of the accuracy between seeds. Many recipes should share one estimate,
        because three training runs are too few for a good estimate.
    pairs : sequence of pairs of str, optional
        The pairs to compare. Default: all, ``a`` before ``b`` as in ``correct``.

    Returns
    -------
    list of RecipePair
        In the order of ``pairs``, with p-values adjusted for their number.

    Raises
    ------
    LineupError
        If an array is not boolean, does not have two dimensions, is empty, or has a different number of images. The
        message names the recipe.

    Notes
    -----
    The test is a t-test of the difference over its standard error. Let d_i be the difference in the fraction of runs
    that classify image i correctly. The variance of the mean difference from the images is var(d) / n; the variance
    from the seeds is s_a² / k_a + s_b² / k_b. The degrees of freedom are those of F. E. Satterthwaite, "An Approximate
    Distribution of Estimates of Variance Components", Biometrics Bulletin 2 (1946): the square of the whole variance,
    divided by the sum over the estimates s of (contribution of s)² / dof of s. The effect of a seed on single images is
    part of both errors, so that the whole error is conservative. It is also conservative for recipes with common
    runs, such as a committee and its members, because all runs are treated as independent. X. Bouthillier et
    al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021, explain why both sources must be
    included.
    """
    _check(correct)
    shares = {name: hits.mean(axis=0) for name, hits in correct.items()}
    chosen = list(combinations(correct, 2)) if pairs is None else list(pairs)
    found = []
    for a, b in chosen:
        difference = shares[a] - shares[b]
        of_images = float(difference.var()) / difference.size
        of_seeds: dict[SeedDeviation, float] = {}
        for name in (a, b):
            estimate = deviations[name]
            of_seeds[estimate] = of_seeds.get(estimate, 0.0) + estimate.value**2 / len(correct[name])
        dof = degrees_of_freedom(of_images, of_seeds)
        found.append((float(difference.mean()), math.sqrt(of_images), math.sqrt(sum(of_seeds.values())), dof))
    p_values = [_p_value(difference, math.hypot(*errors), dof) for difference, *errors, dof in found]
    return [
        RecipePair(a, b, *numbers, p, p_holm)
        for (a, b), numbers, p, p_holm in zip(chosen, found, p_values, holm(p_values).tolist(), strict=True)
    ]


def t_quantile(dof: float) -> float:
    """Return the 97.5 % quantile of Student's t distribution. The number of degrees of freedom can be infinite.

    Examples
    --------
    >>> round(t_quantile(4), 3), round(t_quantile(math.inf), 3)
    (2.776, 1.96)
    """
    from scipy.special import ndtri, stdtrit  # takes 0.3 s to import

    quantile = 1 - LEVEL / 2
    return float(ndtri(quantile) if math.isinf(dof) else stdtrit(dof, quantile))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Compute a 95 % confidence interval for the mean of a metric over seeds.

    Parameters
    ----------
    values : sequence of float
        The metric for each training run of one recipe.

    Returns
    -------
    low, high : float
        Bounds from Student's t distribution; NaN for fewer than two values.

    Examples
    --------
    >>> low, high = mean_interval([0.90, 0.91, 0.92])
    >>> print(f"{low:.3f} to {high:.3f}")
    0.885 to 0.935
    """
    if len(values) < 2:
        return math.nan, math.nan
    mean, k = float(np.mean(values)), len(values)
    half = t_quantile(k - 1) * float(np.std(values, ddof=1)) / math.sqrt(k)
    return mean - half, mean + half


def degrees_of_freedom(of_images: float, of_seeds: Mapping[SeedDeviation, float]) -> float:
    """Compute the degrees of freedom of the t-test in `compare_recipes`.

    The formula assumes that the variance between images is known exactly.

    Parameters
    ----------
    of_images : float
        Variance of the difference from the images.
    of_seeds : mapping of SeedDeviation to float
        Variance of the difference from the seeds, for each estimate of the standard deviation.
    """
    uncertain = sum(part**2 / estimate.dof for estimate, part in of_seeds.items() if part)
    return (of_images + sum(of_seeds.values())) ** 2 / uncertain if uncertain else math.inf


def _p_value(difference: float, error: float, dof: float) -> float:
    """Compute the two-sided p-value of a t-test.

    If the standard error is 0, the p-value is 1 if the accuracies are equal, and otherwise 0.
    """
    from scipy.special import stdtr  # takes 0.3 s to import

    if not error:
        return 0.0 if difference else 1.0
    return 2 * float(stdtr(dof, -abs(difference) / error))


def _check(correct: Mapping[str, NDArray[np.bool_]]) -> None:
    """Check that all arrays are boolean and describe the same number of images."""
    images = {name: hits.shape[-1] for name, hits in correct.items() if hits.ndim}
    for name, hits in correct.items():
        if hits.ndim != 2 or hits.size == 0 or hits.dtype.kind != "b":
            raise LineupError(f"{name}: expected booleans of shape (k, n), found {hits.dtype} {hits.shape}")
        first = next(iter(images))
        if images[name] != images[first]:
            raise LineupError(
                f"{name}: predictions for {images[name]} images, but {images[first]} for {first};"
                " expected the same images"
            )
