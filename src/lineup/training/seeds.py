"""Train a model with each of its seeds, one after another."""

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
    """Listener that also receives the record at the end of training."""

    def finish(self, record: Record) -> None:
        """Process the record of the training."""


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
    """Train a model once for each of its seeds.

    The folder ``kept`` contains finished records. If one of them has the same seed, settings, data, code and libraries,
    it is copied.

    Parameters
    ----------
    name : str
        Name of the model.
    recipe : NetworkRecipe or ClassicalRecipe
        Its settings.
    dataset : Dataset
        Images, labels and the shared split.
    folder : Path
        Folder of the records: ``seed_<n>`` for seed n. Records of other seeds are removed from it.
    threads : int
        Number of threads of TensorFlow or scikit-learn.
    kept, backups : Path
        See `lineup.training.train.train_model`.
    watch : callable
        Called for each seed. Returns a context manager with a watcher, such as a run in MLflow.
    listener : Listener
        Observes all training runs.

    Returns
    -------
    list of Record
        In the order of the recipe's seeds.

    Raises
    ------
    LineupError
        See `lineup.training.train.train_model`.

    Examples
    --------
    >>> from contextlib import nullcontext
    >>> from tempfile import TemporaryDirectory
    >>> from lineup.data.download import download
    >>> from lineup.data.split import write_split
    >>> from lineup.models.settings import ClassicalRecipe
    >>> class Silent(Watcher):
    ...     pass
    >>> recipe = ClassicalRecipe(family="classical", architecture="knn", validation=0.2, seeds=[1, 2])
    >>> with TemporaryDirectory() as temporary:
    ...     path = Path(temporary)
    ...     _ = download("synthetic", path / "raw", folder=None, train_images=200, test_images=50, seed=1)
    ...     records = train_seeds(
    ...         "knn",
    ...         recipe,
    ...         write_split(path / "raw", path / "dataset.npz", seed=1),
    ...         path / "knn",
    ...         threads=1,
    ...         kept=path / "kept",
    ...         backups=path / "backups",
    ...         watch=lambda: nullcontext(Silent()),
    ...         listener=Silent(),
    ...     )
    >>> [record.header.label for record in records]
    ['knn_seed1', 'knn_seed2']
    """
    wanted = {seed_folder(folder, seed).name for seed in recipe.seeds}
    for found in folder.iterdir() if folder.is_dir() else ():
        if found.is_dir() and found.name not in wanted:
            shutil.rmtree(found)
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
