"""Only complete records are published: no file may be missing, damaged, replaced or added."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from lineup.committee.build import build_committee
from lineup.committee.champion import choose
from lineup.committee.model import COMMITTEE
from lineup.committee.select import select
from lineup.committee.settings import ChampionRule, Committee
from lineup.errors import LineupError
from lineup.records.header import Weights
from lineup.records.record import MODEL, Record
from lineup.tracking.check import check_records
from lineup.tracking.publish import publish
from lineup.training.estimator import FILE as ESTIMATOR
from lineup.training.network import NETWORK, weights_sha256
from lineup.training.skops_file import arrays_sha256, save_estimator
from tests.make_records import make_record, random_predictions
from tests.networks import save_network

from .published import CANDIDATES, network_record


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swap(path: Path) -> None:
    save_network(path.parent, seed=9)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "network.keras differs from the file that was saved with this record"),
        (cut, "network.keras differs from the file that was saved with this record"),
        (swap, "network.keras differs from the file that was saved with this record"),
        (Path.unlink, "no network.keras here"),
        (pipe, "network.keras: cannot be read: not a regular file"),
        (folder, "network.keras: cannot be read: "),
        (lambda path: (path.parent / "estimator.skops").touch(), "estimator.skops does not belong to this record"),
    ],
)
def test_a_damaged_model_is_not_published(
    tmp_path: Path, damage: Callable[[Path], Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    records = [network_record(tmp_path / "runs" / name / "seed_1", seed) for seed, name in enumerate(("one", "two"))]
    champion = choose(records, ChampionRule("loss"))
    damage(records[1].folder / MODEL / NETWORK)
    with pytest.raises(LineupError, match=said) as caught:
        publish(tmp_path, records, log=print, champion=champion)
    assert str(records[1].folder / MODEL) in str(caught.value)
    assert not (tmp_path / "mlflow.db").exists()


def test_links_into_the_project_are_followed(tmp_path: Path) -> None:
    record = network_record(tmp_path / "one", seed=1)
    path = record.folder / MODEL / NETWORK
    path.rename(tmp_path / "cached")
    path.symlink_to(tmp_path / "cached")
    check_records(tmp_path, [record])
    cut(tmp_path / "cached")
    with pytest.raises(LineupError, match=r"differs from the file .*; restore it \(dvc checkout --force\) or run"):
        check_records(tmp_path, [record])


def former(record: Record, weights: Weights | None) -> Record:
    """Return a record of the older format, without hashes of files."""
    return dataclasses.replace(record, header=dataclasses.replace(record.header, model_files={}, weights=weights))


def test_an_older_network_is_checked_by_its_weights(tmp_path: Path) -> None:
    record = network_record(tmp_path / "one", seed=1)
    weights = Weights(1, 1, 0, weights_sha256(save_network(record.folder / MODEL, seed=1)))
    check_records(tmp_path, [former(record, weights)])
    with pytest.raises(LineupError, match=r"one/model: the weights differ from record\.json"):
        check_records(tmp_path, [former(record, None)])
    swap(record.folder / MODEL / NETWORK)
    with pytest.raises(LineupError, match=r"one/model: the weights differ from record\.json"):
        check_records(tmp_path, [former(record, weights)])
    for damage in (truncate, pipe):
        damage(record.folder / MODEL / NETWORK)
        said = r"one/model/network\.keras: expected a Keras network, .*; restore it \(dvc checkout --force\) or run"
        with pytest.raises(LineupError, match=said):
            check_records(tmp_path, [former(record, weights)])


def forest(seed: int) -> RandomForestClassifier:
    images = np.random.default_rng(seed).random((30, 784))
    return RandomForestClassifier(3, random_state=seed).fit(images, np.arange(30) % 3)


def test_an_older_classical_model_is_checked_by_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "forest" / MODEL / ESTIMATOR
    save_estimator(path, forest(1))
    weights = Weights(0, 0, 0, arrays_sha256(forest(1)))
    record = former(make_record(tmp_path / "forest", random_predictions(1), kind="classical"), weights)
    check_records(tmp_path, [record])
    save_estimator(path, forest(2))
    with pytest.raises(LineupError, match="the weights differ"):
        check_records(tmp_path, [record])
    truncate(path)
    with pytest.raises(LineupError, match="expected a skops file"):
        check_records(tmp_path, [record])


def test_a_committee_is_checked_by_its_files_and_an_older_one_by_members_and_rule(tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two", "three")):
        make_record(tmp_path / name / "seed_1", random_predictions(number))
    built = []
    for members, rule in ((["one", "two"], "average"), (["two", "three"], "average"), (["one", "two"], "maximum")):
        settings = Committee(members=members, rule=rule, report="A")
        place = tmp_path / f"{rule}_{members[-1]}"
        built.append(
            build_committee(place.name, settings, select("x", settings, CANDIDATES, tmp_path), tmp_path, place)
        )
    check_records(tmp_path, built)
    check_records(tmp_path, [former(record, None) for record in built])
    own = built[0].folder / MODEL / COMMITTEE
    for other in built[1:]:
        shutil.copy(other.folder / MODEL / COMMITTEE, own)
        with pytest.raises(LineupError, match=r"committee\.json differs from the file"):
            check_records(tmp_path, built)
        with pytest.raises(LineupError, match=r"the members or the rule differ from record\.json"):
            check_records(tmp_path, [former(built[0], None)])
