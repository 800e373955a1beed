"""The table of the running stages."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lineup.execution.progress import Progress
from lineup.execution.table import StageTable

EPOCH = "[train@a] a epoch 3/10  loss 0.2500 accuracy 0.9000  val_loss 0.3000 val_accuracy 0.8900  1.0 s  240 images/s"


def test_a_terminal_shows_where_each_stage_runs_and_its_last_epoch() -> None:
    output = io.StringIO()
    clock = iter([0.0, 0.0, *[30.0] * 1000])
    progress = Progress(["train@a", "split"], 2, {"split": 5}, clock=lambda: next(clock))
    progress.start("train@a")
    with StageTable(progress, console=Console(file=output, force_terminal=True, width=100)) as table:
        table.where = lambda name: {"train@a": "gpu1"}[name]
        table.log("[train@a] a line with [brackets]")
        table.log(EPOCH)
    assert "[train@a] a line with [brackets]\n" in output.getvalue()
    assert "images/s" not in output.getvalue()
    plain = Console(file=io.StringIO(), width=100)
    plain.print(table.render())
    header, row = plain.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert header.split() == ["stage", "where", "epoch", "loss", "time", "left"]
    # Three of ten epochs took 30 s, so seven take 70 s.
    assert row.split() == ["train@a", "gpu1", "3/10", "0.2500", "30", "s", "1", "min"]


def test_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with StageTable(Progress(["train@a"], 1)) as table:
        table.log(EPOCH)
    assert capsys.readouterr().out == f"{EPOCH}\n"
