from __future__ import annotations

import math
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lineup.errors import LineupError
from lineup.evaluation.metrics import accuracy_interval
from lineup.figures.leaderboard import leaderboard
from lineup.report.leaderboard import (
    LeaderboardRow,
    leaderboard_frame,
    leaderboard_markdown,
    print_leaderboard,
    replace_block,
)

CNN = LeaderboardRow(
    name="cnn",
    kind="network",
    family="cnn",
    report="A",
    parameters=1_234_567,
    seed=42,
    threads=2,
    device="cpu",
    data="fashion_mnist",
    val_accuracy=0.92,
    test_accuracy=0.9176,
    test_loss=0.2345,
    test_macro_f1=0.9171,
    test_count=10_000,
    published=0.92,
    training_seconds=1234.56,
)
FOREST = replace(
    CNN,
    name="forest",
    kind="classical",
    report="",
    parameters=None,
    threads=1,
    test_accuracy=0.8768,
    published=None,
    training_seconds=None,
)
VOTE = replace(CNN, name="vote", kind="committee", test_accuracy=0.93, published=0.925)
DASH = "\N{EN DASH}"


def generated(row: LeaderboardRow) -> LeaderboardRow:
    return replace(row, data="synthetic", test_count=2000)


def test_frame_is_sorted_with_intervals_and_differences() -> None:
    frame = leaderboard_frame([FOREST, CNN, VOTE])
    assert list(frame["name"]) == ["vote", "cnn", "forest"]
    assert (frame["low"][1], frame["high"][1]) == accuracy_interval(9176, 10_000)
    assert frame["difference"][0] == pytest.approx(0.005)
    assert math.isnan(frame["difference"][2])
    assert frame["parameters"].isna().tolist() == [False, False, True]


def test_equals_stand_by_name() -> None:
    rows = [replace(CNN, name=name) for name in ("c", "a", "b")]
    assert list(leaderboard_frame(rows)["name"]) == ["a", "b", "c"]


def test_nothing_published_on_one_dataset_is_compared_with_generated_data() -> None:
    frame = leaderboard_frame([generated(CNN)])
    assert frame["generated"].all()
    assert frame["difference"].isna().all()


def test_frame_fits_the_figure() -> None:
    assert leaderboard(leaderboard_frame([FOREST, CNN, VOTE])).axes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "there are no results"),
        ([replace(CNN, data="mnist")], "no dataset 'mnist'"),
        ([replace(CNN, test_accuracy=1.5)], "found 15000 of 10000"),
        ([replace(CNN, test_count=0)], "found 0 of 0"),
    ],
)
def test_frame_refuses_the_impossible(rows: list[LeaderboardRow], message: str) -> None:
    with pytest.raises(LineupError, match=message):
        leaderboard_frame(rows)


def test_markdown_table() -> None:
    assert leaderboard_markdown(leaderboard_frame([FOREST, CNN])) == "\n".join(
        [
            "Data: Fashion-MNIST, 10,000 test images.",
            "",
            "| # | model | kind | report | parameters | validation accuracy | test accuracy | 95 % interval | macro F1 "
            "| loss | published | difference | seed | device | training, s |",
            "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
            f"| 1 | cnn | network | A | 1,234,567 | 0.9200 | 0.9176 | 0.9120{DASH}0.9228 | 0.9171 "
            "| 0.2345 | 0.9200 | -0.0024 | 42 | cpu, 2 threads | 1,234.6 |",
            f"| 2 | forest | classical | {DASH} | {DASH} | 0.9200 | 0.8768 | 0.8702{DASH}0.8831 | 0.9171 "
            f"| 0.2345 | {DASH} | {DASH} | 42 | cpu, 1 thread | {DASH} |",
        ]
    )


def test_markdown_says_so_if_the_data_are_generated() -> None:
    sentence = "This is generated data: these figures say nothing about Fashion-MNIST."
    assert sentence in leaderboard_markdown(leaderboard_frame([generated(CNN)]))
    assert sentence not in leaderboard_markdown(leaderboard_frame([CNN]))


def test_each_dataset_has_its_own_table() -> None:
    rows = [replace(generated(VOTE), test_accuracy=0.99), CNN, FOREST]
    first, second = leaderboard_markdown(leaderboard_frame(rows)).split("\n\nData: ")
    assert "Synthetic garments, 2,000 test images" in first
    assert "| 1 | vote " in first
    assert "| 1 | cnn " in second
    assert "| 2 | forest " in second


def test_a_name_cannot_break_the_table() -> None:
    text = leaderboard_markdown(leaderboard_frame([replace(CNN, name="a|b\nc")]))
    assert "| a\\|b c |" in text.splitlines()[-1]


@pytest.mark.parametrize("width", [80, 140])
def test_printed_table(width: int) -> None:
    console = Console(file=StringIO(), width=width)
    print_leaderboard(leaderboard_frame([generated(CNN), replace(FOREST, name="[red]x")]), console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"0.9120{DASH}0.9228" not in printed
    assert f"0.8702{DASH}0.8831" in printed
    assert "0.9200" in next(line for line in printed.splitlines() if "cnn" in line).split()[-1]
    assert "[red]x" in printed
    assert "say nothing about Fashion-MNIST" in printed


def test_block_is_replaced_between_its_markers_alone() -> None:
    text = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\n<!-- b:begin --><!-- b:end -->\nafter\n"
    changed = replace_block(text, "a", "| new \\1 |\n")
    assert changed == (
        "before\n<!-- a:begin -->\n\n| new \\1 |\n\n<!-- a:end -->\n<!-- b:begin --><!-- b:end -->\nafter\n"
    )


@given(st.text(), st.text(), st.text())
def test_block_replaced_twice_is_replaced_once(before: str, after: str, block: str) -> None:
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
