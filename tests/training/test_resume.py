"""A training that was interrupted goes on where its backup is, to the same record."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from lineup.config import Fit, NetworkRecipe
from lineup.data.dataset import Dataset, load_dataset
from lineup.data.download import download
from lineup.data.split import write_split
from lineup.models.backup import Backup
from lineup.records.record import PREDICTIONS, Epoch, Header
from lineup.training import train
from lineup.training.train import train_model

RECIPE = NetworkRecipe(
    epochs=4,
    batch_size=32,
    learning_rate=0.001,
    family="autoencoder",
    architecture="frozen_encoder",
    validation=0.2,
    seed=1,
    pretrain=Fit(epochs=2, batch_size=32, learning_rate=0.001),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small generated dataset."""
    folder = tmp_path_factory.mktemp("data")
    download("synthetic", folder / "raw", folder=None, train_images=200, test_images=50, seed=1)
    write_split(folder / "raw", folder / "dataset.npz", 1)
    return load_dataset(folder / "dataset.npz")


class PulledPlugError(Exception):
    """Somebody pulled the plug."""


class Listener:
    """Notes the epochs; pulls the plug after one of them."""

    def __init__(self, stop_after: tuple[str, int] | None = None) -> None:
        self.stop_after = stop_after
        self.told: list[tuple[str, int]] = []

    def start(self, header: Header, attempt: str, started: int) -> None:
        """See `lineup.training.train.Listener`."""

    def epoch(self, row: Epoch) -> None:
        """See `lineup.training.train.Listener`."""
        self.told.append((row.phase, row.epoch))
        if self.told[-1] == self.stop_after:
            raise PulledPlugError


@pytest.mark.parametrize("stop_after", [("autoencoder", 1), ("classifier", 2)])
def test_the_record_is_that_of_an_uninterrupted_training(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, stop_after: tuple[str, int]
) -> None:
    monkeypatch.setattr(train, "Backup", partial(Backup, every_seconds=0))
    whole = train_model("one", RECIPE, dataset, tmp_path / "whole", threads=1)

    backups, folder = tmp_path / "backups", tmp_path / "one"
    run = partial(train_model, "one", RECIPE, dataset, folder, threads=1, backups=backups)
    with pytest.raises(PulledPlugError):
        run(listeners=[Listener(stop_after)])
    assert not folder.exists()
    (backup,) = backups.iterdir()
    assert backup.name.startswith(whole.header.key)

    resumed = run(listeners=[listener := Listener()])
    assert listener.told == [(row.phase, row.epoch) for row in whole.history]
    assert resumed.header == whole.header
    assert resumed.metrics == whole.metrics
    assert (folder / PREDICTIONS).read_bytes() == (tmp_path / "whole" / PREDICTIONS).read_bytes()
    # The epochs before the interruption were not trained again: their times are from before.
    assert resumed.history[0].timestamp < resumed.runtime.started
    assert not list(backups.iterdir())
