"""The interrupted fit of a classical model resumes from its backup and gives the same trees as a single fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from classical import fit_in_steps
from sklearn.ensemble import GradientBoostingClassifier


def boosting(iterations: int) -> GradientBoostingClassifier:
    """Return an estimator like the one in the benchmark, with fewer and smaller trees."""
    return GradientBoostingClassifier(n_estimators=iterations, max_depth=4, random_state=1)


def test_steps_with_an_interruption_fit_the_trees_of_one_fit(tmp_path: Path) -> None:
    """The trees are bit-identical, and the time of the earlier process is included."""
    random = np.random.default_rng(1)
    # Few grey values, so that many splits are equally good and the seed decides.
    inputs, labels = random.integers(0, 3, (300, 20)).astype(float), random.integers(0, 10, 300)
    backup = tmp_path / "backups" / "boosting.skops"
    _, before = fit_in_steps(boosting(2), inputs, labels, backup)
    stepped, earlier = fit_in_steps(boosting(9), inputs, labels, backup)
    plain = boosting(9).fit(inputs, labels)
    assert np.array_equal(stepped.predict_proba(inputs), plain.predict_proba(inputs))
    assert before == 0
    assert earlier > 0
    again, total = fit_in_steps(boosting(9), inputs, labels, backup)
    assert len(again.estimators_) == 9, "nothing is left to fit"
    assert total > earlier
