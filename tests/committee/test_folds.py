"""Folds of the held-out images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineup.committee.folds import stratified_folds
from lineup.errors import LineupError


@given(st.lists(st.integers(0, 3), min_size=6, max_size=60), st.integers(2, 6), st.integers(0, 9))
@settings(deadline=None)
def test_the_folds_and_the_classes_in_them_have_even_sizes(values: list[int], folds: int, seed: int) -> None:
    labels = np.array(values, dtype=np.uint8)
    fold = stratified_folds(labels, folds, seed)
    for part in (fold, *(fold[labels == label] for label in set(values))):
        counts = np.bincount(part, minlength=folds)
        assert counts.max() - counts.min() <= 1
        assert len(counts) == folds


def test_the_folds_depend_on_the_seed() -> None:
    labels = np.arange(100) % 10
    assert stratified_folds(labels, 5, 1).tolist() == stratified_folds(labels, 5, 1).tolist()
    assert stratified_folds(labels, 5, 1).tolist() != stratified_folds(labels, 5, 2).tolist()


@pytest.mark.parametrize("folds", [1, 4])
def test_too_many_or_too_few_folds_are_an_error(folds: int) -> None:
    with pytest.raises(LineupError, match=f"3 held-out images cannot be divided into {folds} folds"):
        stratified_folds(np.array([0, 1, 2]), folds, 0)
