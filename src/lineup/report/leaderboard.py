"""The leaderboard as a table: for a page, for the terminal, for a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lineup.data.datasets import find_dataset
from lineup.errors import LineupError
from lineup.evaluation.metrics import accuracy_interval

if TYPE_CHECKING:
    from rich.console import Console

_DASH = "\N{EN DASH}"
# Columns that are whole numbers or missing.
_WHOLE_NUMBERS = {"parameters": "Int64", "seed": "Int64", "threads": "Int64"}


@dataclass(frozen=True)
class LeaderboardRow:
    """One model, classical model or committee.

    Parameters
    ----------
    name : str
        Key of the record.
    kind : str
        ``network``, ``classical`` or ``committee``.
    family : str
        Family of models it is registered in.
    report : str
        Source report, or an empty text.
    parameters : int or None
        Number of weights; None where the notion does not apply.
    seed, threads : int or None
        What the run was seeded with and how many threads it had; None for a committee.
    device : str
        ``cpu``, ``gpu`` or a name of hardware.
    data : str
        Name of the dataset, a key of `lineup.data.datasets.DATASETS`.
    val_accuracy, test_accuracy, test_macro_f1 : float
        Shares from 0 to 1.
    test_loss : float
        Mean negative log-likelihood, in nats.
    test_count : int
        Number of test images.
    published : float or None
        Test accuracy that the source report gives, a share from 0 to 1.
    training_seconds : float or None
        Wall-clock time of the training.
    """

    name: str
    kind: str
    family: str
    report: str
    parameters: int | None
    seed: int | None
    threads: int | None
    device: str
    data: str
    val_accuracy: float
    test_accuracy: float
    test_loss: float
    test_macro_f1: float
    test_count: int
    published: float | None
    training_seconds: float | None


def leaderboard_frame(rows: Sequence[LeaderboardRow]) -> pd.DataFrame:
    """Return rows as a table, the highest test accuracy first; models of the same accuracy by name.

    The order is for display alone: nothing is selected by it.

    Parameters
    ----------
    rows : sequence of LeaderboardRow
        At least one.

    Returns
    -------
    DataFrame
        The fields of the rows, then ``low`` and ``high`` (95 % interval of the test accuracy, see
        :func:`lineup.evaluation.metrics.accuracy_interval`), ``generated`` (bool: the data are drawn, not collected)
        and ``difference`` (test accuracy less the published one; NaN without one and on generated data, which a
        published figure was not measured on). What is None in a row is missing.

    Raises
    ------
    LineupError
        If there are no rows, a dataset is unknown, or a count or an accuracy is impossible.
    """
    if not rows:
        raise LineupError("leaderboard: there are no results to list; train a model first")
    frame = pd.DataFrame([asdict(row) for row in rows])
    frame = frame.astype(_WHOLE_NUMBERS | {"published": "float64", "training_seconds": "float64"})
    bounds = [accuracy_interval(round(row.test_accuracy * row.test_count), row.test_count) for row in rows]
    frame["low"], frame["high"] = zip(*bounds, strict=True)
    frame["generated"] = [find_dataset(row.data).generated for row in rows]
    frame["difference"] = (frame["test_accuracy"] - frame["published"]).where(~frame["generated"])
    return frame.sort_values(["test_accuracy", "name"], ascending=[False, True], ignore_index=True)


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Read a table of `leaderboard_frame` back from a CSV file."""
    return pd.read_csv(path, dtype=_WHOLE_NUMBERS)


