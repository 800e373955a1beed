"""Training does not start if the record could not be written."""

from __future__ import annotations

import time
from contextlib import suppress
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
from lineup.records.header import Header
from lineup.records.history import Epoch
from lineup.records.record import read_record
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
def test_a_training_run_without_disk_space_does_not_start(
    dataset: Dataset, tmp_path: Path, place: str, backups: str
) -> None:
    said = r"disk/(record|backups/one): its disk has 1\.0 MiB of free space, expected at least 32 MiB; free some space$"
    with small_disk(tmp_path / "disk", "1m"), pytest.raises(LineupError, match=said):
        train_model(
            "one", RECIPE, dataset, tmp_path / place, threads=1, backups=tmp_path / backups, listeners=[Listener()]
        )


class Filler:
    """Fills the disk when the training starts, after the free space was checked."""

    def __init__(self, disk: Path) -> None:
        self.file = disk / "filler"

    def start(self, header: Header, attempt: str, started: int) -> None:
        """See `lineup.training.train.Listener`."""
        with self.file.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(2**20))

    def epoch(self, row: Epoch) -> None:
        """See `lineup.training.train.Listener`."""


def test_a_disk_that_is_full_when_the_record_is_written(dataset: Dataset, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "34m") as disk:
        with pytest.raises(OSError, match="No space left on device") as caught:
            train_model("one", RECIPE, dataset, disk / "record", threads=1, listeners=[Filler(disk)])
        assert str(caught.value.filename).startswith(f"{disk}/record/")  # the command line prints one line with it
        assert [path.name for path in disk.iterdir()] == ["filler"]
        (disk / "filler").unlink()
        train_model("one", RECIPE, dataset, disk / "record", threads=1)
        assert read_record(disk / "record").header.name == "one"


def test_a_clock_that_jumps_back(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time_ns

    class Jump(Filler):
        def start(self, header: Header, attempt: str, started: int) -> None:
            monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)

    record = train_model("one", RECIPE, dataset, tmp_path / "record", threads=1, listeners=[Jump(tmp_path)])
    assert record.runtime.ended < record.runtime.started  # as the clock said
    assert 0 < record.runtime.training_seconds < 60


def test_a_training_run_below_a_file_does_not_start(dataset: Dataset, tmp_path: Path) -> None:
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
