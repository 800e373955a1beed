"""Show the running stages in a table below the printed lines, if the output is a terminal.

Examples
--------
>>> epoch_of("[train@a] a epoch 3/10  loss 0.2500 accuracy 0.9000  val_loss 0.3000 val_accuracy 0.8900  1.0 s")
('train@a', 3, 10, '0.2500')
>>> epoch_of("[train@b] b pretrain epoch 1/2  loss 0.0500  val_loss 0.0490  2.0 s")
('train@b', 1, 2, '0.0500')
>>> epoch_of("[train@a] a: test accuracy 0.9000") is None
True
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lineup.execution.progress import Progress, in_words

# The line of `lineup.training.progress.ConsoleProgress`.
_EPOCH = re.compile(r"\[([^]]+)\] \S+(?: \w+)? epoch (\d+)/(\d+)  loss ([\d.]+)")


@dataclass(frozen=True)
class _Epochs:
    """The last epoch of a stage. ``began`` and ``seconds`` are the times of the training and of this line."""

    epoch: int
    epochs: int
    loss: str
    began: float
    seconds: float


class StageTable:
    """Context manager that prints lines. In a terminal, a table of the running stages is shown below the lines.

    In a terminal, the epochs appear only in this table, and not on separate lines. The column "left" contains the
    estimated remaining time. There are two estimates: from the last run of the stage, and from the epochs of the
    current training run. The table shows the longer time. If a stage has never run, the estimate includes the current
    seed, but no later seeds.

    Parameters
    ----------
    progress : Progress
        Knows the running stages and their estimates.
    log : callable, optional
        Receives all lines instead, without a table. Default: print the lines.
    console : rich.console.Console, optional
        Default: standard output.
    """

    def __init__(
        self, progress: Progress, log: Callable[[str], None] | None = None, console: Console | None = None
    ) -> None:
        self.where: Callable[[str], str] = lambda _: ""
        self._progress, self._log, self._lock = progress, log, Lock()
        self._console = console or Console()
        self._epochs: dict[str, _Epochs] = {}
        is_live = log is None and self._console.is_terminal
        self._live = Live(console=self._console, get_renderable=self.render, refresh_per_second=2) if is_live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def log(self, line: str) -> None:
        """Print a line. All threads can call this method."""
        with self._lock:
            if self._log is not None:
                self._log(line)
            elif self._live is None:
                print(line, flush=True)
            elif found := epoch_of(line):
                self._count(*found)
            else:
                self._live.console.print(Text(line))

    def render(self) -> Table:
        """Return a table of all running stages."""
        table = Table("stage", "where", "epoch", "loss", "time", "left", box=None, pad_edge=False)
        for name in self._progress.running():
            seconds, left = self._progress.seconds_of(name), self._progress.left_of(name)
            epoch, loss = "", ""
            if found := self._epochs.get(name):
                epoch, loss = f"{found.epoch}/{found.epochs}", found.loss
                left = max(left, (seconds - found.began) * (found.epochs / found.epoch - 1))
            table.add_row(name, self.where(name), epoch, loss, f"{seconds:.0f} s", in_words(left) if left else "")
        return table

    def _count(self, stage: str, epoch: int, epochs: int, loss: str) -> None:
        """Store the epoch. If the epoch number is not larger than before, training with the next seed has started."""
        last = self._epochs.get(stage)
        began = 0.0 if last is None else last.began if epoch > last.epoch else last.seconds
        self._epochs[stage] = _Epochs(epoch, epochs, loss, began, self._progress.seconds_of(stage))


def epoch_of(line: str) -> tuple[str, int, int, str] | None:
    """Read a line about an epoch: the stage, the epoch, the number of epochs and the loss. Other lines give None."""
    found = _EPOCH.match(line)
    return (found[1], int(found[2]), int(found[3]), found[4]) if found else None
