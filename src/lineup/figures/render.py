"""Plot all figures of one record.

Examples
--------
>>> from lineup.records.header import DataIdentity, Device
>>> data = DataIdentity("pets", "Pets", False, "", [28, 28, 1], ["cat", "dog"], 800, 200, 100)
>>> caption(Header("cnn", "network", "cnn", "basic_cnn", "A", {}, 2, 1, Device("cpu", "EPYC"), False, {}, data))
'Pets, 100 test images, seed 2'
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lineup.committee.model import ANALYSIS, read_analysis
from lineup.errors import LineupError, count
from lineup.npz import read_npz
from lineup.records.compact import is_compact
from lineup.records.header import Header
from lineup.records.record import MODEL, Record, read_confusion

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure

FIGURE_ARRAYS_LIMIT = 64 * 2**20


def figures_of(record: Record) -> dict[str, Figure]:
    """Create all figures that are possible with the data of a record.

    The keys of the dictionary are the names of the figures. A compact record contains the data for three plots: the
    confusion matrix, the training curves and the members of a committee.
    """
    import pandas as pd

    from lineup.figures.committee import committee_members
    from lineup.figures.confusion import confusion_matrix
    from lineup.figures.curves import training_curves
    from lineup.figures.evidence import evidence_figures
    from lineup.figures.reconstructions import reconstructions

    header = record.header
    name, subtitle = header.label, caption(header)
    figures = {
        "confusion_matrix": confusion_matrix(
            read_confusion(record), header.data.classes, title=f"{name}: confusion matrix", subtitle=subtitle
        )
    }
    if record.history:
        history = pd.DataFrame([dataclasses.asdict(row) for row in record.history])
        figures["training_curves"] = training_curves(history, title=f"{name}: training", subtitle=subtitle)
    arrays = record.folder / MODEL / "figures.npz"
    if arrays.is_file():
        figures["reconstructions"] = reconstructions(
            *_pairs_of_images(arrays),
            title=f"{name}: validation images and their reconstructions",
            subtitle=subtitle,
        )
    if (record.folder / MODEL / ANALYSIS).is_file():
        analysis = read_analysis(record.folder / MODEL)
        figures["committee_members"] = committee_members(analysis, title=f"{name}: members", subtitle=subtitle)
    return figures if is_compact(record) else figures | evidence_figures(record, subtitle)


def caption(header: Header) -> str:
    """Return a subtitle that contains the name of the data and the seed of the model."""
    title = f"GENERATED DATA ({header.data.name})" if header.data.generated else header.data.title
    data = f"{title}, {count(header.data.test_images, 'test image')}"
    return data if header.kind == "committee" else f"{data}, seed {header.seed}"


def _pairs_of_images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read test images and their reconstructions from a record."""
    arrays = read_npz(path, max_bytes=FIGURE_ARRAYS_LIMIT)
    expected = {"originals", "reconstructions"}
    if set(arrays) != expected:
        raise LineupError(f"{path}: contains {sorted(arrays)}, expected {sorted(expected)}")
    return arrays["originals"], arrays["reconstructions"]
