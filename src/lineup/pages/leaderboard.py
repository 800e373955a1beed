"""Create the leaderboard, and format it for a page or the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lineup.errors import LineupError
from lineup.evaluation.metrics import accuracy_interval
from lineup.files import open_regular
from lineup.pages.markdown import data_line, device_of, number, span, table, with_spread
from lineup.published.claims import Claim, load_claims

if TYPE_CHECKING:
    from rich.console import Console

    from lineup.records.model_runs import ModelRuns

METRICS = (
    "val_accuracy",
    "test_accuracy",
    "test_loss",
    "test_top2_accuracy",
    "test_brier",
    "test_ece",
    "test_macro_f1",
    "test_macro_recall",
    "test_macro_auc",
    "test_accuracy_at_80_coverage",
)
"""Metrics in the leaderboard. Each metric has a column with the mean over the seeds and a column with the standard
deviation (suffix ``_sd``)."""

# Columns that are whole numbers or missing.
_WHOLE_NUMBERS = {"parameters": "Int64"}

# The columns that a table needs to be shown again.
_SHOWN_NUMBERS = {
    **dict.fromkeys(("rank", "seeds", "test_count"), "int64"),
    **dict.fromkeys(("test_accuracy", "test_accuracy_sd", "low", "high", "val_accuracy"), "float64"),
    **dict.fromkeys(("published", "published_to", "difference", "training_seconds"), "float64"),
}
_SHOWN_NAMES = ("name", "kind", "device", "title", "generated")


def leaderboard_frame(models: Sequence[ModelRuns], ranks: Mapping[str, int]) -> pd.DataFrame:
    """Return a table of all models and committees, sorted by mean test accuracy from high to low.

    Ties are sorted by name. The order is for display only. The test accuracy is not used to select a model.

    Parameters
    ----------
    models : sequence of ModelRuns
        At least one model. The runs must have all metrics in `METRICS`.
    ranks : mapping of str to int
        Rank of each model, by name; see :func:`lineup.pages.compare.rank_models`.

    Returns
    -------
    DataFrame
        A row per model, with its description, ``rank``, number of ``seeds``, mean ``training_seconds``, and the mean
        and the standard deviation of each metric. ``low`` and ``high`` are the 95 % interval of the mean test accuracy
        (see :func:`lineup.evaluation.metrics.accuracy_interval`). ``published`` is the published accuracy or the lower
        end of a published range, and ``published_to`` the upper end. ``difference`` is our accuracy minus the published
        one; it is 0 inside a range. Published values are given only for the dataset on which they were measured.
        Unavailable values are missing.

    Raises
    ------
    LineupError
        If a record lacks a metric.
    """
    frame = pd.DataFrame([_row(model, ranks[model.name]) for model in models])
    floats = ("published", "published_to", "difference", "training_seconds")
    frame = frame.astype(_WHOLE_NUMBERS | dict.fromkeys(floats, "float64"))
    return frame.sort_values(["test_accuracy", "name"], ascending=[False, True], ignore_index=True)


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Read a leaderboard from a CSV file.

    Raises
    ------
    LineupError
        If the file cannot be read or is not a leaderboard, for example because an earlier version wrote it.
    """
    try:
        open_regular(path).close()  # pandas would wait for the other end of a pipe
        frame = pd.read_csv(path, dtype=_WHOLE_NUMBERS | _SHOWN_NUMBERS)
        missing = [name for name in (*_SHOWN_NAMES, *_SHOWN_NUMBERS) if name not in frame]
        problem = f"no column {', '.join(missing)}" if missing else "no rows" if frame.empty else None
    except OSError as error:
        raise LineupError(f"{path}: cannot be read: {error.strerror}; run dvc repro to create it again") from error
    except (ValueError, TypeError, OverflowError) as error:
        problem = " ".join(str(error).split())  # pandas raises ValueErrors for a damaged file
    if problem:
        raise LineupError(f"{path}: not a leaderboard of this version: {problem}; run dvc repro to create it again")
    return frame


def leaderboard_markdown(frame: pd.DataFrame) -> str:
    """Return an explanation and the main columns of the leaderboard as Markdown text.

    Parameters
    ----------
    frame : DataFrame
        From :func:`leaderboard_frame`.

    Returns
    -------
    str
        Markdown text without a final newline. The first sentence states if the data are generated.
    """
    texts = _texts(frame)
    trained = frame.loc[frame["kind"] != "committee", "device"]
    machines = f" Training devices: {'; '.join(sorted(set(trained)))}." if len(trained) else ""
    rows = texts.to_numpy().tolist()
    return f"{_caption(frame)}\n\n{_READING}{machines}\n\n{table([str(name) for name in texts], rows, _LEFT)}"


