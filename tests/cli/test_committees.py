"""The stages of a committee that considers the prediction time, with real networks."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from lineup.cli.committees import committee, select
from lineup.committee.model import read_analysis
from lineup.errors import LineupError
from lineup.execution.init import create_project
from lineup.execution.remote_stage import _further_inputs
from lineup.paths import Project, seed_folder
from lineup.records.header import Device
from lineup.records.record import MODEL, read_record
from lineup.training import devices
from tests.networks import save_network
from tests.runs import make_run

PARAMS = """
data: {name: synthetic, train_images: 3000, test_images: 900, seed: 1}
split: {seed: 2025}
training: {threads: 3}
models:
  fast: {family: dense, architecture: shallow_nn, epochs: 2, batch_size: 32, learning_rate: 0.001, validation: 0.2}
  slow: {family: cnn, architecture: basic_cnn, epochs: 2, batch_size: 32, learning_rate: 0.001, validation: 0.2}
committees:
  pair: {members: [fast, slow], rule: cascade}
champion: {metric: loss, among: all}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with the records and the networks of two models."""
    project = create_project(tmp_path / "project")
    (project.root / "params.yaml").write_text(PARAMS)
    for seed, (name, right) in enumerate((("fast", 700), ("slow", 830))):
        save_network(seed_folder(project.models / name, 1) / MODEL, seed)
        make_run(project.models, name, right)
    return project


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Do not set the number of threads, which cannot be changed in this process. Return the kinds and numbers."""
    calls: list[tuple[str, int]] = []

    def prepare(kind: str, threads: int, seed: int) -> devices.Environment:
        calls.append((kind, threads))
        return devices.Environment(Device("cpu", "A processor"), onednn=True, bfloat16=False)

    monkeypatch.setattr(devices, "prepare", prepare)
    return calls


def test_the_stage_of_a_cascade_measures_its_members(project: Project, prepared: list[tuple[str, int]]) -> None:
    with chdir(project.root):
        select()
        committee("committee@pair")
    assert prepared == [("network", 3)]
    record = read_record(seed_folder(project.committees / "pair", 1))
    cost = read_analysis(record.folder / MODEL).cost
    assert cost is not None
    assert cost.device == "A processor, 3 threads"
    assert all(0 < seconds < 10 for seconds in cost.seconds)
    assert cost.evaluated[0] == 1 >= cost.evaluated[1] > 0
    # A worker of a cluster also needs the networks.
    inputs = {path.relative_to(project.models).as_posix() for path in _further_inputs(project, "committee@pair")}
    assert {"fast/seed_1/model/network.keras", "slow/seed_1/predictions.npz"} <= inputs


@pytest.mark.usefixtures("prepared")
def test_a_missing_network_is_an_error_that_names_it(project: Project) -> None:
    (seed_folder(project.models / "slow", 1) / MODEL / "network.keras").unlink()
    with chdir(project.root):
        select()
        with pytest.raises(LineupError, match=r"slow.seed_1.model: no network\.keras, estimator\.skops"):
            committee("committee@pair")
    assert not seed_folder(project.committees / "pair", 1).exists()
