"""Write the figures of the networks of all models, for the stage ``explain``.

Examples
--------
>>> import tempfile
>>> import numpy as np
>>> from lineup.data.dataset import Dataset
>>> images, labels, order = np.zeros((8, 8, 8), np.uint8), np.array([0, 1] * 4, np.uint8), np.arange(8, dtype=np.int32)
>>> dataset = Dataset("synthetic", True, ("cat", "dog"), images, labels, images, labels, order, "")
>>> with tempfile.TemporaryDirectory() as folder:
...     write_explanations([], dataset, Path(folder, "explained"))
0
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lineup.explain.files import Source, source_of
from lineup.explain.record_figures import check_dataset, explain
from lineup.files import replacing_folder
from lineup.records.record import Record
from lineup.schema import write_json

if TYPE_CHECKING:
    from lineup.data.dataset import Dataset


def write_explanations(records: Iterable[Record], dataset: Dataset, folder: Path) -> int:
    """Write the figures of several models.

    Parameters
    ----------
    records : iterable of Record
        One record of each model. Models for which there are no figures are left out.
    dataset : Dataset
        Dataset from which the records were made.
    folder : Path
        Folder to write, with one folder per model. An existing folder is replaced.

    Returns
    -------
    int
        Number of models with figures.

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
            figures = explain(record, dataset)
            weights = record.header.weights
            if not figures or weights is None:
                continue
            target = partial / record.header.name
            for name, figure in figures.items():
                save_png(figure, target / f"{name}.png")
            write_json(source_of(target), asdict(Source(record.header.label, weights.sha256)))
            written += 1
    return written
