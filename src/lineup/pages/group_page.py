"""Write the page, the tables and the figure of a group comparison (see `lineup.pages.group_comparison`)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lineup.errors import count
from lineup.figures.groups import MOST, group_panels
from lineup.figures.save import save_png
from lineup.files import check_room, replacing_file
from lineup.pages.group_comparison import GroupComparison, GroupRow
from lineup.pages.group_tables import (
    ACCURACY_TEXT,
    COST_TEXT,
    DIFFERENCES_TEXT,
    accuracy_table,
    cost_table,
    difference_table,
    groups_table,
    noise_line,
    origin_of,
    other_differences,
)
from lineup.pages.markdown import data_line, figure_line, p_value, table, write_text

PAGE, CSV, PAIRS, FIGURE = "comparison.md", "comparison.csv", "seed_pairs.csv", "comparison.png"
MOST_MODELS = 60
"""Largest number of models in the figure."""
MOST_PAIRS = 30
"""Largest number of pairs of training runs on the page. The CSV file contains all."""


_NUMBERS = (
    "test_accuracy_sd",
    "difference",
    "images_per_second",
    "seconds_per_epoch",
    "speed_up",
    "energy_joules",
    "peak_memory_gib",
)

_PAIRS = """\
McNemar's exact test compares two runs with the same seed and ignores the seed noise. The table contains the number of
test images that only one of the two runs classifies correctly. The p-values are adjusted for {pairs} (Holm)."""


def write_comparison(comparison: GroupComparison, folder: Path) -> None:
    """Write the page, two CSV files and the figure of a comparison to a folder.

    Parameters
    ----------
    comparison : GroupComparison
        With at least one model.
    folder : Path
        Output folder. It is created if it is missing, and other files in it are kept.

    Raises
    ------
    LineupError
        If the folder cannot be written.
    """
    check_room(folder / CSV)
    frame = comparison_frame(comparison)
    for name, one in ((CSV, frame), (PAIRS, _pairs_frame(comparison))):
        with replacing_file(folder / name) as partial:
            one.to_csv(partial, index=False, lineterminator="\n", float_format="%.6g")
    save_png(_figure(comparison, frame), folder / FIGURE)
    write_text(folder / PAGE, comparison_markdown(comparison))


def comparison_frame(comparison: GroupComparison) -> pd.DataFrame:
    """Return a table with a row for each model and group. Unknown values are missing."""
    frame = pd.DataFrame([_values(row) for row in comparison.rows])
    # A column of missing values only would otherwise contain objects.
    return frame.astype(dict.fromkeys(_NUMBERS, "float64"))


def comparison_markdown(comparison: GroupComparison) -> str:
    """Return the page in Markdown. The page contains a link to the figure in the same folder."""
    matched, data = comparison.matched, comparison.first.header.data
    records = sum(map(len, comparison.records.values()))
    sections = [
        f"# Comparison by {matched.key}",
        f"`lineup compare --by {matched.key}` writes this page from {count(records, 'record')} of"
        f" {count(matched.models, 'model')}. Only runs of the same model with the same settings and data are compared.",
        data_line(data.title, data.test_images, generated=data.generated),
        f"![Test accuracy and speed by {matched.key}]({FIGURE})",
        "## Groups",
        groups_table(comparison).markdown(),
        other_differences(comparison),
        "## Accuracy",
        accuracy_table(comparison).markdown(),
        ACCURACY_TEXT,
        "## Differences in accuracy",
        difference_table(comparison).markdown(),
        DIFFERENCES_TEXT,
        noise_line(comparison),
        "## Time and memory",
        cost_table(comparison).markdown(),
        COST_TEXT,
        *_seed_pairs(comparison),
        *_left_out(comparison.matched.left_out),
    ]
    return "\n\n".join(sections) + "\n"


def _seed_pairs(comparison: GroupComparison) -> list[str]:
    """Return the section with McNemar's tests. Each test compares two runs with the same seed."""
    shown = comparison.pairs[:MOST_PAIRS]
    if not shown:
        return []
    rows = [
        [
            one.model,
            one.group,
            str(one.seed),
            f"{one.pair.difference:+.4f}",
            f"{one.pair.a_only:,}",
            f"{one.pair.b_only:,}",
            p_value(one.pair.p_holm),
        ]
        for one in shown
    ]
    headings = ["model", "group", "seed", "difference", "only this group is correct", "only the first group is", "p"]
    text = _PAIRS.format(pairs=count(len(comparison.pairs), "pair") + " of runs")
    if len(shown) < len(comparison.pairs):
        text += f" The table shows the first {len(shown)} pairs, and `{PAIRS}` contains all."
    return ["## Training runs with the same seed", table(headings, rows, left=["model", "group"]), text]


