"""A training does not start if its result could not be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineup.committee.build import build_committee
from lineup.committee.candidates import Candidate
from lineup.committee.select import select
from lineup.committee.settings import Committee
from lineup.data.dataset import Dataset
from lineup.data.download import download
from lineup.data.split import write_split
from lineup.errors import LineupError
from lineup.models.settings import ClassicalRecipe
from lineup.records.record import Epoch, Header
from lineup.training.train import train_model
from tests.make_records import make_record, random_predictions
from tests.small_disk import small_disk

RECIPE = ClassicalRecipe(family="classical", architecture="knn", validation=0.2, seeds=[1])


class Listener:
    """Fails if training starts."""

    def start(self, header: Header, attempt: str, started: int) -> None:
        """See `lineup.training.train.Listener`."""
        raise AssertionError

    def epoch(self, row: Epoch) -> None:
        """See `lineup.training.train.Listener`."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data")
    download("synthetic", folder / "raw", folder=None, train_images=200, test_images=50, seed=1)
    return write_split(folder / "raw", folder / "dataset.npz", 1)


@pytest.mark.parametrize(("place", "backups"), [("disk/record", "backups"), ("record", "disk/backups")])
def test_a_training_without_disk_space_does_not_start(
    dataset: Dataset, tmp_path: Path, place: str, backups: str
) -> None:
    said = r"disk/(record|backups/one): its disk has 1\.0 MiB of free space, expected at least 32 MiB; free some space$"
    with small_disk(tmp_path / "disk", "1m"), pytest.raises(LineupError, match=said):
        train_model(
            "one", RECIPE, dataset, tmp_path / place, threads=1, backups=tmp_path / backups, listeners=[Listener()]
        )


def test_a_training_below_a_file_does_not_start(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LineupError, match=r"/file: cannot be written: "):
        train_model("one", RECIPE, dataset, tmp_path / "file" / "record", threads=1, listeners=[Listener()])


def test_a_committee_without_disk_space_is_not_built(tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two")):
        make_record(tmp_path / "models" / name / "seed_1", random_predictions(number))
    settings = Committee(members=["one", "two"], rule="average", report="A")
    members = select(
        "pair", settings, dict.fromkeys(("one", "two"), Candidate("classical", "classical", "E")), tmp_path / "models"
    )
    with small_disk(tmp_path / "disk", "1m") as disk, pytest.raises(LineupError, match="disk/pair: its disk has"):
        build_committee("pair", settings, members, tmp_path / "models", disk / "pair")
