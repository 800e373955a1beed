"""Random predictions of committee members, for property-based tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(2, 10))


@st.composite
def members(draw: st.DrawFn) -> np.ndarray:
    """Generate float32 probabilities of shape (members, images, classes); some are exactly 0 or 1 or equal."""
    weights = draw(
        hnp.arrays(np.float64, draw(SHAPES), elements=st.sampled_from([0.0, 1e-9, 1.0]) | st.floats(0, 1, width=32))
    )
    weights[..., 0] += weights.sum(axis=-1) == 0
    rows: np.ndarray = weights / weights.sum(axis=-1, keepdims=True)
    return rows.astype(np.float32)


def skilled_members(
    seed: int = 0, skills: tuple[float, ...] = (1.0, 2.0, 3.0), images: int = 300, classes: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 probabilities of shape (members, images, classes) and labels; a higher skill is more accurate."""
    random = np.random.default_rng(seed)
    labels = (np.arange(images) % classes).astype(np.uint8)
    scores = random.normal(size=(len(skills), images, classes))
    scores += random.normal(size=(images, classes)) / 2  # some images are hard for all members
    scores[:, np.arange(images), labels] += np.array(skills)[:, None]
    exponentials = np.exp(scores)
    return (exponentials / exponentials.sum(axis=2, keepdims=True)).astype(np.float32), labels


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log-likelihood; a probability below 1e-7 counts as 1e-7."""
    of_actual = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_actual, 1e-7)).mean())
