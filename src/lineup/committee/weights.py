"""Fit one weight a member on held-out images; the committee is the members' weighted average."""

from __future__ import annotations

import numpy as np

from lineup.evaluation.metrics import CLIP

GAP = 1e-8
"""How far in nats the loss of `weights_from_log_loss` may be above the lowest there is."""

BAGS, SMALLEST_BAG = 20, 5
ROUNDS, PATIENCE = 100, 10

_TIE = 1e-9
_BARRIERS = 10.0 ** -np.arange(1, 13)
_NEWTON_STEPS = 50
_SHORTEST_STEP = 1e-6
_ROUNDING = 1e-14


def weights_from_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return weights in proportion to the members' accuracies; all alike if no member is ever right.

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
    """Return the weights of the lowest log loss that a weighted average can have on these images.

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
        A bound in nats of how far their loss is above the lowest, at most `GAP`.

    Notes
    -----
    The loss f(w) is convex. On the simplex it is as low as f(w) + sum(w) without the condition on the sum, which
    Newton's method with a logarithmic barrier for w > 0 minimises, the barrier lowered tenfold at a time (Y. Kim, P.
    Carbonetto, M. Stephens, M. Anitescu, "A fast algorithm for maximum likelihood estimation of mixture proportions
    using sequential quadratic programming", Journal of Computational and Graphical Statistics 29 (2020), 261-273, use
    the same form). With g the mean over the images of each member's likelihood over the mixture's, the gap of Frank and
    Wolfe is max(g) - 1 and bounds f(w) less its minimum.
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
    """Return how often each member is chosen, if the one that helps most is added again and again.

    Parameters
    ----------
    probabilities : ndarray of shape (members, images, classes)
        Rows sum to one. A probability of an actual class below 1e-7 counts as 1e-7.
    labels : ndarray of int, shape (images,)
        Actual classes.
    seed : int
        Of the bags.
    bags : int, optional
        How many random halves of the members are selected from; their weights are averaged. Default 20.
    smallest_bag : int, optional
        So many members a bag has at least. So few members as this are one bag. Default 5.

    Returns
    -------
    ndarray of shape (members,), float64
        From 0 to 1; they sum to one. A member that was never chosen has exactly 0.

    Notes
    -----
    R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of models", ICML 2004, with
    the log loss as the metric: selection with replacement from nothing, bagged. Ties go to a member already chosen,
    then to the first. It stops after 100 rounds, or when 10 in a row have not lowered the loss, and keeps what was the
    best by then. To stop at the first would be too early: while few are chosen, one more changes the average by much,
    and what is already best must be chosen again before a small share of another helps.
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
    """Return each member's probability of each image's actual class, (members, images)."""
    chosen = probabilities[:, np.arange(len(labels)), labels].astype(np.float64)
    return np.maximum(chosen, CLIP)


def _centre(likelihoods: np.ndarray, weights: np.ndarray, barrier: float) -> np.ndarray:
    """Minimise the log loss plus the weights' sum minus ``barrier`` times the sum of their logarithms."""

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
        # Stay inside, then accept any step that lowers the objective by a fair share of what its slope promises.
        shrinking = -step / weights
        length = min(1.0, 0.99 / max(shrinking.max(), 0.99))
        while (found := objective(weights + length * step)) > value + _ROUNDING - 1e-4 * length * decrease:
            length /= 2
            if length < _SHORTEST_STEP:
                return weights
        weights, value = weights + length * step, found
    return weights


def _greedy(likelihoods: np.ndarray) -> np.ndarray:
    """Select from one bag and return the members' shares."""
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