def print_leaderboard(frame: pd.DataFrame, console: Console) -> None:
    """Print the main columns of the leaderboard to a terminal.

    In a narrow terminal, some columns are left out, so that the names of the models do not wrap.

    Parameters
    ----------
    frame : DataFrame
        From :func:`leaderboard_frame`.
    console : rich.console.Console
        Console to print to.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    texts = _texts(frame)
    console.print(Text(_caption(frame)), soft_wrap=True)
    shown = [name for name in _PRINTED if name in texts]
    # Headings wrap at spaces. Numbers and names do not wrap, unless the terminal is too narrow for two columns.
    widths = {name: max(map(len, [*name.split(), *texts[name]])) for name in shown}
    for name in _LEFT_OUT:
        if sum(widths[column] + _SPACE for column in shown) > console.width and name in shown:
            shown.remove(name)
    printed = Table(box=SIMPLE_HEAD, padding=(0, _SPACE - 1, 0, 0))  # the box adds one space
    for name in shown:
        width = None if name == "model" else widths[name]
        printed.add_column(name, justify="left" if name in _LEFT else "right", width=width, overflow="fold")
    for cells in texts[shown].to_numpy().tolist():
        printed.add_row(*map(Text, cells))
    console.print(printed)


def replace_block(text: str, marker: str, block: str) -> str:
    r"""Replace the text between two markers in a Markdown document.

    Parameters
    ----------
    text : str
        Contains ``<!-- {marker}:begin -->`` once and, after it, ``<!-- {marker}:end -->`` once.
    marker : str
        Name of the markers.
    block : str
        New text. Blank lines separate it from the markers, because Markdown requires blank lines around a table.

    Returns
    -------
    str
        Text that is unchanged outside the markers. Replacing twice gives the same text as replacing once.

    Raises
    ------
    LineupError
        If a marker is missing or occurs twice, or if the end marker comes first.

    Examples
    --------
    >>> text = "<!-- a:begin -->old<!-- a:end -->"
    >>> replace_block(text, "a", "new")
    '<!-- a:begin -->\n\nnew\n\n<!-- a:end -->'
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


_LEFT = ("model", "kind")
_LEFT_OUT = ("kind", "published", "95 % interval", "balanced accuracy", "rank")
"""Columns that are left out in a narrow terminal, the least important first."""
_SPACE = 2
"""Spaces after each printed column."""
_PRINTED = ("rank", "model", "kind", "test accuracy", "95 % interval", "balanced accuracy", "published")
_CLOSE = 0.005
"""The balanced accuracies are left out if they differ by less than this number from the accuracies of all models."""
_READING = (
    "Each accuracy is a mean ± standard deviation over the seeds. The 95 % interval is a Wilson confidence interval."
    " The interval accounts for the choice of the test images, but not for the choice of the seeds. The rank of a model"
    " is the number of significantly better models plus one. The significance test accounts for both the test images"
    " and the seeds (see `reports/evidence.md`)."
)


def _row(model: ModelRuns, rank: int) -> dict[str, object]:
    header = model.first.header
    claim = load_claims(header.data.name).get(model.name)
    mean, images = model.mean("test_accuracy"), header.data.test_images
    low, high = accuracy_interval(round(mean * images), images)
    metrics: dict[str, float] = {}
    for metric in METRICS:
        metrics |= {metric: model.mean(metric), f"{metric}_sd": model.deviation(metric)}
    return {
        "rank": rank,
        "name": model.name,
        "kind": header.kind,
        "family": header.family,
        "report": header.report,
        "parameters": header.weights.parameters if header.weights else None,
        "seeds": len(model.runs),
        **metrics,
        "low": low,
        "high": high,
        **_published(claim, mean),
        "test_count": images,
        "training_seconds": model.training_seconds,
        "device": device_of(model.first),
        "data": header.data.name,
        "title": header.data.title,
        "generated": header.data.generated,
    }


def _published(claim: Claim | None, accuracy: float) -> dict[str, float | None]:
    if claim is None:
        return {"published": None, "published_to": None, "difference": None}
    return {
        "published": claim.accuracy,
        "published_to": claim.accuracy_to,
        "difference": accuracy - claim.nearest(accuracy),
    }


def _caption(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    return data_line(str(first["title"]), int(first["test_count"]), generated=bool(first["generated"]))


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the main columns of the leaderboard as text, with headings.

    The columns with published results are shown only if a model has a published result. The balanced accuracy and the
    macro F1 are shown only if they differ from the accuracy.
    """

    def column(text: Callable[..., str], *names: str) -> list[str]:
        return [text(*values) for values in zip(*(frame[name] for name in names), strict=True)]

    texts = pd.DataFrame(
        {
            "rank": column(str, "rank"),
            "model": column(str, "name"),
            "kind": column(str, "kind"),
            "seeds": column(str, "seeds"),
            "test accuracy": column(with_spread, "test_accuracy", "test_accuracy_sd"),
            "95 % interval": column(span, "low", "high"),
            **_by_class(frame),
            "validation accuracy": column(number, "val_accuracy"),
            "published": column(_published_text, "published", "published_to"),
            "difference": column(lambda value: number(value, "+.4f"), "difference"),
            "training, s": column(lambda value: number(value, ",.1f"), "training_seconds"),
        }
    )
    return texts.drop(columns=["published", "difference"]) if frame["published"].isna().all() else texts


def _by_class(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns with balanced accuracy and macro F1. If the balanced accuracy is close to the accuracy for all
    models, return no columns.

    Leaderboards of earlier versions do not contain the balanced accuracy.
    """
    columns = {"balanced accuracy": "test_macro_recall", "macro F1": "test_macro_f1"}
    if "test_macro_recall" not in frame or (frame["test_macro_recall"] - frame["test_accuracy"]).abs().max() < _CLOSE:
        return {}
    return {heading: [number(value) for value in frame[name]] for heading, name in columns.items()}


def _published_text(low: float, high: float) -> str:
    return number(low) if pd.isna(high) else span(low, high, ".2f")
