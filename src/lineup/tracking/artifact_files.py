"""Write the files that MLflow stores with a run, such as figures and tables.

Examples
--------
>>> RECORD_FILES[0]
'record.json'
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

from lineup.committee.model import ANALYSIS, read_analysis
from lineup.evaluation.metrics import classification_report
from lineup.figures.render import caption
from lineup.records.check import RECORD_FILES
from lineup.records.record import MODEL, Record, read_confusion


def write_artifact_files(
    record: Record, folder: Path, figures: Mapping[str, bytes], explained: Iterable[Path] = ()
) -> None:
    """Write all artifacts of a run except its model.

    Parameters
    ----------
    record : Record
        Record of a model or a committee.
    folder : Path
        An empty folder. The function creates ``record/``, ``figures/``, ``classification_report.txt`` and, for a
        committee, ``committee/`` in it.
    figures : mapping of str to bytes
        PNG files by name; see `lineup.tracking.plotting.Plots`.
    explained : iterable of Path, optional
        More figures to copy; see `lineup.explain.files.explained_figures`. Default: none.

    Raises
    ------
    LineupError
        If a file of the record cannot be read.
    """
    (folder / "record").mkdir()
    for name in RECORD_FILES:
        if (record.folder / name).exists():  # a compact record lacks the predictions
            (folder / "record" / name).write_bytes((record.folder / name).read_bytes())  # no copy of a link
    (folder / "classification_report.txt").write_text(_classification_report(record), encoding="utf-8")
    (folder / "figures").mkdir()
    for name, png in figures.items():
        (folder / "figures" / f"{name}.png").write_bytes(png)
    for path in explained:
        (folder / "figures" / path.name).write_bytes(path.read_bytes())  # no copy of a link
    if (record.folder / MODEL / ANALYSIS).exists():
        _write_members(record, folder / "committee")


def _write_members(record: Record, folder: Path) -> None:
    """Write the analysis of a committee to a JSON file and to two tables.

    One table contains the members, and the other table contains all pairs of members.
    """
    import pandas as pd

    analysis = read_analysis(record.folder / MODEL)
    folder.mkdir()
    shutil.copy(record.folder / MODEL / ANALYSIS, folder)
    pd.DataFrame([asdict(member) for member in analysis.members]).to_csv(folder / "members.csv", index=False)
    pairs = [
        (one.name, other.name, analysis.disagreement[row][column], analysis.error_correlation[row][column])
        for (row, one), (column, other) in combinations(enumerate(analysis.members), 2)
    ]
    columns = ["member", "other", "disagreement", "error_correlation"]
    pd.DataFrame(pairs, columns=columns).to_csv(folder / "pairs.csv", index=False)


def _classification_report(record: Record) -> str:
    """Return a header line and the classification report for the test images."""
    report = classification_report(read_confusion(record), record.header.data.classes)
    return f"{record.header.label}: {caption(record.header)}\n\n{report}"
