"""Fit one weight per member on held-out images, for the weighted mean over the members.

>>> probabilities = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.7, 0.3]]])
>>> weights_from_accuracy(probabilities, np.array([0, 1])).round(2).tolist()
[0.67, 0.33]
"""

from __future__ import annotations

import numpy as np

from lineup.evaluation.metrics import CLIP

GAP = 1e-8
"""Maximum difference between the loss of `weights_from_log_loss` and the lowest possible loss, in nats."""

BAGS, SMALLEST_BAG = 20, 5
ROUNDS, PATIENCE = 100, 10

_TIE = 1e-9
_BARRIERS = 10.0 ** -np.arange(1, 13)
_NEWTON_STEPS = 50
_SHORTEST_STEP = 1e-6
_ROUNDING = 1e-14


def weights_from_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return weights proportional to the members' accuracies, or equal weights if all accuracies are 0.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    ndarray of shape (members,), float64
        From 0 to 1; they sum to one.
    """
    right: np.ndarray = (probabilities.argmax(axis=2) == labels).sum(axis=1).astype(np.float64)
    return right / right.sum() if right.any() else np.full(len(right), 1 / len(right))


def weights_from_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weights that minimise the log loss of the weighted mean on these images.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability of an actual class below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes.

    Returns
    -------
    weights : ndarray of shape (members,), float64
        From 0 to 1; they sum to one.
    gap : float
        Upper bound of the difference between their loss and the lowest possible loss, in nats; at most `GAP`.

    Notes
    -----
    The loss f(w) is convex. Its minimum on the simplex is also the minimum of f(w) + sum(w) for w > 0, without the
    constraint on the sum. Newton's method with a logarithmic barrier finds it; the barrier decreases by a factor of ten
    per round. The same form is used by Y. Kim, P. Carbonetto, M. Stephens, M. Anitescu, "A fast algorithm for maximum
    likelihood estimation of mixture proportions using sequential quadratic programming", Journal of Computational and
    Graphical Statistics 29 (2020), 261-273. Let g be the mean over the images of a member's likelihood divided by that
    of the mixture. Then max(g) - 1 (the Frank-Wolfe gap) is an upper bound of f(w) minus its minimum.
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
    probabilities: np.ndarray, labels: np.ndarray, seed: int, *, bags: int = BAGS, smallest_bag: int = SMALLEST_BAG
) -> np.ndarray:
    """Return the share of each member in a greedy selection, which repeatedly adds the member that helps most.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability of an actual class below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes.
    seed : int
        Seed of the bags.
    bags : int, optional
        Number of bags. A bag is a random half of the members; the weights of all bags are averaged. Default 20.
    smallest_bag : int, optional
        Minimum number of members in a bag. If there are no more members than this, there is one bag. Default 5.

    Returns
    -------
    ndarray of shape (members,), float64
        From 0 to 1; they sum to one. The weight of a member that was never chosen is exactly 0.

    Notes
    -----
    R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of models", ICML 2004, with
    the log loss as the metric: bagged selection with replacement, starting without members. Ties go to a member that
    was chosen before, then to the first one. The selection stops after 100 rounds, or after 10 rounds without a lower
    loss, and the best round counts. One round without a lower loss is not enough: at the start, one more member changes
    the mean by much, and the best members must be chosen several times before a small share of another one helps.
    """
    likelihoods = _of_actual(probabilities, labels)
    members = len(likelihoods)
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
    """Return the probability that each member gives to the actual class, as an array (members, images)."""
    chosen = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)
    return np.maximum(chosen, CLIP)


def _centre(likelihoods: np.ndarray, weights: np.ndarray, barrier: float) -> np.ndarray:
    """Minimise the log loss plus the sum of the weights minus ``barrier`` times the sum of their logarithms."""

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
        # Keep all weights positive, then accept a step if it lowers the objective enough (Armijo's condition).
        shrinking = -step / weights
        length = min(1.0, 0.99 / max(shrinking.max(), 0.99))
        while (found := objective(weights + length * step)) > value + _ROUNDING - 1e-4 * length * decrease:
            length /= 2
            if length < _SHORTEST_STEP:
                return weights
        weights, value = weights + length * step, found
    return weights


def _greedy(likelihoods: np.ndarray) -> np.ndarray:
    """Return the share of each member in the greedy selection from one bag."""
    counts = np.zeros(len(likelihoods), dtype=np.int64)
    total = np.zeros(likelihoods.shape[1])
    best_counts, best_loss, best_size = counts, np.inf, 0
    for size in range(1, ROUNDS + 1):
        losses = np.log(size) - np.log(total + likelihoods).mean(axis=1)
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
