from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lineup.config import load_params
from lineup.report.claims import Claim, load_claims, published_accuracy

CLAIMS = load_claims()
ROOT = Path(__file__).parents[2]


def test_every_claim_is_there_and_has_its_entry() -> None:
    counts = Counter(claim.report for claim in CLAIMS.values())
    assert counts == {"A": 5, "B": 1, "C": 7, "D": 2, "E": 7}
    params = load_params(ROOT / "params.yaml")
    assert set(CLAIMS) <= {*params.models, *params.committees}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_recall_is_the_accuracy_or_a_contradiction(name: str) -> None:
    """On a balanced test set the macro recall is the accuracy; figures of two decimals may be rounded."""
    claim = CLAIMS[name]
    if claim.recall is None or claim.contradiction:
        return
    assert claim.recall == claim.accuracy or claim.recall == round(claim.accuracy, 2)


def test_an_entry_has_the_claim_of_what_it_repeats() -> None:
    assert published_accuracy("basic_cnn_seed3") == published_accuracy("basic_cnn") == 0.9156
    assert published_accuracy("basic_cnn_l2") is None
    assert CLAIMS["svm"].accuracy_to
    assert published_accuracy("svm") is None


def test_a_range_is_met_inside_and_missed_from_its_nearest_end() -> None:
    claim = Claim("E", 0.87, accuracy_to=0.89, digits=2)
    assert claim.text == "0.87\N{EN DASH}0.89"
    assert [claim.nearest(accuracy) for accuracy in (0.8, 0.88, 0.9)] == [0.87, 0.88, 0.89]
    exact = Claim("A", 0.876)
    assert exact.text == "0.8760"
    assert exact.nearest(0.9) == exact.nearest(0.8) == 0.876
