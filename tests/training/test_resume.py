"""Interrupted training resumes from its backup and gives the same record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from lineup.cli.libraries import import_keras
from lineup.data.download import download
from lineup.data.split import write_split
from lineup.models.settings import Augmentation, Fit, NetworkRecipe
from lineup.records.header import Header
from lineup.records.history import Epoch
from lineup.records.record import PREDICTIONS
from lineup.training import train
from lineup.training.backup import Backup
from lineup.training.train import train_model

pytestmark = pytest.mark.slow

FINETUNED = NetworkRecipe(
    epochs=4,
    batch_size=32,
    learning_rate=0.001,
    family="autoencoder",
    architecture="frozen_encoder",
    validation=0.2,
    seeds=[1],
    pretrain=Fit(epochs=2, batch_size=32, learning_rate=0.001),
    finetune=Fit(epochs=2, batch_size=32, learning_rate=0.0001),
)
STOPPED_EARLY = dataclasses.replace(
    FINETUNED,
    family="dense",
    architecture="shallow_nn",
    pretrain=None,
    finetune=None,
    epochs=40,
    learning_rate=0.01,
    augment=Augmentation(shift=2, mirror=True),
    patience=2,
)


class InterruptedTrainingError(Exception):
    """The training was interrupted."""


class Listener:
    """Lists the epochs, and interrupts the training after one of them."""

    def __init__(self, stop_after: tuple[str, int] | None = None) -> None:
        self.stop_after = stop_after
        self.epochs: list[tuple[str, int]] = []

    def start(self, header: Header, attempt: str, started: int) -> None:
        """See `lineup.training.train.Listener`."""

    def epoch(self, row: Epoch) -> None:
        """See `lineup.training.train.Listener`."""
        self.epochs.append((row.phase, row.epoch))
        if self.epochs[-1] == self.stop_after:
            raise InterruptedTrainingError


def interrupt_and_resume(folder: Path, recipe: NetworkRecipe, stops: list[tuple[str, int]]) -> None:
    """Train a model without interruptions and with some, and check that both records are equal."""
    train.Backup = partial(Backup, every_seconds=0)  # type: ignore[assignment, attr-defined]
    download("synthetic", folder / "raw", folder=None, train_images=200, test_images=50, seed=1)
    dataset = write_split(folder / "raw", folder / "dataset.npz", 1)
    whole = train_model("one", recipe, dataset, folder / "whole", threads=1)
    if recipe.patience:
        assert (
            len(whole.history) < recipe.epochs
        )  # otherwise the state of the patience in the backup would not be tested

    backups, place = folder / "backups", folder / "one"
    run = partial(train_model, "one", recipe, dataset, place, threads=1, backups=backups)
    epochs = [(row.phase, row.epoch) for row in whole.history]
    for stop in stops:
        with pytest.raises(InterruptedTrainingError):
            run(listeners=[listener := Listener(stop)])
        assert listener.epochs == epochs[: epochs.index(stop) + 1]
        assert not place.exists()
        (backup,) = backups.iterdir()
        assert backup.name.startswith(whole.header.key)

    resumed = run(listeners=[listener := Listener()])
    assert listener.epochs == epochs
    assert resumed.header == whole.header
    assert resumed.metrics == whole.metrics
    assert (place / PREDICTIONS).read_bytes() == (folder / "whole" / PREDICTIONS).read_bytes()
    # The epochs before the interruptions were not trained again: their times are earlier.
    trained = [row.timestamp < resumed.runtime.started for row in resumed.history]
    assert trained == [number <= epochs.index(stops[-1]) for number in range(len(epochs))]
    assert not list(backups.iterdir())


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """A new process, because the threads of TensorFlow are set before its first operation."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=import_keras) as started:
        yield started


@pytest.mark.parametrize(
    ("recipe", "stops"),
    [
        (FINETUNED, [("autoencoder", 1), ("classifier", 2), ("finetuning", 1)]),
        (STOPPED_EARLY, [("classifier", 3)]),
    ],
)
def test_a_resumed_training_run_gives_the_record_of_an_uninterrupted_one(
    process: ProcessPoolExecutor, tmp_path: Path, recipe: NetworkRecipe, stops: list[tuple[str, int]]
) -> None:
    process.submit(interrupt_and_resume, tmp_path, recipe, stops).result()
