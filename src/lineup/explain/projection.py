"""Project latent vectors to two dimensions.

Examples
--------
>>> vectors = np.eye(8)[:, :3]
>>> {name: points.shape for name, points in projections(vectors).items()}
{'PCA, 76 % of the variance': (8, 2), 't-SNE, perplexity 2.3': (8, 2)}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineup.errors import LineupError

PERPLEXITY = 30.0
"""Perplexity of t-SNE, roughly the number of neighbours of a point."""
FEWEST = 4
"""Smallest number of vectors."""


def projections(vectors: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Project vectors to two dimensions with PCA and t-SNE.

    Parameters
    ----------
    vectors : ndarray, shape (n, size)
        At least four vectors.

    Returns
    -------
    dict of str to ndarray
        Points of shape (n, 2), by the name of the method. t-SNE starts from the principal components and uses a fixed
        seed. For fewer than 91 vectors, its perplexity is a third of their number.

    Raises
    ------
    LineupError
        If there are too few vectors, or if the vectors have only one number.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(vectors) < FEWEST or vectors.shape[1] < 2:
        raise LineupError(f"latent space: expected {FEWEST} vectors of at least 2 numbers, found {vectors.shape}")
    exact = vectors.astype(np.float64)
    pca = PCA(2, svd_solver="full").fit(exact)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=0)
    with threadpool_limits(1):  # beside TensorFlow, two threads took 25 s instead of 3 s
        neighbours = tsne.fit_transform(exact).astype(np.float64)
    share = 100 * float(pca.explained_variance_ratio_.sum())
    return {
        f"PCA, {share:.0f} % of the variance": pca.transform(exact),
        f"t-SNE, perplexity {perplexity:.2g}": neighbours,
    }
