"""Support vector machine that predicts class probabilities.

Examples
--------
>>> couple(np.array([[0.8, 0.9, 0.6]]), k=3).argmax(axis=1)
array([0])
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from lineup.batches import in_batches

CERTAIN = 1e-7
"""Minimum distance of a pairwise probability from 0 and 1, as in LIBSVM, so that no single pair can exclude a class."""

Array = np.ndarray[Any, Any]


class KernelMachine:
    """One-vs-one support vector machine with class probabilities.

    In scikit-learn, the option ``probability=True`` of ``SVC`` is deprecated. With this option, ``SVC`` fits five
    additional models, and processes one image at a time when it predicts. This class fits only two additional models,
    and processes many images at once. The method has four steps:

    1. ``SVC`` is fitted on all training images.
    2. Each additional model is fitted to one half of the images, and then computes margins for the other half.
    3. For each pair of classes, a sigmoid is fitted to convert margins to probabilities (Platt, "Probabilistic outputs
       for support vector machines", 1999).
    4. To predict class probabilities, the function `couple` combines the probabilities of all pairs of classes.

    Only the training images are used. The most probable class is not always the class with the most votes.

    This class does not inherit from scikit-learn, so importing the module does not import scikit-learn.

    Parameters
    ----------
    c : float
        Penalty for training images on the wrong side of a margin. Default 10.
    degree : int, optional
        Degree of the polynomial kernel (gamma x . y)^degree; 1 is the linear kernel. Default: the RBF kernel
        exp(-gamma |x - y|^2).
    cache_mb : int
        Size of the kernel cache during fitting, in megabytes. Default 2000.
    random_state : int, optional
        Seed of the split into the two halves that the sigmoids are fitted on.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    gamma_ : float
        Coefficient of the kernel: 1 / (features * variance of all inputs), as with ``gamma="scale"`` in scikit-learn.
        The result does not depend on the unit of the inputs.
    support_vectors_ : ndarray of shape (s, features)
        Ordered by class.
    n_support_ : ndarray of shape (k,)
        Number of support vectors of each class.
    dual_coef_, intercept_ : ndarray of shape (k - 1, s) and (k (k - 1) / 2,)
        As in ``SVC``, but with the opposite sign for two classes, so that positive margins always favour the first
        class.
    sigmoids_ : ndarray of shape (k (k - 1) / 2, 2)
        Slope and offset of each pair.
    """

    def __init__(
        self, c: float = 10.0, degree: int | None = None, cache_mb: int = 2000, random_state: int | None = None
    ) -> None:
        self.c = c
        self.degree = degree
        self.cache_mb = cache_mb
        self.random_state = random_state

    def get_params(self) -> dict[str, Any]:
        """Return the settings by name."""
        return {"c": self.c, "degree": self.degree, "cache_mb": self.cache_mb, "random_state": self.random_state}

    def set_params(self, **settings: Any) -> KernelMachine:
        """Change settings."""
        vars(self).update(settings)
        return self

    def fit(self, inputs: Array, labels: Array) -> KernelMachine:
        """Fit the machines, then the sigmoids.

        Parameters
        ----------
        inputs : ndarray of shape (n, features)
        labels : ndarray of shape (n,)
            At least two classes of two images or more.

        Raises
        ------
        ValueError
            If ``SVC`` or ``StratifiedKFold`` does not accept the inputs.
        """
        from sklearn.model_selection import StratifiedKFold

        self._fit_machines(inputs, labels)
        pairs = list(combinations(self.classes_, 2))
        margins = np.empty((len(labels), len(pairs)))
        halves = StratifiedKFold(2, shuffle=True, random_state=self.random_state)
        for fitting, unseen in halves.split(inputs, labels):
            half = KernelMachine(**self.get_params())._fit_machines(inputs[fitting], labels[fitting])
            margins[unseen] = half.decision_function(inputs[unseen])
        self.sigmoids_ = np.empty((len(pairs), 2))
        for number, pair in enumerate(pairs):
            of_pair = np.isin(labels, pair)
            self.sigmoids_[number] = fit_sigmoid(margins[of_pair, number], labels[of_pair] == pair[0])
        return self

    def _fit_machines(self, inputs: Array, labels: Array) -> KernelMachine:
        self.gamma_ = float(1 / (inputs.shape[1] * inputs.var(dtype=np.float64)))
        kernel = {"kernel": "rbf"} if self.degree is None else {"kernel": "poly", "degree": self.degree}
        machine = support_vector_classifier()(C=self.c, gamma=self.gamma_, cache_size=self.cache_mb, **kernel)
        machine.fit(inputs.astype(np.float64), labels)
        self.classes_, self.n_support_ = machine.classes_, np.asarray(machine.n_support_, np.int64)
        self.support_vectors_ = machine.support_vectors_.astype(inputs.dtype)
        # SVC gives margins of the second class if there are two, and of the first class of each pair if there are more.
        sign = -1 if len(self.classes_) == 2 else 1
        self.dual_coef_, self.intercept_ = sign * np.asarray(machine.dual_coef_), sign * np.asarray(machine.intercept_)
        return self

    def decision_function(self, inputs: Array) -> Array:
        """Compute the margin between two classes, for each pair of classes. If the margin is positive, it is a vote for
        the first class of the pair.

        Parameters
        ----------
        inputs : ndarray of shape (n, features)

        Returns
        -------
        ndarray of float64, shape (n, k (k - 1) / 2)
            Margins of the pairs (0, 1), (0, 2), .... They are equal to those of ``SVC(decision_function_shape="ovo")``
            for three classes or more.
        """
        vectors = self.support_vectors_.astype(np.float64)
        return in_batches(lambda batch: self._margins(batch, vectors), inputs)

    def _margins(self, batch: Array, vectors: Array) -> Array:
        inputs = batch.astype(np.float64)
        products = inputs @ vectors.T
        if self.degree is None:
            distances = (inputs**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * products
            kernel = np.exp(-self.gamma_ * np.maximum(distances, 0))
        else:
            kernel = (self.gamma_ * products) ** self.degree
        ends = np.cumsum(self.n_support_)
        # For each of the k classes, the sums over its support vectors for its k - 1 machines, of shape (n, k - 1).
        parts = [
            kernel[:, end - count : end] @ self.dual_coef_[:, end - count : end].T
            for count, end in zip(self.n_support_, ends, strict=True)
        ]
        pairs = combinations(range(len(self.classes_)), 2)
        margins = np.stack([parts[i][:, j - 1] + parts[j][:, i] for i, j in pairs], axis=1)
        return np.asarray(margins + self.intercept_)

    def predict_proba(self, inputs: Array) -> Array:
        """Predict the class probabilities of each input.

        Parameters
        ----------
        inputs : ndarray of shape (n, features)

        Returns
        -------
        ndarray of float64, shape (n, k)
        """
        slopes, offsets = self.sigmoids_.T
        with np.errstate(over="ignore"):  # a probability of 0
            pairwise = 1 / (1 + np.exp(-(slopes * self.decision_function(inputs) + offsets)))
        return couple(pairwise, len(self.classes_))


def support_vector_classifier() -> Any:
    """If scikit-learn-intelex is installed, import ``SVC`` from this package. Otherwise, import ``SVC`` from
    scikit-learn.

    With 48,000 images on one core, scikit-learn-intelex is 1.8 times as fast as scikit-learn and equally accurate. With
    12,000 images, scikit-learn-intelex is not faster than scikit-learn (see ``benchmarks/intelex.py``).
    """
    try:
        from sklearnex.svm import SVC  # type: ignore[import-not-found]
    except ImportError:
        from sklearn.svm import SVC
    return SVC


def fit_sigmoid(margins: Array, first: Array) -> tuple[float, float]:
    """Fit a sigmoid that converts the margins of one pair of classes to probabilities.

    The formula of the sigmoid is 1 / (1 + exp(-(slope * margin + offset))).

    Parameters
    ----------
    margins : ndarray of shape (n,)
        Margins of images of both classes, from a machine that was not fitted on them.
    first : ndarray of bool, shape (n,)
        True for the images of the first class.

    Returns
    -------
    slope, offset : float
        Parameters that minimise the log loss against Platt's targets, which are (m + 1) / (m + 2) for the m images of
        the first class and 1 / (m + 2) for the m images of the second class. With these targets the slope is finite
        even if the margin separates the classes.
    """
    from sklearn.linear_model import LogisticRegression

    positive, negative = int(first.sum()), int((~first).sum())
    targets = np.where(first, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # An image with a target between 0 and 1 counts as both classes, with these weights.
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(
        np.tile(margins, 2)[:, None],
        np.repeat([1, 0], len(margins)),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def couple(pairwise: Array, k: int) -> Array:
    """Convert pairwise probabilities to class probabilities.

    Parameters
    ----------
    pairwise : ndarray of shape (n, k (k - 1) / 2)
        For each pair (i, j), in the order (0, 1), (0, 2), ..., the probability r[i, j] of class i if it is i or j.
    k : int
        Number of classes.

    Returns
    -------
    ndarray of float64, shape (n, k)
        The p that minimises the sum over all pairs of (r[j, i] p[i] - r[i, j] p[j])^2 and sums to one: T.-F. Wu, C.-J.
        Lin and R. Weng, "Probability estimates for multi-class classification by pairwise coupling", JMLR 5 (2004),
        equation 21. LIBSVM solves the same system iteratively, to two digits.
    """
    against = np.zeros((len(pairwise), k, k))
    rows, columns = np.triu_indices(k, 1)
    against[:, rows, columns] = np.clip(pairwise, CERTAIN, 1 - CERTAIN)
    against[:, columns, rows] = 1 - against[:, rows, columns]
    system = np.zeros((len(pairwise), k + 1, k + 1))
    system[:, :k, :k] = -against * against.transpose(0, 2, 1)
    classes = np.arange(k)
    system[:, classes, classes] = (against**2).sum(axis=1)
    system[:, :k, k] = system[:, k, :k] = 1
    right = np.zeros((len(pairwise), k + 1, 1))
    right[:, k] = 1
    solved = np.maximum(np.linalg.solve(system, right)[:, :k, 0], 0)
    return np.asarray(solved / solved.sum(axis=1, keepdims=True))
