"""Fit one weight for each member of a committee on held-out images.

Examples
--------
>>> members = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.75, 0.25], [0.75, 0.25]]])
>>> weights_from_accuracy(members, np.array([0, 1])).round(3).tolist()
[0.667, 0.333]
"""

from __future__ import annotations

import numpy as np

from lineup.evaluation.metrics import CLIP

GAP = 1e-8
"""Maximum difference between the log loss of `weights_from_log_loss` and the minimum, in nats."""

BAGS, SMALLEST_BAG = 20, 5
ROUNDS, PATIENCE = 100, 10

_TIE = 1e-9
_BARRIERS = 10.0 ** -np.arange(1, 13)
_NEWTON_STEPS = 50
_SHORTEST_STEP = 1e-6
_ROUNDING = 1e-14


def weights_from_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute weights that are proportional to the accuracies of the members.

    If all accuracies are 0, all members have the same weight.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    ndarray of shape (members,), float64
        From 0 to 1, with a sum of one.
    """
    right: np.ndarray = (probabilities.argmax(axis=2) == labels).sum(axis=1).astype(np.float64)
    return right / right.sum() if right.any() else np.full(len(right), 1 / len(right))


def weights_from_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the weights that minimise the log loss of the weighted mean.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability of an actual class below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    weights : ndarray of shape (members,), float64
        From 0 to 1, with a sum of one.
    gap : float
        Upper bound of the difference between their log loss and the minimum, in nats. At most `GAP`.

    Notes
    -----
    The loss f(w) is convex. Its minimum on the simplex is also the minimum of f(w) + sum(w) for w >= 0. Newton's method
    with a logarithmic barrier for w > 0 minimises it; the barrier is divided by ten after each round. The same form is
    used by Y. Kim, P. Carbonetto, M. Stephens, M. Anitescu, "A fast algorithm for maximum likelihood estimation of
    mixture proportions using sequential quadratic programming", Journal of Computational and Graphical Statistics 29
    (2020), 261-273. The gap is that of Frank and Wolfe: max(g) - 1, where g is the mean over the images of each
    member's likelihood divided by the mixture's. It is an upper bound of f(w) minus its minimum.
    """
    likelihoods = _of_actual(probabilities, labels)
    weights = np.full(len(likelihoods), 1 / len(likelihoods))
    best, gap = weights, np.inf
    for barrier in _BARRIERS:
        weights = _centre(likelihoods, weights, barrier)
        scaled = weights / weights.sum()
        bound = (likelihoods / (scaled @ likelihoods)).mean(axis=1).max() - 1
        if bound < gap:
            best, gap = scaled, bound
        if gap <= GAP:
            break
    return best, max(float(gap), 0.0)


def weights_from_greedy_selection(
    probabilities: np.ndarray,
    labels: np.ndarray,
    seed: int,
    *,
    bags: int = BAGS,
    smallest_bag: int = SMALLEST_BAG,
    prices: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the weights of the members by greedy selection.

    Each round adds the member with which the weighted mean has the lowest log loss. A member can be added several
    times.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability of an actual class below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes.
    seed : int
        Seed of the bags.
    bags : int, optional
        Number of bags. Each bag is a random half of the members, and the weights of all bags are averaged. Default 20.
    smallest_bag : int, optional
        Minimum number of members in a bag. If there are no more members than this, a single bag contains all members.
        Default 5.
    prices : ndarray of shape (members,), optional
        Penalty of each member, in nats. The selection minimises the log loss plus the penalties of the selected
        members. The penalty of a member does not increase if the member is added again. A single bag with all members
        is used, because averaging the weights of several bags would select almost all members. Default: no penalties.

    Returns
    -------
    ndarray of shape (members,), float64
        From 0 to 1, with a sum of one. The weight is proportional to how often a member was added. A member that was
        never added has a weight of exactly 0.

    Notes
    -----
    The method is that of R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of
    models", ICML 2004, with the log loss as the metric: bagged selection with replacement that starts with no member.
    Ties go to a member that was already added, then to the first. The selection stops after 100 rounds, or after 10
    rounds without a lower loss, and the best round is used. Stopping after the first round without a lower loss would
    be too early: while few members are added, each one changes the mean a lot. The best member must be added several
    times before a small weight of another one can help.
    """
    likelihoods = _of_actual(probabilities, labels)
    members = len(likelihoods)
    if prices is not None:
        return _greedy(likelihoods, prices)
    size = max((members + 1) // 2, min(smallest_bag, members))
    if size == members:
        return _greedy(likelihoods)
    random = np.random.default_rng(seed)
    weights = np.zeros(members)
    for _ in range(bags):
        bag = np.sort(random.choice(members, size, replace=False))
        weights[bag] += _greedy(likelihoods[bag])
    return weights / bags


def _of_actual(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each image, return the probability that each member assigns to the actual class."""
    chosen = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)
    return np.maximum(chosen, CLIP)


def _centre(likelihoods: np.ndarray, weights: np.ndarray, barrier: float) -> np.ndarray:
    """Minimise the log loss plus a logarithmic barrier, which keeps the weights positive."""

    def objective(at: np.ndarray) -> float:
        return float(at.sum() - np.log(at @ likelihoods).mean() - barrier * np.log(at).sum())

    value = objective(weights)
    for _ in range(_NEWTON_STEPS):
        ratios = likelihoods / (weights @ likelihoods)
        gradient = 1 - ratios.mean(axis=1) - barrier / weights
        hessian = ratios @ ratios.T / ratios.shape[1] + np.diag(barrier / weights**2)
        step = -np.linalg.solve(hessian, gradient)
        decrease = -gradient @ step
        if decrease < 1e-3 * barrier:
            break
        # Keep the weights above 0. Then accept a step if it lowers the objective by 1e-4 of the predicted decrease.
        shrinking = -step / weights
        length = min(1.0, 0.99 / max(shrinking.max(), 0.99))
        while (found := objective(weights + length * step)) > value + _ROUNDING - 1e-4 * length * decrease:
            length /= 2
            if length < _SHORTEST_STEP:
                return weights
        weights, value = weights + length * step, found
    return weights


def _greedy(likelihoods: np.ndarray, prices: np.ndarray | None = None) -> np.ndarray:
    """Run greedy selection on one bag of members, and return their weights."""
    prices = np.zeros(len(likelihoods)) if prices is None else prices
    counts = np.zeros(len(likelihoods), dtype=np.int64)
    total = np.zeros(likelihoods.shape[1])
    best_counts, best_loss, best_size = counts, np.inf, 0
    for size in range(1, ROUNDS + 1):
        losses = np.log(size) - np.log(total + likelihoods).mean(axis=1)
        losses += prices[counts > 0].sum() + np.where(counts > 0, 0.0, prices)
        tied = np.flatnonzero(losses <= losses.min() + _TIE)
        again = tied[counts[tied] > 0]
        choice = again[0] if again.size else tied[0]
        counts[choice] += 1
        total += likelihoods[choice]
        if losses[choice] < best_loss - _TIE:
            best_counts, best_loss, best_size = counts.copy(), losses[choice], size
        elif size - best_size >= PATIENCE:
            break
    shares: np.ndarray = best_counts / best_counts.sum()
    return shares
