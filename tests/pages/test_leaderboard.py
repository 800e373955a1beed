from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lineup.errors import LineupError
from lineup.evaluation.metrics import accuracy_interval
from lineup.figures.leaderboard import leaderboard
from lineup.pages.compare import compare
from lineup.pages.leaderboard import (
    METRICS,
    leaderboard_frame,
    leaderboard_markdown,
    print_leaderboard,
    read_leaderboard,
    replace_block,
)
from lineup.records.record import Record
from tests.runs import GENERATED, REAL, make_run, make_seeds

DASH = "\N{EN DASH}"


def frame_of(records: list[Record]) -> pd.DataFrame:
    comparison = compare(records)
    return leaderboard_frame(comparison.models, comparison.ranks)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """A network with three seeds, a forest with a published range, and a committee, on the real data."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        *make_seeds(folder, "basic_cnn", [810, 819, 828], data=REAL, seconds=1234.56),
        make_run(folder, "svm", 774, kind="classical", report="E", weights=None, data=REAL, threads=1),
        make_run(folder, "vote", 855, kind="committee", report="-", weights=None, threads=None, data=REAL),
    ]


def test_frame_has_a_row_per_model_the_best_first(records: list[Record]) -> None:
    frame = frame_of(records)
    assert list(frame["name"]) == ["vote", "basic_cnn", "svm"]
    assert list(frame["seeds"]) == [1, 3, 1]
    cnn = frame.iloc[1]
    assert cnn["test_accuracy"] == pytest.approx(0.91)
    assert cnn["test_accuracy_sd"] == pytest.approx(0.01)
    assert (cnn["low"], cnn["high"]) == accuracy_interval(819, 900)
    assert cnn["difference"] == pytest.approx(0.91 - 0.9156)
    assert cnn["parameters"] == 10
    assert cnn["training_seconds"] == pytest.approx(1234.56)
    assert frame["parameters"].isna().tolist() == [True, False, True]
    assert frame[["published", "training_seconds"]].isna().to_numpy().tolist() == [
        [True, True],
        [False, False],
        [False, False],
    ]
    assert {*METRICS, *(f"{name}_sd" for name in METRICS)} <= set(frame)
    assert not frame[list(METRICS)].isna().any(axis=None)


def test_the_balanced_accuracy_is_shown_if_it_differs_from_the_accuracy(records: list[Record]) -> None:
    frame = frame_of(records)
    frame["test_macro_recall"] = frame["test_accuracy"] - 0.001
    assert "balanced accuracy" not in leaderboard_markdown(frame)
    frame.loc[1, "test_macro_recall"] = 0.7654
    assert "| balanced accuracy | macro F1 |" in leaderboard_markdown(frame)
    assert "| 0.7654 |" in leaderboard_markdown(frame)
    assert "balanced accuracy" not in leaderboard_markdown(
        frame.drop(columns="test_macro_recall")
    )  # an earlier version


def test_the_difference_from_a_range_counts_from_its_nearest_end(records: list[Record]) -> None:
    frame = frame_of(records).set_index("name")
    assert frame["published"]["svm"] == 0.87
    assert frame["published_to"]["svm"] == 0.89
    assert frame["difference"]["svm"] == pytest.approx(774 / 900 - 0.87)
    assert f"| 0.87{DASH}0.89 | -0.0100 |" in leaderboard_markdown(frame.reset_index())


def test_frame_can_be_saved_read_and_plotted(records: list[Record], tmp_path: Path) -> None:
    frame = frame_of(records)
    frame.to_csv(tmp_path / "table.csv", index=False)
    again = read_leaderboard(tmp_path / "table.csv")
    assert leaderboard_markdown(again) == leaderboard_markdown(frame)
    assert leaderboard(again).axes


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"(?s).*", "", "No columns to parse"),
        (r"(?s)\n.*", "\n", "no rows"),
        ("test_accuracy_sd", "deviation", "no column test_accuracy_sd"),
        ("(?m)^1,", "first,", "first"),
        ("0[.]95", "high", "high"),
        ("1234[.]56", '"1234.56', "could not convert string to float"),
        ("basic_cnn", "caf\udce9", "utf-8"),
    ],
)
def test_a_file_that_is_not_a_leaderboard_gives_one_error(
    records: list[Record], tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "table.csv"
    text = frame_of(records).to_csv(index=False)
    path.write_bytes(re.sub(old, new, text, count=1).encode(errors="surrogateescape"))
    with pytest.raises(LineupError, match=rf"table\.csv: not a leaderboard of this version: .*{said}") as caught:
        read_leaderboard(path)
    assert "\n" not in str(caught.value)
    assert "run dvc repro to create it again" in str(caught.value)
    path.unlink()
    with pytest.raises(LineupError, match=r"table\.csv: cannot be read: No such file"):
        read_leaderboard(path)
    os.mkfifo(path)
    with pytest.raises(LineupError, match=r"table\.csv: cannot be read: not a regular file"):
        read_leaderboard(path)


def test_markdown_table(records: list[Record]) -> None:
    caption, reading, table = leaderboard_markdown(frame_of(records)).split("\n\n")
    assert caption == "Data: Fashion-MNIST, 900 test images."
    assert reading.endswith("Training devices: A processor, 1 thread; A processor, 2 threads.")
    assert table.splitlines() == [
        "| rank | model | kind | seeds | test accuracy | 95 % interval | validation accuracy | published | difference "
        "| training, s |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| 1 | vote | committee | 1 | 0.9500 | 0.9338{DASH}0.9624 | 0.9500 | {DASH} | {DASH} | {DASH} |",
        f"| 2 | basic_cnn | network | 3 | 0.9100 ± 0.0100 | 0.8895{DASH}0.9270 | 0.9100 | 0.9156 | -0.0056 | 1,234.6 |",
        f"| 3 | svm | classical | 1 | 0.8600 | 0.8358{DASH}0.8811 | 0.8600 | 0.87{DASH}0.89 | -0.0100 | 3.5 |",
    ]


def test_generated_data_are_named_and_have_no_published_results(tmp_path: Path) -> None:
    frame = frame_of(make_seeds(tmp_path, "basic_cnn", [810, 819], data=GENERATED))
    assert frame["generated"].all()
    assert frame[["published", "published_to", "difference"]].isna().all(axis=None)
    text = leaderboard_markdown(frame)
    assert "The data are generated, so the results do not apply to real images." in text
    assert "published" not in text
    assert "0.9156" not in text
    console = Console(file=StringIO(), width=140)
    print_leaderboard(frame, console)
    assert "published" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_ties_are_sorted_by_name(tmp_path: Path) -> None:
    frame = frame_of([make_run(tmp_path, name, 810) for name in ("c", "a", "b")])
    assert list(frame["name"]) == ["a", "b", "c"]
    assert set(frame["rank"]) == {1}


@pytest.mark.parametrize("width", [80, 140])
def test_printed_table(records: list[Record], width: int) -> None:
    console = Console(file=StringIO(), width=width)
    frame = frame_of(records).assign(generated=True, title="Synthetic garments")
    frame["name"] = ["[red]x", "cnn", "svm"]
    print_leaderboard(frame, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"0.8895{DASH}0.9270" in printed
    assert "0.9156" in next(line for line in printed.splitlines() if "cnn" in line).split()[-1]
    assert "[red]x" in printed
    assert "the results do not apply to real images" in printed


@pytest.mark.parametrize(("width", "headings"), [(46, 1), (80, 4), (100, 5)])
def test_names_do_not_wrap_and_columns_are_left_out(records: list[Record], width: int, headings: int) -> None:
    console = Console(file=StringIO(), width=width)
    frame = frame_of(records)
    frame["name"] = ["report_a_voting_proportion", "cnn", "svm"]
    print_leaderboard(frame, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert any("report_a_voting_proportion" in line for line in lines)
    assert max(map(len, lines[1:])) <= width
    found = [name for name in ("rank", "kind", "test accuracy", "95 % interval", "published") if name in lines[2]]
    assert len(found) == headings


def test_only_the_block_between_the_markers_is_replaced() -> None:
    text = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\n<!-- b:begin --><!-- b:end -->\nafter\n"
    changed = replace_block(text, "a", "| new \\1 |\n")
    assert changed == (
        "before\n<!-- a:begin -->\n\n| new \\1 |\n\n<!-- a:end -->\n<!-- b:begin --><!-- b:end -->\nafter\n"
    )


@given(st.text(), st.text(), st.text())
def test_replacing_a_block_twice_is_the_same_as_once(before: str, after: str, block: str) -> None:
    text = f"{before}<!-- a:begin --><!-- a:end -->{after}"
    once = replace_block(text, "a", block)
    assert replace_block(once, "a", block) == once
    assert once.startswith(before)
    assert once.endswith(after)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the line '<!-- a:begin -->' once in the text, found it 0 times"),
        ("<!-- a:begin -->", "'<!-- a:end -->' once in the text, found it 0 times"),
        ("<!-- a:begin --><!-- a:begin --><!-- a:end -->", "found it 2 times"),
        ("<!-- a:end --><!-- a:begin -->", "comes before"),
    ],
)
def test_missing_markers_are_refused(text: str, message: str) -> None:
    with pytest.raises(LineupError, match=message):
        replace_block(text, "a", "new")
