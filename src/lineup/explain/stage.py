"""Write figures that explain the predictions of all models and committees, for the stage ``explain``.

Examples
--------
>>> import tempfile
>>> import numpy as np
>>> from lineup.data.dataset import Dataset
>>> images, labels, order = np.zeros((8, 8, 8), np.uint8), np.array([0, 1] * 4, np.uint8), np.arange(8, dtype=np.int32)
>>> dataset = Dataset("synthetic", True, ("cat", "dog"), images, labels, images, labels, order, "")
>>> with tempfile.TemporaryDirectory() as folder:
...     write_explanations([], dataset, Path(folder), Path(folder, "explained"))
0
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.explain.files import Source, source_of
from lineup.explain.predictions import best_member, differences, errors
from lineup.explain.record_figures import check_dataset, network_figures
from lineup.figures.mistakes import NothingToShowError
from lineup.files import replacing_folder
from lineup.records.record import Record
from lineup.schema import write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineup.data.dataset import Dataset


def write_explanations(records: Iterable[Record], dataset: Dataset, models: Path, folder: Path) -> int:
    """Write the figures of several models and committees.

    Parameters
    ----------
    records : iterable of Record
        One record of each model and committee.
    dataset : Dataset
        Dataset from which the records were made.
    models : Path
        Folder of the models' records, which contains the members of the committees.
    folder : Path
        Folder to write, with one folder per model or committee. An existing folder is replaced.

    Returns
    -------
    int
        Number of models and committees with figures.

    Raises
    ------
    LineupError
        If a record was made from another dataset, or if a network cannot be loaded.
    """
    from lineup.figures.save import save_png

    written = 0
    with replacing_folder(folder) as partial:
        for record in records:
            check_dataset(record, dataset)
            target, names = partial / record.header.name, []
            for name, figure in _figures(record, dataset, models):
                save_png(figure, target / f"{name}.png")
                names.append(name)
            if names:
                write_json(source_of(target), asdict(Source.of(record)))
                written += 1
    return written


def _figures(record: Record, dataset: Dataset, models: Path) -> Iterator[tuple[str, Figure]]:
    """Yield all figures of a record with their names."""
    with suppress(NothingToShowError):
        yield "errors", errors(record, dataset)
    if record.header.members:
        with suppress(NothingToShowError):
            yield "differences", differences(record, best_member(record, models), dataset)
    else:
        yield from network_figures(record, dataset).items()
