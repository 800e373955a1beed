from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from lineup.data.datasets import find_dataset
from lineup.errors import LineupError
from lineup.params import load_params
from lineup.published import claims as module
from lineup.published.claims import Claim, load_claims

DATASET = "fashion_mnist"
CLAIMS = load_claims(DATASET)
ROOT = Path(__file__).parents[2]


def test_each_claim_has_a_model_or_committee_in_params() -> None:
    counts = Counter(claim.report for claim in CLAIMS.values())
    assert counts == {"A": 5, "B": 1, "C": 7, "D": 2, "E": 7}
    params = load_params(ROOT / "params.yaml")
    assert set(CLAIMS) <= {*params.models, *params.committees}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_recall_equals_the_accuracy_unless_the_report_contradicts_itself(name: str) -> None:
    """On a balanced test set the macro recall equals the accuracy, up to rounding to two decimals."""
    claim = CLAIMS[name]
    if claim.recall is None or claim.contradiction:
        return
    assert claim.recall == claim.accuracy or claim.recall == round(claim.accuracy, 2)


def test_claims_apply_to_their_dataset_only() -> None:
    assert CLAIMS["basic_cnn"].accuracy == 0.9156
    assert load_claims("synthetic") == {}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_list_by_class_has_a_value_per_class(name: str) -> None:
    for values in (CLAIMS[name].recall_by_class, CLAIMS[name].f1_by_class):
        assert values is None or len(values) == len(find_dataset(DATASET).classes)


def test_nearest_value_of_a_range() -> None:
    claim = Claim("E", 0.87, accuracy_to=0.89, digits=2)
    assert claim.text == "0.87\N{EN DASH}0.89"
    assert [claim.nearest(accuracy) for accuracy in (0.8, 0.88, 0.9)] == [0.87, 0.88, 0.89]
    exact = Claim("A", 0.876)
    assert exact.text == "0.8760"
    assert exact.nearest(0.9) == exact.nearest(0.8) == 0.876


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``claims.yaml``, which the test may change."""
    path = Path(shutil.copy(Path(module.__file__).with_name("claims.yaml"), tmp_path))
    monkeypatch.setattr(module, "__file__", str(tmp_path / "claims.py"))
    monkeypatch.setattr(module, "load_claims", load_claims.__wrapped__)
    return path


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (b"    accuracy: 0.8760", b"    acuracy: 0.8760", "claims.shallow_nn.acuracy: Unexpected keyword argument"),
        (b"accuracy: 0.8760", b"accuracy: high", "claims.shallow_nn.accuracy: Input should be a valid number"),
        (b"accuracy: 0.8760", b"accuracy: .nan", "claims.shallow_nn.accuracy: Input should be less than or equal to 1"),
        (b"shallow_nn:", b"2025-01-01:", "keys must be str, int, float, bool or None"),
        (b"shallow_nn:", b"shallow_nn: [", "cannot be read as YAML: line "),
        (b"shallow_nn:", b"shallow_nn\xff:", "not a UTF-8 text: byte "),
    ],
    ids=str,
)
def test_a_damaged_file_gives_one_line_with_the_key(written: Path, right: bytes, wrong: bytes, said: str) -> None:
    assert module.load_claims(DATASET) == CLAIMS
    written.write_bytes(written.read_bytes().replace(right, wrong, 1))
    with pytest.raises(LineupError) as caught:
        module.load_claims(DATASET)
    assert str(caught.value).startswith(f"{written}: {said}")
    assert "\n" not in str(caught.value)


def test_any_damage_gives_one_line(written: Path) -> None:
    content, draw = written.read_bytes(), random.Random(12)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(draw.randint(1, 3)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        written.write_bytes(damaged)
        try:
            module.load_claims(DATASET)
        except LineupError as error:
            message = str(error)
            assert message.startswith(f"{written}: ")
            assert "\n" not in message
            assert len(message) < 600
