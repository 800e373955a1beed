"""One process trains a model with all its seeds. Each seed gives the same result as alone, and no seed is repeated."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import pytest

from lineup.cli.libraries import import_keras
from lineup.data.dataset import Dataset
from lineup.data.download import download
from lineup.data.split import write_split
from lineup.models.settings import NetworkRecipe
from lineup.records.header import Header
from lineup.records.history import Epoch
from lineup.records.record import MODEL, Record
from lineup.training.seeds import train_seeds
from lineup.training.train import train_model

pytestmark = pytest.mark.slow

RECIPE = NetworkRecipe(
    epochs=1,
    batch_size=32,
    learning_rate=0.001,
    family="cnn",
    architecture="deeper_cnn",  # with dropout
    validation=0.2,
    seeds=[1, 2],
)
QUICK = dataclasses.replace(RECIPE, family="dense", architecture="shallow_nn")


class StoppedError(Exception):
    """The training was interrupted."""


class Watcher:
    """Lists the training runs, and interrupts the one with a given seed."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.started: list[int] = []
        self.finished: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, header: Header, attempt: str, started: int) -> None:
        """See `lineup.training.train.Listener`."""
        self.started.append(header.seed)
        if header.seed == self.stop_at:
            raise StoppedError

    def epoch(self, row: Epoch) -> None:
        """See `lineup.training.train.Listener`."""

    def finish(self, record: Record) -> None:
        """See `lineup.training.seeds.Watcher`."""
        self.finished.append(record.header.seed)


class Silent(Watcher):
    """A listener that does nothing."""

    def start(self, header: Header, attempt: str, started: int) -> None:
        """See `lineup.training.train.Listener`."""


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """A new process, because the threads of TensorFlow are set before its first operation."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=import_keras) as started:
        yield started


def _with_dataset(folder: Path, check: Callable[[Path, Dataset], None]) -> None:
    download("synthetic", folder / "raw", folder=None, train_images=200, test_images=50, seed=1)
    check(folder, write_split(folder / "raw", folder / "dataset.npz", 1))


def train(folder: Path, dataset: Dataset, recipe: NetworkRecipe, watcher: Watcher) -> list[Record]:
    return train_seeds(
        "small",
        recipe,
        dataset,
        folder / "models" / "small",
        threads=1,
        kept=folder / "finished" / "small",
        backups=folder / "backups",
        watch=lambda: watcher,
        listener=Silent(),
    )


def same_as_alone(folder: Path, dataset: Dataset) -> None:
    records = train(folder, dataset, RECIPE, Watcher())
    assert [record.folder.name for record in records] == ["seed_1", "seed_2"]
    alone = train_model("small", RECIPE.for_seed(2), dataset, folder / "alone", threads=1)
    assert records[1].header == alone.header  # with the hashes of the weights and of the model's file
    assert records[1].metrics == alone.metrics
    assert alone.runtime.nondeterminism is None
    assert records[0].header.weights != records[1].header.weights


def test_a_seed_gives_the_same_record_as_alone(process: ProcessPoolExecutor, tmp_path: Path) -> None:
    process.submit(_with_dataset, tmp_path, same_as_alone).result()


def nothing_twice(folder: Path, dataset: Dataset) -> None:
    with pytest.raises(StoppedError):
        train(folder, dataset, QUICK, interrupted := Watcher(stop_at=2))
    assert interrupted.started == [1, 2]
    resumed = Watcher()
    with redirect_stdout(StringIO()) as printed:
        first = train(folder, dataset, QUICK, resumed)
    assert printed.getvalue().splitlines() == ["small_seed1: already trained with these settings, copied"]
    assert (resumed.started, resumed.finished) == ([2], [1, 2])

    more = dataclasses.replace(QUICK, seeds=[1, 2, 3])
    added = Watcher()
    records = train(folder, dataset, more, added)
    assert added.started == [3]
    assert [record.digest() for record in records[:2]] == [record.digest() for record in first]

    fewer = Watcher()
    assert len(train(folder, dataset, QUICK.for_seed(3), fewer)) == 1
    assert fewer.started == []
    assert [path.name for path in (folder / "models" / "small").iterdir()] == ["seed_3"]
    assert len(list((folder / "finished" / "small").iterdir())) == 1


def test_a_seed_that_is_finished_is_not_trained_again(process: ProcessPoolExecutor, tmp_path: Path) -> None:
    process.submit(_with_dataset, tmp_path, nothing_twice).result()


def only_whole_and_same(folder: Path, dataset: Dataset) -> None:
    recipe = QUICK.for_seed(1)
    train(folder, dataset, recipe, Watcher())
    for name, content in (
        (f"{MODEL}/network.keras", b"damaged"),
        ("metrics.json", b""),
        ("record.json", json.dumps({"schema": 2}).encode()),
    ):
        (kept,) = (folder / "finished" / "small").iterdir()
        (kept / name).unlink()  # a hard link to the file of the pipeline's record
        (kept / name).write_bytes(content)
        train(folder, dataset, recipe, again := Watcher())
        assert again.started == [1]
    train(folder, dataset, dataclasses.replace(recipe, learning_rate=0.002), other := Watcher())
    assert other.started == [1]


def test_a_damaged_or_different_training_run_is_not_copied(process: ProcessPoolExecutor, tmp_path: Path) -> None:
    process.submit(_with_dataset, tmp_path, only_whole_and_same).result()