def _left_out(left_out: Mapping[str, int]) -> list[str]:
    """Return the section that states how many records are not compared, and why.

    Examples
    --------
    >>> for paragraph in _left_out({"committees": 1, "trained with other data or another split": 2}):
    ...     print(paragraph)
    ## Records that are not compared
    - 1 record: committees
    - 2 records: trained with other data or another split
    """
    if not left_out:
        return []
    lines = [f"- {count(records, 'record')}: {reason}" for reason, records in left_out.items()]
    return ["## Records that are not compared", "\n".join(lines)]


def _values(row: GroupRow) -> dict[str, object]:
    """Return the cells of a CSV row."""
    found = row.difference
    names = ("device", "host", "processor", "cores", "memory_gib", "system", "libraries", "commits")
    return {
        "model": row.model,
        "group": row.group,
        "seeds": len(row.runs),
        "test_accuracy": statistics.fmean(row.accuracies),
        "test_accuracy_sd": statistics.stdev(row.accuracies) if len(row.runs) > 1 else None,
        "low": row.low,
        "high": row.high,
        "difference": found.difference if found else None,
        "difference_low": found.low if found else None,
        "difference_high": found.high if found else None,
        "same_seeds": " ".join(map(str, found.seeds)) if found else None,
        "p": found.p if found else None,
        "p_holm": found.p_holm if found else None,
        "result": found.verdict if found else None,
        "training_seconds": row.seconds,
        "seconds_per_epoch": row.seconds_per_epoch,
        "images_per_second": row.images_per_second,
        "speed_up": row.speed_up,
        "energy_joules": row.energy_joules,
        "peak_memory_gib": row.memory_bytes / 2**30 or None,
        **dict(zip(names, origin_of(row.runs), strict=True)),
    }


def _pairs_frame(comparison: GroupComparison) -> pd.DataFrame:
    """Return a table with the results of McNemar's test. Each row compares two runs with the same seed."""
    references = {model.name: model.reference for model in comparison.matched.models}
    columns: dict[str, list[object]] = {
        "model": [one.model for one in comparison.pairs],
        "group": [one.group for one in comparison.pairs],
        "first_group": [references[one.model] for one in comparison.pairs],
        "seed": [one.seed for one in comparison.pairs],
        "only_group": [one.pair.a_only for one in comparison.pairs],
        "only_first_group": [one.pair.b_only for one in comparison.pairs],
    }
    for name in ("difference", "low", "high", "p", "p_holm"):
        columns[name] = [getattr(one.pair, name) for one in comparison.pairs]
    return pd.DataFrame(columns)


def _figure(comparison: GroupComparison, frame: pd.DataFrame) -> Figure:
    """Plot the first models and groups."""
    models, groups = list(dict.fromkeys(frame["model"])), comparison.matched.groups
    shown = frame[frame["model"].isin(models[:MOST_MODELS]) & frame["group"].isin(groups[:MOST])]
    shown = shown.rename(columns={"images_per_second": "speed"})
    # The group with the most training runs comes first in the legend.
    shown = shown.sort_values("group", key=lambda column: column.map(groups.index), kind="stable")
    subtitle = figure_line(comparison.first.header.data)
    if len(models) > MOST_MODELS or len(groups) > MOST:
        subtitle += f"; the first {MOST_MODELS} of {len(models)} models and {MOST} of {len(groups)} groups at most"
    return group_panels(shown, title=f"Test accuracy and speed by {comparison.matched.key}", subtitle=subtitle)