def leaderboard_markdown(frame: pd.DataFrame) -> str:
    """Return the leaderboard as a GitHub table, under the name of its data.

    Parameters
    ----------
    frame : DataFrame
        From :func:`leaderboard_frame`. Models of several datasets come in one table each, for they do not compare.

    Returns
    -------
    str
        Markdown without a final newline. Generated data are called so in a sentence above the table.
    """
    sections = []
    for caption, table in _sections(frame):
        headings = [str(name) for name in table]
        alignment = ["---" if name in _LEFT else "---:" for name in headings]
        lines = [headings, alignment, *table.to_numpy().tolist()]
        sections.append(caption + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(sections)


def print_leaderboard(frame: pd.DataFrame, console: Console) -> None:
    """Print the main columns of the leaderboard to a terminal.

    Parameters
    ----------
    frame : DataFrame
        From :func:`leaderboard_frame`. Models of several datasets come in one table each.
    console : rich.console.Console
        Where to print.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    for caption, table in _sections(frame):
        console.print(Text(caption), soft_wrap=True)
        printed = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in _PRINTED:
            # Headings wrap at spaces and, in a narrow terminal, model names fold; figures stay whole.
            width = None if name == "model" else max(map(len, [*name.split(), *table[name]]))
            printed.add_column(name, justify="left" if name in _LEFT else "right", width=width, overflow="fold")
        for cells in table[list(_PRINTED)].to_numpy().tolist():
            printed.add_row(*map(Text, cells))
        console.print(printed)


def replace_block(text: str, marker: str, block: str) -> str:
    """Replace what stands between a pair of markers in a Markdown text.

    Parameters
    ----------
    text : str
        With one ``<!-- {marker}:begin -->`` and, after it, one ``<!-- {marker}:end -->``.
    marker : str
        Name of the pair.
    block : str
        What is to stand there; blank lines part it from the markers, as Markdown needs around a table.

    Returns
    -------
    str
        The text, with all outside the markers as it was; the same again if the block is already there.

    Raises
    ------
    LineupError
        If a marker is missing or stands there twice, or the end comes first.
    """
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    for line in (begin, end):
        if text.count(line) != 1:
            raise LineupError(f"expected the line {line!r} once in the text, found it {text.count(line)} times")
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise LineupError(f"the line {end!r} comes before {begin!r}")
    return f"{before}{begin}\n\n{block.strip()}\n\n{end}{after}"


_LEFT = ("model", "kind", "report", "device")
_PRINTED = ("model", "kind", "validation accuracy", "test accuracy", "95 % interval", "published")


def _sections(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a caption and a table of texts for each dataset."""
    for name, rows in frame.groupby("data", sort=False):
        dataset = find_dataset(str(name))
        counts = " or ".join(f"{count:,}" for count in sorted(rows["test_count"].unique()))
        caption = f"Data: {dataset.title}, {counts} test images."
        if dataset.generated:
            caption += " This is generated data: these figures say nothing about Fashion-MNIST."
        yield caption, _texts(rows)


def _texts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of a table as texts, under the headings that readers see."""
    intervals = [f"{low:.4f}{_DASH}{high:.4f}" for low, high in zip(rows["low"], rows["high"], strict=True)]
    devices = [_device(name, threads) for name, threads in zip(rows["device"], rows["threads"], strict=True)]
    return pd.DataFrame(
        {
            "#": [str(rank) for rank in range(1, len(rows) + 1)],
            "model": [_escape(name) for name in rows["name"]],
            "kind": [_escape(kind) for kind in rows["kind"]],
            "report": [_escape(report) or _DASH for report in rows["report"]],
            "parameters": _column(rows, "parameters", ",d"),
            "validation accuracy": _column(rows, "val_accuracy", ".4f"),
            "test accuracy": _column(rows, "test_accuracy", ".4f"),
            "95 % interval": intervals,
            "macro F1": _column(rows, "test_macro_f1", ".4f"),
            "loss": _column(rows, "test_loss", ".4f"),
            "published": _column(rows, "published", ".4f"),
            "difference": _column(rows, "difference", "+.4f"),
            "seed": _column(rows, "seed", "d"),
            "device": [_escape(device) for device in devices],
            "training, s": _column(rows, "training_seconds", ",.1f"),
        }
    )


def _device(name: str, threads: int | None) -> str:
    if pd.isna(threads):
        return name
    return f"{name}, 1 thread" if threads == 1 else f"{name}, {threads} threads"


def _column(rows: pd.DataFrame, name: str, form: str) -> list[str]:
    """Return a column of numbers as texts, with a dash for what is missing."""
    return [_DASH if pd.isna(value) else format(value, form) for value in rows[name]]


def _escape(text: str) -> str:
    """Return a text that does not break a row of a table."""
    return " ".join(text.replace("|", "\\|").split())
