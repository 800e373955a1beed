"""Train all seeds of a model, one after another, in one process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lineup.paths import seed_folder
from lineup.records.record import Record
from lineup.training.finished import remove_others
from lineup.training.train import Listener, train_model, training_identity

if TYPE_CHECKING:
    from lineup.data.dataset import Dataset
    from lineup.models.settings import ClassicalRecipe, NetworkRecipe


class Watcher(Listener, Protocol):
    """A listener that also gets the record in the end."""

    def finish(self, record: Record) -> None:
        """Take the record that a training has left."""


def train_seeds(
    name: str,
    recipe: NetworkRecipe | ClassicalRecipe,
    dataset: Dataset,
    folder: Path,
    *,
    threads: int,
    kept: Path,
    backups: Path,
    watch: Callable[[], AbstractContextManager[Watcher]],
    listener: Listener,
) -> list[Record]:
    """Train a model once for each seed of its recipe.

    A seed that was trained before by the same recipe, data, code and libraries is copied from ``kept``.

    Parameters
    ----------
    name : str
        Name of the model.
    recipe : NetworkRecipe or ClassicalRecipe
        Its settings, with at least one seed.
    dataset : Dataset
        Images, labels and the shared split.
    folder : Path
        Where the records go, ``seed_<n>`` for seed n. Records of other seeds are removed from it.
    threads : int
        Of TensorFlow or scikit-learn.
    kept, backups : Path
        See `lineup.training.train.train_model`.
    watch : callable
        Returns a new watcher for each training, which is entered as a context, such as a run in MLflow.
    listener : Listener
        Told of every training.

    Returns
    -------
    list of Record
        In the order of the recipe's seeds.

    Raises
    ------
    LineupError
        As by `lineup.training.train.train_model`.
    """
    wanted = {seed_folder(folder, seed).name for seed in recipe.seeds}
    for former in folder.iterdir() if folder.is_dir() else ():
        if former.is_dir() and former.name not in wanted:
            shutil.rmtree(former)
    records = []
    for seed in recipe.seeds:
        with watch() as watcher:
            record = train_model(
                name,
                recipe.for_seed(seed),
                dataset,
                seed_folder(folder, seed),
                threads=threads,
                kept=kept,
                backups=backups,
                listeners=[listener, watcher],
            )
            watcher.finish(record)
        records.append(record)
    remove_others(kept, [training_identity(record.header) for record in records])
    return records
